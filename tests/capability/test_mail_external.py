"""`email` on a server that is not ours: the emulated one of another world, over real IMAP and SMTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from loopback import LiveMail

from terrarium.capability.email import Email
from terrarium.core.capability import EXTERNAL, Site
from terrarium.core.clock import Clock
from terrarium.core.errors import CapabilityFault, ConfigError, NotFound, Refused, Unsupported
from terrarium.core.seeds import Rng

ME, BOSS, EVE = "agent@world.example", "boss@corp.example", "eve@elsewhere.example"
PASSWORDS = {ME: "hers-1234", BOSS: "his-12345"}


class Stand:
    """`Email` on a site of its own, with whatever backend."""

    def __init__(self, folder: Path, **config: Any) -> None:
        self.who = "task"
        self.changes: list[Any] = []
        self.email = Email()
        clock = Clock()
        self.site = Site(
            name="email",
            folder=folder / "stand",
            config=config,
            clock=clock,
            rng=Rng(3),
            agents=("agent",),
            changed=self.changes.append,
            actor=lambda: self.who,
            wait=asyncio.run,
            sandbox=lambda: None,  # type: ignore[arg-type, return-value]
        )
        asyncio.run(self.email.open(self.site))

    def use(self, verb: str, **arguments: Any) -> Any:
        [tool] = [tool for tool in self.email.tools("agent") if tool.name == f"email_{verb}"]
        self.who = "agent"
        try:
            found = tool.function(**tool.bind(arguments))
            return asyncio.run(_awaited(found)) if asyncio.iscoroutine(found) else found
        finally:
            self.who = "task"

    def close(self) -> None:
        asyncio.run(self.email.close())


async def _awaited(found: Any) -> Any:
    return await found


@pytest.fixture
def theirs(tmp_path: Path) -> Iterator[LiveMail]:
    """The other world: a mail system with two people who have passwords."""
    accounts = {
        "agent": {"address": ME, "password": PASSWORDS[ME]},
        "boss": {"address": BOSS, "password": PASSWORDS[BOSS]},
    }
    with LiveMail(tmp_path / "theirs", config={"accounts": accounts}) as live:
        yield live
        assert live.failures == []


@pytest.fixture
def backend(theirs: LiveMail, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("MAIL_OF_AGENT", PASSWORDS[ME])
    monkeypatch.setenv("MAIL_OF_BOSS", PASSWORDS[BOSS])
    return {
        "imap": f"127.0.0.1:{theirs.port(143)}",
        "smtp": f"127.0.0.1:{theirs.port(587)}",
        "tls": "none",
        "user": ME,
        "password_env": "MAIL_OF_AGENT",
        "logins": {BOSS: {"password_env": "MAIL_OF_BOSS"}},
    }


@pytest.fixture
def stand(backend: dict[str, Any], tmp_path: Path) -> Iterator[Stand]:
    stand = Stand(tmp_path, backend=backend)
    yield stand
    stand.close()


def story(here: Stand) -> list[Any]:
    """All that one does with mail, and what is seen of it, without ids and times that are each server's own."""
    email = here.email
    told: list[Any] = []

    def see(address: str, folder: str = "INBOX") -> None:
        for mail in email.list_folder(address, folder):
            body = mail["body"].removesuffix("\n")  # on the wire a text ends with a line end
            told.append((folder, mail["from"], mail["to"], mail["subject"], body, mail["flags"], mail["by"]))

    first = email.send(f"The Böss <{BOSS}>", ME, "Plan ✓", "Read it.\nAll.", attachments=[("a.bin", bytes(range(256)))])
    told.append((first["recipients"], first["agents"]))
    see(ME)
    listed = here.use("list")
    told.append((listed["total"], listed["unread"], [mail["attachments"] for mail in listed["mails"]]))
    [mail] = listed["mails"]
    told.append(here.use("read", id=mail["id"])["body"].removesuffix("\n"))
    told.append(here.use("attachment", id=mail["id"], filename="a.bin"))
    answered = here.use("reply", id=mail["id"], body="Done.", attachments=[{"filename": "x.txt", "content": "x"}])
    told.append(answered["recipients"])
    see(ME)
    see(BOSS)
    see(ME, "Sent")
    told.append([m["subject"] for m in email.thread(ME, first["message_id"])])
    told.append([m["subject"] for m in email.sent(ME)])
    told.append(email.attachment(BOSS, email.list_inbox(BOSS)[0]["message_id"], "x.txt"))
    told.append(here.use("mark", id=mail["id"], flagged=True)["flagged"])
    email.create_folder(ME, "Clients/Acmé")
    told.append(email.folders(ME))
    moved = here.use("move", id=mail["id"], folder="clients/acmé")["id"]
    told.append(moved.rpartition("/")[0])
    see(ME, "Clients/Acmé")
    told.append(email.count_inbox(ME))
    trashed = here.use("delete", id=moved)["id"]
    told.append((trashed.rpartition("/")[0], email.lost(ME)))
    here.use("delete", id=trashed)
    told.append(email.lost(ME) == [first["message_id"]])
    told.append(email.list_folder(ME, "Trash"))
    told.append([m["subject"] for m in email.search(BOSS, "done", from_addr="agent@")])
    email.set_flags(BOSS, email.list_inbox(BOSS)[0]["message_id"], add=["\\Seen", "$Label"])
    see(BOSS)
    email.delete_message(BOSS, 0)
    told.append(email.count_inbox(BOSS))
    told.append(here.use("folders"))
    for wrong in (
        lambda: here.use("read", id="INBOX/99"),
        lambda: email.get_message(ME, 7),
        lambda: email.list_folder(ME, "Nowhere"),
        lambda: email.send(BOSS, "", "x", "y"),
        lambda: here.use("move", id="INBOX/99", folder="Trash"),
    ):
        with pytest.raises((NotFound, Refused)) as raised:
            wrong()
        told.append(type(raised.value).__name__)
    return told


