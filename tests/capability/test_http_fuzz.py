"""Each HTTP service, asked over the wire by its description: right and wrong requests alike have a vendor's answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import descriptions
import pytest
import requests
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from mcp_stand import Hands
from open_world import OpenWorld
from requests.adapters import HTTPAdapter
from schemathesis import GenerationMode, openapi

from effort import examples
from terrarium.capability.notion.render import VERSIONS
from terrarium.core.errors import Refused

# A schema with many words is long to write down, which Hypothesis would say.
pytestmark = pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")


class Service:
    """One service of an open world, and what is right there."""

    def __init__(self, world: OpenWorld, name: str, host: str, description: Any, **told: Any) -> None:
        self.world, self.name, self.host, self.description = world, name, host, description
        self.headers: dict[str, str] = told.get("headers", {})
        self.sign: Callable[[requests.PreparedRequest], None] = told.get("sign", lambda request: None)
        self.volatile: tuple[str, ...] = told.get("volatile", ())

    def rows(self) -> list[Any]:
        """The state, without the tables that count requests."""
        return [row for row in self.world.rows(self.name)[self.name] if row.table not in self.volatile]


@contextmanager
def of_notion(folder: Path) -> Iterator[Service]:
    with OpenWorld(folder, {"notion": {}}) as world:
        notion = world["notion"]
        page = notion.create_page("Page")["id"]
        notion.append_blocks(page, "One\n- two")
        database = notion.create_database("Tasks", {"Name": {"title": {}}, "Cost": {"number": {}}}, page)
        source = database["data_sources"][0]["id"]
        entry = notion.add_database_record(database["id"], {"Name": {"title": [{"text": {"content": "A"}}]}})["id"]
        block, comment = notion.list_blocks(page)[0]["id"], notion.add_comment(page, "Well?")["id"]
        known = [page, database["id"], source, entry, block, comment, notion.user("agent")["id"]]
        headers = {"Authorization": f"Bearer {notion.equipment('agent').env['NOTION_TOKEN']}"}
        description = descriptions.notion(known)
        yield Service(world, "notion", "api.notion.com", description, headers=headers)


def google(name: str, host: str, only: tuple[str, ...]) -> Any:
    @contextmanager
    def made(folder: Path) -> Iterator[Service]:
        with OpenWorld(folder, {"google_sheets": {}}) as world:
            from terrarium.capability.google_sheets.key import Keys

            sheets = world["google_sheets"]
            id = sheets.create_spreadsheet("Fuzz")["id"]
            sheets.write_range(id, "A1", [["a", 1, "=B1*2"], ["b", "5%", "2030-01-07"]])
            scopes = [f"https://www.googleapis.com/auth/{scope}" for scope in ("spreadsheets", "drive")]
            account = sheets._accounts.agents["agent"]
            token = Keys(sheets._accounts).access(account, scopes, int(world.clock.micros // 1_000_000))
            description = descriptions.google(name, only, [id])
            headers = {"Authorization": f"Bearer {token}"}
            yield Service(world, "google_sheets", host, description, headers=headers)

    return made


@contextmanager
def of_slack(folder: Path) -> Iterator[Service]:
    with OpenWorld(folder, {"slack": {}}) as world:
        slack = world["slack"]
        slack.create_channel("general")
        ts = slack.post("agent", "general", "hello")
        known = [slack.channels()[0]["id"], slack.users()[0]["id"], ts, "general", "other", "thumbsup", "[]", "{}"]
        headers = {"Authorization": f"Bearer {slack.equipment('agent').env['SLACK_TOKEN']}"}
        yield Service(world, "slack", "slack.com", descriptions.slack(known), headers=headers)


@contextmanager
def of_s3(folder: Path) -> Iterator[Service]:
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    with OpenWorld(folder, {"object_store": {}}) as world:
        store = world["object_store"]
        store.create_bucket("reports")
        store.put_object("reports", "a", "hello")
        env = store.equipment("agent").env
        keys = Credentials(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"])

        def sign(request: requests.PreparedRequest) -> None:
            told = AWSRequest(request.method, request.url, dict(request.headers), request.body or b"")
            S3SigV4Auth(keys, "s3", "us-east-1").add_auth(told)
            request.headers.update(dict(told.headers.items()))

        host = "s3.us-east-1.amazonaws.com"
        yield Service(world, "object_store", host, descriptions.s3(["reports"]), sign=sign)


@contextmanager
def of_web(folder: Path) -> Iterator[Service]:
    with OpenWorld(folder, {"web": {}}) as world:
        web = world["web"]
        web.site("shop.example", files={"/index.html": "<h1>Shop</h1>", "/a/b.bin": bytes(300)}, listing=True)
        web.respond("shop.example", "/pay", "thanks", 201, method="POST")
        description = descriptions.web(["index.html", "a/b.bin", "pay", "a"])
        yield Service(world, "web", "shop.example", description, volatile=("visit",))


@contextmanager
def of_mcp(folder: Path) -> Iterator[Service]:
    def add(a: int, b: int = 0) -> int:
        """Add two numbers.

        Args:
            a: One.
            b: The other.
        """
        if a < 0:
            raise Refused("a must not be negative")
        return a + b

    hands = {agent: Hands(add) for agent in ("agent", "other")}
    with OpenWorld(folder, {"mcp": {}}, proxy=hands.get) as world:
        token = world["mcp"].equipment("agent").env["TERRARIUM_MCP_TOKEN"]
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json, text/event-stream"}
        client = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
        first = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": client}
        url, named = f"{world.origin('mcp.world')}/mcp", {**headers, "Host": "mcp.world"}
        session = requests.post(url, json=first, headers=named, timeout=30).headers["Mcp-Session-Id"]
        headers["Mcp-Session-Id"] = session
        told = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        assert requests.post(url, json=told, headers=named | headers, timeout=30).status_code == 202
        yield Service(world, "mcp", "mcp.world", descriptions.mcp(["add", "x"]), headers=headers)


# -- what an error must be ----------------------------------------------------------------------------------------


def notion_error(answer: requests.Response) -> None:
    told = answer.json()
    assert (told["object"], told["status"]) == ("error", answer.status_code)
    assert told["code"]
    assert told["message"]
    assert told["request_id"]


def google_error(answer: requests.Response) -> None:
    told = answer.json()["error"]
    assert told["code"] == answer.status_code
    assert told["message"]
    assert told.get("status") or told.get("errors")


def slack_error(answer: requests.Response) -> None:
    assert answer.status_code == 200
    told = answer.json()
    assert told["ok"] is False
    assert told["error"].replace("_", "").isalpha()


def s3_error(answer: requests.Response) -> None:
    if answer.request.method == "HEAD":
        assert answer.content == b""
    elif answer.headers["Content-Type"] != "text/plain; charset=utf-8" or answer.status_code != 400:
        told = ElementTree.fromstring(answer.content)
        assert told.tag == "Error"
        assert told.findtext("Code")
        assert told.findtext("RequestId")


def web_error(answer: requests.Response) -> None:
    assert answer.headers["Content-Type"].startswith("text/")


def mcp_error(answer: requests.Response) -> None:
    if not answer.headers.get("Content-Type", "").startswith("application/json"):
        assert answer.status_code in (400, 405, 406, 415)  # what the official SDK says before it has read anything
        return
    told = answer.json()
    assert told["jsonrpc"] == "2.0"
    assert isinstance(told["error"]["code"], int)
    assert told["error"]["message"]


FEW = settings(
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.generate, Phase.shrink),
    print_blob=False,
)
SHEETS = google("sheets.v4", "sheets.googleapis.com", ("spreadsheets",))
DRIVE = google("drive.v3", "www.googleapis.com", ("about", "files", "permissions"))
SERVICES: dict[str, tuple[Any, Callable[[requests.Response], None], int]] = {
    "notion": (of_notion, notion_error, 60),
    "sheets": (SHEETS, google_error, 25),
    "drive": (DRIVE, google_error, 20),
    "slack": (of_slack, slack_error, 50),
    "s3": (of_s3, s3_error, 50),
    "web": (of_web, web_error, 60),
    "mcp": (of_mcp, mcp_error, 60),
}


def is_error(answer: requests.Response) -> bool:
    """Whether an answer says no: by its status, or as Slack does."""
    if answer.status_code >= 400:
        return True
    kind = answer.headers.get("Content-Type", "")
    return kind.startswith("application/json") and answer.content[:1] == b"{" and answer.json().get("ok") is False


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_request_has_an_answer_of_the_vendors(name: str, tmp_path: Path) -> None:
    make, check, count = SERVICES[name]
    with make(tmp_path) as service, requests.Session() as session:
        session.mount("http://", HTTPAdapter(max_retries=0))
        session.trust_env = False
        operations = [found.ok() for found in openapi.from_dict(service.description).get_all_operations()]
        modes = (GenerationMode.POSITIVE, GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
        asked = st.tuples(st.sampled_from(operations), st.sampled_from(modes))
        origin = service.world.origin(service.host)
        seen: dict[int, int] = {}

        @settings(FEW, max_examples=examples(count))
        @given(data=st.data())
        def ask(data: Any) -> None:
            operation, mode = data.draw(asked)
            case = data.draw(operation.as_strategy(mode))
            told = case.as_transport_kwargs(base_url=origin)
            told["headers"] = {**service.headers, **told["headers"], "Host": service.host}
            if told["method"] == "DELETE" and told["headers"].get("Mcp-Session-Id") in service.headers.values():
                del told["headers"]["Mcp-Session-Id"]  # that session would end, and all others go on in it
            told["headers"]["Accept"] = service.headers.get("Accept", "*/*")
            if name == "notion":
                told["headers"]["Notion-Version"] = data.draw(st.sampled_from(VERSIONS))
            try:
                request = session.prepare_request(requests.Request(**told))
                service.sign(request)
            except (requests.RequestException, UnicodeError, ValueError):
                assume(False)  # the client refuses to say this
            before = service.rows()
            answer = session.send(request, timeout=30, allow_redirects=False)
            seen[answer.status_code] = seen.get(answer.status_code, 0) + 1
            assert answer.status_code < 500 or answer.status_code == 501, answer.text
            if is_error(answer):
                try:
                    check(answer)
                except (AssertionError, LookupError, ValueError, ElementTree.ParseError) as wrong:
                    told = f"{request.method} {request.url}: {answer.status_code} {answer.content[:300]!r}"
                    raise AssertionError(told) from wrong
            if is_error(answer) or request.method in ("GET", "HEAD", "OPTIONS"):
                assert service.rows() == before
            assert service.world.failures == []

        ask()
        print(name, json.dumps(seen))
        assert len(seen) > 1 or name == "slack", "it was tried with one kind of answer only"
