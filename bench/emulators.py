"""Vendors' services as this process emulates them: simple reads a second, and what all of them add to a world."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from bench.figure import Figure, at_least, at_most, median, spread
from terrarium.core.capability import Equips
from terrarium.core.clock import Clock
from terrarium.core.journal import Journal
from terrarium.core.network import Caller, Network
from terrarium.core.registry import find
from terrarium.core.seeds import Rng
from terrarium.core.world import World
from terrarium.http.server import HttpServer

RATE, OPENING, DIFFERENT = 1000.0, 20.0, 4.0
ALL = ("contacts", "google_sheets", "notion", "object_store", "slack", "web")
CONFIG = {"web": {"sites": {"shop.example": {"files": {"/a.html": "<h1>hello</h1>"}}}}}
ME = Caller("agent", "workspace")


def run(quick: bool, loaded: bool) -> Iterator[Figure]:
    """Requests a second beside a bare application with the same answer; milliseconds of opening."""
    count, repeats = (20, 1) if quick else (2000, 1 if loaded else 5)
    for name, prepare in READS.items():
        ours, bare, size = asyncio.run(_compared(name, prepare, count, repeats))
        peer = f"a bare Starlette application with the same answer: {median(bare):,.0f}/s"
        note = f"{spread(ours)}; {size:,} bytes; {peer}"
        yield Figure(f"{name}: simple reads", median(ours), "/s", at_least(RATE), note)
    opened = [asyncio.run(_opening(ALL)) for _ in range(3 if quick else 30)][2:]
    none = [asyncio.run(_opening(())) for _ in range(3 if quick else 30)][2:]
    note = f"{', '.join(ALL)}; {spread(opened)}"
    yield Figure("opening and closing a world with all of them", median(opened), "ms", None, note)
    yield Figure("all of them add to it", median(opened) - median(none), "ms", at_most(OPENING), "over an empty world")


async def _compared(
    name: str, prepare: Callable[[Any], tuple[str, str]], count: int, repeats: int
) -> tuple[list[float], list[float], int]:
    """Requests a second of a capability, those of a bare application, and the bytes of an answer."""
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(_World((name,)))
        capability: Any = world.capabilities[name]
        host, path = prepare(capability)
        request = _request(host, path, await _token(world.network, capability))
        first = await _exchange(world.network, host, request, 1)
        if not first.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"{name} answers {first[:300]!r}")
        body = first.partition(b"\r\n\r\n")[2]
        network = Network()
        server = _bare(body)
        await network.serve("bare.world", 80, server.handle)
        ours, bare = [], []
        for _ in range(repeats):  # in turns, so that a machine that changes its speed changes that of both
            ours.append(await _rate(world.network, host, request, count))
            bare.append(await _rate(network, "bare.world", request, count))
        await network.close()
        await server.close()
        return ours, bare, len(body)


def _bare(body: bytes) -> HttpServer:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

    try:
        content = json.loads(body)
    except ValueError:
        content = None

    async def answer(request: Request) -> Response:
        return Response(body) if content is None else JSONResponse(content)

    return HttpServer(Starlette(routes=[Route("/{path:path}", answer)]))


async def _token(network: Network, capability: Any) -> str:
    """What the agent's programs show the service; empty where they need not."""
    if not isinstance(capability, Equips):
        return ""
    equipment = capability.equipment("agent")
    if "google_authorized_user" in equipment.files:
        user = json.loads(equipment.files["google_authorized_user"])
        words = {name: user[name] for name in ("client_id", "client_secret", "refresh_token")}
        form = urlencode({"grant_type": "refresh_token", **words}).encode()
        head = "POST /token HTTP/1.1\r\nHost: oauth2.googleapis.com\r\nContent-Type: application/x-www-form-urlencoded"
        asked = f"{head}\r\nContent-Length: {len(form)}\r\n\r\n".encode() + form
        answer = await _exchange(network, "oauth2.googleapis.com", asked, 1)
        return str(json.loads(answer.partition(b"\r\n\r\n")[2])["access_token"])
    names = ("NOTION_TOKEN", "SLACK_BOT_TOKEN")
    return next((equipment.env[name] for name in names if name in equipment.env), "")


def _request(host: str, path: str, told: str) -> bytes:
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", "Notion-Version: 2025-09-03"]
    lines += [f"Authorization: Bearer {told}"] if told else []
    return "\r\n".join([*lines, "", ""]).encode()


async def _rate(network: Network, host: str, request: bytes, count: int) -> float:
    began = time.perf_counter()
    await _exchange(network, host, request, count)
    return count / (time.perf_counter() - began)


async def _exchange(network: Network, host: str, request: bytes, count: int) -> bytes:
    """The last of so many answers on one connection; the client only counts bytes, and is part of what is measured."""
    reader, writer = await asyncio.open_connection(sock=network.connect(host, 80, ME))
    answer = b""
    try:
        for _ in range(count):
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            answer = head + await reader.readexactly(length)
    finally:
        writer.close()
        await writer.wait_closed()
    return answer


class _World:
    """A world with some capabilities, in a folder of its own."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names

    async def __aenter__(self) -> World:
        self._folder = tempfile.TemporaryDirectory(prefix="terrarium-bench-")
        folder, clock = Path(self._folder.name), Clock()
        self._journal = Journal(folder / "journal.jsonl", lambda: clock.micros)
        self.world = World(
            folder / "world",
            clock=clock,
            rng=Rng(7),
            journal=self._journal,
            opener=lambda spec, config: find("capability", spec)(),
            sandbox=_none,
        )
        for name in self._names:
            await self.world.acquire(name, CONFIG.get(name))
        return self.world

    async def __aexit__(self, *_: object) -> None:
        await self.world.close()
        self._journal.close()
        self._folder.cleanup()


def _none(world: World, spec: str, config: object) -> Any:
    raise RuntimeError("nobody asked for a sandbox")


async def _opening(names: tuple[str, ...]) -> float:
    began = time.perf_counter()
    async with _World(names):
        pass
    return (time.perf_counter() - began) * 1000


def _in_store(store: Any) -> tuple[str, str]:
    store._shelf.make_bucket("box", public=True)
    store.put_object("box", "a.txt", "hello")
    return "s3.amazonaws.com", "/box/a.txt"


def _in_notion(notion: Any) -> tuple[str, str]:
    return "api.notion.com", f"/v1/pages/{notion.create_page('A page')['id']}"


def _in_sheets(sheets: Any) -> tuple[str, str]:
    id = sheets.create_spreadsheet("Budget")["id"]
    sheets.write_range(id, "A1", [["a", 1], ["b", 2]])
    return "sheets.googleapis.com", f"/v4/spreadsheets/{id}/values/A1:B2"


def _in_slack(slack: Any) -> tuple[str, str]:
    slack.create_channel("general", ["agent"])
    slack.post("agent", "general", "hello")
    channel = slack.channels()[0]["id"]
    return "slack.com", f"/api/conversations.history?channel={channel}"


def _in_web(web: Any) -> tuple[str, str]:
    return "shop.example", "/a.html"


READS: dict[str, Callable[[Any], tuple[str, str]]] = {
    "google_sheets": _in_sheets,
    "notion": _in_notion,
    "object_store": _in_store,
    "slack": _in_slack,
    "web": _in_web,
}
