"""Webhooks: an event becomes a turn, and an HTTP request where somebody listens."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import pytest

from terrarium.core.errors import ConfigError, NotFound
from terrarium.core.network import Caller, Network
from terrarium.core.webhook import Delivery, body_of, deliver, parts_of

TASK = """
    @entry(["notes"], NOTES)
    {kind} fn(env, agent):
        reply = {wait}env.webhook(agent, {{"event": "new_email", "from": "ann@corp.example"}})
        env.reward(reply.text, 0)
        return run_checkers({{"fine": lambda: True}})

    @fn.solution
    def solve(seat):
        return f"got {{seat.instruction}}"
"""


@pytest.mark.parametrize(("kind", "wait"), [("def", ""), ("async def", "await ")])
def test_an_event_is_a_turn(play, kind, wait):
    played = play(TASK.format(kind=kind, wait=wait), "oracle")
    assert played.said == ['got {"event": "new_email", "from": "ann@corp.example"}']


def test_a_sandbox_without_a_network_cannot_be_reached_and_the_trial_goes_on(play):
    source = TASK.format(kind="def", wait="").replace(
        '"ann@corp.example"}', '"x"}, url="http://localhost:8080/hook", turn=False'
    )
    source = source.replace("reply.text", "str((reply.status, reply.delivered, bool(reply.error)))")
    assert play(source, "oracle").said == ["(None, False, True)"]


class Box:
    """A sandbox in which `answer` decides what a receiver says."""

    def __init__(self, answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], object] | None) -> None:
        self.answer = answer
        self.task: asyncio.Future[object] | None = None

    async def listen(self, address: str, port: int) -> socket.socket:
        raise NotFound("nothing is served here")

    async def name_hosts(self, hosts: str) -> None: ...

    async def dial(self, address: str, port: int) -> socket.socket:
        if self.answer is None:
            raise NotFound(f"nobody listens on {address}:{port}")
        ours, theirs = socket.socketpair()
        for side in (ours, theirs):
            side.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=theirs)
        self.task = asyncio.ensure_future(self.answer(reader, writer))  # type: ignore[arg-type]
        return ours


def ask(answer, url: str = "http://localhost:8080/hook?x=1", timeout: float = 5.0) -> Delivery:
    async def go() -> Delivery:
        network, box = Network(), Box(answer)
        await network.join(box, Caller("agent", "workspace"))
        try:
            return await deliver(network, "workspace", url, body_of({"event": "grüße"}), timeout)
        finally:
            await network.close()
            if box.task is not None:
                await box.task

    return asyncio.run(go())


def saying(text: bytes, heard: list[bytes] | None = None):
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"}")
        if heard is not None:
            heard.append(request)
        writer.write(text)
        writer.close()

    return answer


def test_the_request_that_a_receiver_gets():
    heard: list[bytes] = []
    assert ask(saying(b"HTTP/1.1 204 No Content\r\n\r\n", heard)).delivered
    head, body = heard[0].split(b"\r\n\r\n")
    assert head.startswith(b"POST /hook?x=1 HTTP/1.1\r\nHost: localhost:8080\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert body.decode() == '{"event": "grüße"}'


@pytest.mark.parametrize(
    ("said", "status", "error"),
    [
        (b"HTTP/1.0 500 Oh no\r\n\r\n", 500, None),
        (b"what?", None, "not HTTP"),
        (b"", None, "not HTTP"),
        (b"\x00" * 200_000, None, "not HTTP"),
    ],
)
def test_a_receiver_that_fails_is_recorded(said, status, error):
    delivery = ask(saying(said))
    assert (delivery.status, delivery.delivered) == (status, False)
    assert (error is None and delivery.error is None) or error in delivery.error


def test_a_receiver_that_hangs_is_given_up():
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # until the other side gives up
        writer.close()
        await writer.wait_closed()

    assert "within 0.05 s" in (ask(hang, timeout=0.05).error or "")


def test_where_nobody_listens():
    assert "nobody listens" in (ask(None).error or "")


@pytest.mark.parametrize(
    "url", ["", "https://a/b", "http://", "http://a:x/", "http://a/b c", "http://a/\r\nX: y", "ftp://a"]
)
def test_what_is_no_address(url):
    with pytest.raises(ConfigError):
        parts_of(url)
