"""A CardDAV server of this process, called without sockets."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from xml.etree import ElementTree

from terrarium.capability.contacts.carddav.app import CardDav
from terrarium.capability.contacts.contacts import Contacts
from terrarium.core.capability import Site
from terrarium.core.clock import Clock
from terrarium.core.network import Caller
from terrarium.core.person import declared
from terrarium.core.seeds import Rng

CARD = "BEGIN:VCARD\r\nVERSION:4.0\r\nFN:{name}\r\nUID:{uid}\r\nEMAIL;TYPE=work:{uid}@corp.example\r\nEND:VCARD\r\n"
PEOPLE = {
    "ann": {"address": "ann@corp.example", "agent": "agent", "password": "sesame"},
    "bob": {"address": "bob@corp.example", "password": "other"},
}
BOOK = "/ann/contacts/"


class Ours:
    """An open `Contacts`, and its server as an application that is called directly."""

    def __init__(self, folder: Path) -> None:
        self.contacts, self.clock = Contacts(), Clock()
        site = Site(
            name="contacts",
            folder=folder,
            config={},
            clock=self.clock,
            rng=Rng(7),
            agents=("agent",),
            changed=lambda change: None,
            actor=lambda: "agent",
            wait=asyncio.run,
            sandbox=lambda: None,  # type: ignore[arg-type, return-value]
            people=declared(PEOPLE, ("agent",)),
        )
        asyncio.run(self.contacts.open(site))
        self.app = CardDav(self.contacts._books, self.contacts._people)

    def ask(
        self, method: str, path: str, body: str | bytes = b"", login: str | None = "ann:sesame", **headers: str
    ) -> tuple[int, dict[str, str], str]:
        told = {name.replace("_", "-").lower(): value for name, value in headers.items()}
        if login is not None:
            told["authorization"] = "Basic " + base64.b64encode(login.encode()).decode()
        scope = {
            "type": "http",
            "method": method,
            "raw_path": path.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in told.items()],
            "extensions": {"terrarium": {"caller": Caller("agent", "workspace")}},
        }
        sent: list[dict] = []

        async def receive() -> dict:
            return {"type": "http.request", "body": body.encode() if isinstance(body, str) else body}

        async def send(message: dict) -> None:
            sent.append(message)

        asyncio.run(self.app.serve(scope, receive, send))
        answer = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], answer, sent[1]["body"].decode()

    def found(self, *args: str, **named: str) -> dict[str, str]:
        """The hrefs of a multistatus, and what each says."""
        status, _, body = self.ask(*args, **named)
        assert status == 207, body
        return {
            one.findtext("{DAV:}href") or "": ElementTree.tostring(one, encoding="unicode")
            for one in ElementTree.fromstring(body).findall("{DAV:}response")
        }


def report(kind: str, inside: str, space: str = "urn:ietf:params:xml:ns:carddav") -> str:
    data = "<D:prop><D:getetag/><c:address-data/></D:prop>"
    return (
        f'<r:{kind} xmlns:r="{space}" xmlns:c="urn:ietf:params:xml:ns:carddav" xmlns:D="DAV:">{data}{inside}</r:{kind}>'
    )