def test_the_same_story_here_and_there(stand, tmp_path):
    here = Stand(tmp_path / "here")
    assert story(stand) == story(here)
    here.close()


def test_what_it_claims(stand):
    assert stand.email.traits == stand.email.claims({"backend": {}}) == EXTERNAL
    assert Email().claims({}).owned
    with pytest.raises(Unsupported):
        asyncio.run(stand.email.save(Path("nowhere")))
    stand.email.send(BOSS, ME, "x", "y")
    assert stand.changes == []
    assert {row.table for row in stand.email.rows()} == {"copy", "mailbox", "message"}


def test_strangers_write_into_mailboxes_that_we_have_and_to_nobody_else(stand, theirs):
    stand.email.send(EVE, [ME, BOSS], "Hello", "Who are you?")
    assert [mail["from"] for mail in stand.email.list_inbox(BOSS)] == [EVE]
    assert theirs.ask(theirs.email.count_inbox, ME) == 1
    with pytest.raises(Refused, match=f"no login for {EVE}"):
        stand.email.send(EVE, ["carol@corp.example", ME], "Hello", "Who are you?")
    assert theirs.ask(theirs.email.count_inbox, ME) == 1


def test_what_others_do_there_is_seen(stand, theirs):
    assert stand.use("list")["total"] == 0
    theirs.ask(theirs.email.send, EVE, ME, "From outside", "Hello")
    [mail] = stand.email.list_inbox(ME)
    assert (mail["subject"], mail["by"]) == ("From outside", "elsewhere")
    theirs.ask(theirs.email.set_flags, ME, mail["message_id"], add=["\\Flagged"])
    assert stand.email.list_inbox(ME)[0]["flags"] == ["\\Flagged"]
    rows = list(stand.email.rows())
    theirs.ask(theirs.email.delete_message, ME, 0)
    assert stand.email.list_inbox(ME) == []
    assert len(list(stand.email.rows())) == len(rows) - 1


def test_a_lost_connection_is_made_anew(stand, theirs):
    assert stand.email.count_inbox(ME) == 0
    for imap in stand.email._external.external._imaps.values():
        if imap._client is not None:
            imap._client.sock.close()
    assert stand.email.count_inbox(ME) == 0


