"""The HTTP front: what a client may do, and what ends it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
from collections.abc import Awaitable
from functools import partial
from typing import Any

import h11
import pytest
from http_front import Front, echo

from terrarium.core.network import Caller
from terrarium.http.server import HttpServer

GET = b"GET /a HTTP/1.1\r\nHost: web.world\r\n\r\n"


def run(work: Awaitable[Any]) -> Any:
    async def bounded() -> Any:
        async with asyncio.timeout(60):
            return await work

    return asyncio.run(bounded())


async def said(data: bytes, **limits: Any) -> str:
    async with Front(**limits) as front:
        return await front.talk(data)


def test_requests_follow_each_other_on_one_connection() -> None:
    text = run(said(GET + b"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc" + GET))
    assert text.count("HTTP/1.1 200 OK\r\n") == 3
    assert text.index("GET /a ann ") < text.index("POST /b ann abc") < text.rindex("GET /a ann ")


def test_chunks_both_ways() -> None:
    sent = b"POST /stream HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    text = run(said(sent))
    assert "transfer-encoding: chunked" in text.lower()
    assert "4\r\none \r\n4\r\ntwo \r\n5\r\nthree\r\n0\r\n\r\n" in text


def test_a_client_that_waits_to_be_asked_for_its_body() -> None:
    async def ask() -> None:
        async with Front() as front:
            reader, writer = await front.connect()
            writer.write(b"PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
            writer.write(b"ok")
            assert (await reader.readuntil(b"ann ok")).startswith(b"HTTP/1.1 200 ")
            writer.close()
            early = await front.talk(
                b"PUT /early HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n", close=False
            )
            assert early.startswith("HTTP/1.1 200 "), "it is not asked for a body that nobody reads"

    run(ask())


def test_head_has_no_body_and_an_early_answer_leaves_the_rest_to_be_read() -> None:
    text = run(
        said(
            b"HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n"
            + b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
            + GET
        )
    )
    assert text.count("HTTP/1.1 200") == 3
    assert "HEAD /a" not in text
    assert text.count("content-length: 11") == 1


def test_an_old_client_is_answered_and_left() -> None:
    text = run(said(b"GET /a HTTP/1.0\r\n\r\n"))
    assert "connection: close" in text.lower()
    assert text.endswith("GET /a ann ")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n", 400),
        (b"hello\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: a\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 70_000 + b"\r\n\r\n", 431),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3000\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n" + b"a" * 2000 + b"\r\n", 413),
    ],
)
def test_what_is_wrong_or_too_much_ends_that_connection(sent: bytes, status: int) -> None:
    async def ask() -> None:
        async with Front(body_bytes=1000) as front:
            assert (await front.talk(sent, close=False)).startswith(f"HTTP/1.1 {status} ")
            assert front.failures == []
            assert "200 OK" in await front.talk(GET)

    run(ask())


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET / HT", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc"],
    ids=["nothing", "head", "body"],
)
def test_a_client_that_hangs_is_cut(sent: bytes) -> None:
    async def ask() -> None:
        async with Front(idle_seconds=0.2, request_seconds=0.3) as front:
            text = await front.talk(sent, close=False)  # ends because the server ends it
            assert text == "" or text.startswith("HTTP/1.1 408 ")

    run(ask())


def test_a_client_that_drips_is_cut() -> None:
    async def ask() -> None:
        async with Front(idle_seconds=5, request_seconds=0.3) as front:
            reader, writer = await front.connect()
            for _ in range(100):
                writer.write(b"G")
                await asyncio.sleep(0.02)
                if reader.at_eof() or reader.exception():
                    break
            else:
                raise AssertionError("it may go on for ever")
            with contextlib.suppress(ConnectionResetError):  # where a letter was on its way when it was cut
                assert await reader.read() == b""
            writer.close()

    run(ask())


def test_a_client_that_does_not_read_is_cut() -> None:
    async def flood(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise NotImplementedError
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while True:
            await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})

    async def ask() -> None:
        async with Front(flood, idle_seconds=0.3) as front:
            connection = front.network.connect("web.world", 80, Caller("ann"))
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(connection, GET)
            await asyncio.sleep(1.0)
            taken = 0
            while data := await loop.sock_recv(connection, 1 << 20):
                taken += len(data)
            assert taken > 0
            connection.close()

    run(ask())


def test_an_application_that_breaks_harms_nobody_else() -> None:
    async def ask() -> None:
        async with Front() as front:
            reader, writer = await front.connect("bob")
            writer.write(GET)
            await reader.readuntil(b"bob ")
            assert (await front.talk(b"GET /boom HTTP/1.1\r\nHost: x\r\n\r\n")).startswith("HTTP/1.1 500 ")
            assert (await front.talk(b"GET /silent HTTP/1.1\r\nHost: x\r\n\r\n")).startswith("HTTP/1.1 500 ")
            cut = await front.talk(b"GET /late-boom HTTP/1.1\r\nHost: x\r\n\r\n")
            assert not cut.endswith("0\r\n\r\n"), "half an answer must not look like a whole one"
            writer.write(GET)
            await reader.readuntil(b"bob ")
            writer.close()
            assert [type(error) for error in front.failures] == [ValueError, ValueError]

    run(ask())


def test_connections_of_one_caller_are_limited() -> None:
    async def ask() -> None:
        async with Front(connections=2) as front:
            held = [await front.connect() for _ in range(2)]
            for reader, writer in held:
                writer.write(GET)
                await reader.readuntil(b"ann ")
            assert (await front.talk(GET)).startswith("HTTP/1.1 503 ")
            assert "200 OK" in await front.talk(GET, agent="bob")
            for _, writer in held:
                writer.close()
            for _ in range(100):
                if "200 OK" in await front.talk(GET):
                    return
                await asyncio.sleep(0.02)
            raise AssertionError("connections that ended still count")

    run(ask())


def test_the_lifespan_of_an_application() -> None:
    told: list[str] = []

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for _ in range(2):
                message = await receive()
                told.append(message["type"])
                scope["state"]["number"] = 7
                await send({"type": message["type"] + ".complete"})
            return
        told.append(str(scope["state"]["number"]))
        await echo(scope, receive, send)

    async def ask() -> None:
        async with Front(app) as front:
            await front.talk(GET + GET)

    run(ask())
    assert told == ["lifespan.startup", "7", "7", "lifespan.shutdown"]


def test_an_application_sees_its_client_leave() -> None:
    left = asyncio.Event()

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise NotImplementedError
        await receive()
        assert (await receive())["type"] == "http.disconnect"
        left.set()

    async def ask() -> None:
        async with Front(app) as front:
            _, writer = await front.connect()
            writer.write(GET)
            await writer.drain()
            writer.close()
            async with asyncio.timeout(10):
                await left.wait()

    run(ask())


def test_over_tls() -> None:
    async def ask() -> None:
        async with Front() as front:
            authority = front.network.authority
            context, trusting = authority.server("web.world"), authority.client()
            await front.network.serve("web.world", 443, partial(front.server.handle, tls=context))
            connection = front.network.connect("web.world", 443, Caller("ann"))
            reader, writer = await asyncio.open_connection(sock=connection, ssl=trusting, server_hostname="web.world")
            writer.write(GET)
            assert (await reader.readuntil(b"ann ")).startswith(b"HTTP/1.1 200 ")
            writer.close()
            plain = front.network.connect("web.world", 443, Caller("ann"))
            plain.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(plain, GET)
            try:
                async with asyncio.timeout(20):
                    answer = await loop.sock_recv(plain, 1000)
            except ConnectionError:
                answer = b""
            assert not answer.startswith(b"HTTP/1.1 200")
            plain.close()

    run(ask())


def test_a_stream_in_any_pieces_is_the_same_stream() -> None:
    sent = b"POST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n" + GET

    async def ask() -> None:
        async with Front() as front:
            reader, writer = await front.connect()
            for byte in sent:
                writer.write(bytes([byte]))
                await asyncio.sleep(0)
            writer.write_eof()
            client = h11.Connection(h11.CLIENT)
            client.send(h11.Request(method="POST", target="/b", headers=[("Host", "x"), ("Content-Length", "0")]))
            client.send(h11.EndOfMessage())
            client.receive_data(await reader.read(-1))
            assert isinstance(client.next_event(), h11.Response)
            assert bytes(client.next_event().data) == b"POST /b ann abcde"
            writer.close()

    run(ask())


def test_nothing_is_loaded_before_it_is_needed() -> None:
    probe = "import sys; import terrarium.capability.calendar.calendar; print(sorted(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert "'h11'" not in shown.stdout
    assert "'icalendar'" not in shown.stdout


def test_a_socket_of_the_internet_says_whose_it_is() -> None:
    seen: list[Any] = []

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        seen.append(scope.get("client"))
        await echo(scope, receive, send)

    async def ask() -> None:
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            client = socket.create_connection(listener.getsockname())
            accepted, _ = listener.accept()
        accepted.setblocking(False)
        client.setblocking(False)
        serving = asyncio.ensure_future(HttpServer(app).handle(accepted, Caller("ann")))
        await loop.sock_sendall(client, GET)
        assert (await loop.sock_recv(client, 1000)).startswith(b"HTTP/1.1 200")
        assert seen[-1] == list(client.getsockname())
        client.close()
        await serving

    run(ask())