def test_passwords_stand_in_no_row_and_no_message(stand, backend, tmp_path, monkeypatch):
    stand.email.send(BOSS, ME, "x", "y")
    texts = repr(list(stand.email.rows())) + repr(vars(stand.email._external)) + repr(stand.email.connection_info)
    assert not [word for word in PASSWORDS.values() if word in texts]
    monkeypatch.setenv("MAIL_OF_AGENT", "wrong-123")
    other = Stand(tmp_path / "other", backend=backend)
    with pytest.raises(CapabilityFault, match="IMAP of agent") as raised:
        other.email.count_inbox(ME)
    assert "wrong-123" not in str(raised.value)
    other.close()


def test_nobody_there(tmp_path, monkeypatch):
    monkeypatch.setenv("PW", "secret-word")
    there = {"imap": "127.0.0.1:1", "smtp": "127.0.0.1:1", "tls": "none", "password_env": "PW"}
    stand = Stand(tmp_path, backend=there)
    with pytest.raises(CapabilityFault, match=r"127\.0\.0\.1"):
        stand.email.list_inbox(ME)
    with pytest.raises(CapabilityFault, match=r"127\.0\.0\.1"):
        stand.use("send", to=[BOSS], subject="x", body="y")
    stand.close()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: "nothing", "must be a table"),
        (lambda b: {**b, "imaps": "x:1"}, "did you mean 'imap'"),
        (lambda b: {**b, "imap": "host"}, "host:port"),
        (lambda b: {**b, "smtp": "host:0"}, "host:port"),
        (lambda b: {**b, "tls": "some"}, "backend.tls"),
        (lambda b: {**b, "password_env": "NOT_SET_ANYWHERE"}, "NOT_SET_ANYWHERE"),
        (lambda b: {**b, "password": "open"}, "key of backend"),
        (lambda b: {**b, "logins": []}, "table of addresses"),
        (lambda b: {**b, "logins": {BOSS: "x"}}, "needs a table"),
        (lambda b: {**b, "logins": {"nobody": {"password_env": "MAIL_OF_BOSS"}}}, "backend.logins"),
        (lambda b: {key: b[key] for key in ("imap", "smtp", "logins")}, "no login for agent@world.example"),
    ],
)
def test_what_cannot_be_a_backend(backend, tmp_path, change: Callable[[Any], Any], message):
    with pytest.raises(ConfigError, match=message):
        Stand(tmp_path, backend=change(backend))


def test_a_server_that_can_neither_move_nor_expunge_one(stand):
    stand.email.send(BOSS, ME, "one", "1")
    stand.email.send(BOSS, ME, "two", "2")
    imap = stand.email._external.external.imap(ME)
    imap._client.capabilities = ("IMAP4REV1",)
    stand.use("move", id="INBOX/1", folder="Archive")
    assert [mail["subject"] for mail in stand.email.list_folder(ME, "Archive")] == ["one"]
    assert [mail["subject"] for mail in stand.email.list_inbox(ME)] == ["two"]


TASK = """
    @entry(["email"], {"email": {"backend": BACKEND}})
    def fn(env, agent):
        env.email.send("boss@corp.example", env.email.address(), "Lunch?", "At noon?")
        agent.act("Answer.")
        return run_checkers({
            "answered": lambda: env.email.list_inbox("boss@corp.example")[0]["by"] == "agent",
            "and no more": lambda: env.unchanged_except("email:message"),
        })
"""


def test_a_trial_on_it(play, backend, theirs):
    played = play(
        TASK.replace("BACKEND", repr(backend)),
        [
            {"tool": "email_list", "args": {}},
            {"tool": "email_reply", "args": {"id": "INBOX/1", "body": "Gladly."}},
            "done",
        ],
        snapshot="every-turn",
    )
    assert played.reward == 1.0
    [header] = played.events("header")
    assert not header.data["traits"]["owned"]
    assert not header.data["deterministic"]
    assert played.snapshots() == []
    assert [event.data["table"] for event in played.events("change")] == []
    assert theirs.ask(theirs.email.count_inbox, BOSS) == 1
    everything = b"".join(path.read_bytes() for path in played.folder.rglob("*") if path.is_file())
    assert not [word for word in PASSWORDS.values() if word.encode() in everything]
