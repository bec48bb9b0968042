"""An HTTP server at a port of the host."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest
from http_front import echo

from terrarium.core.errors import ConfigError
from terrarium.http.listener import Listener

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"


def run(work: Awaitable[Any]) -> Any:
    async def bounded() -> Any:
        async with asyncio.timeout(30):
            return await work

    return asyncio.run(bounded())


async def talk(port: int, data: bytes) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    writer.write_eof()
    try:
        return (await reader.read(-1)).decode("latin-1")
    finally:
        writer.close()
        await writer.wait_closed()


def test_many_connections_at_a_port_that_is_free_again_when_it_is_closed() -> None:
    async def serve() -> None:
        listener = Listener(echo)
        await listener.open()
        assert listener.url == f"http://127.0.0.1:{listener.port}"
        said = await asyncio.gather(*(talk(listener.port, GET) for _ in range(20)))
        assert all("200 OK" in text for text in said)
        other = Listener(echo, port=listener.port)
        with pytest.raises(ConfigError, match="cannot listen at"):
            await other.open()
        await other.close()
        await listener.close()
        await listener.close()
        await other.open()
        await other.close()

    run(serve())


def test_an_application_that_breaks_ends_one_connection_and_is_told() -> None:
    async def serve() -> list[str]:
        told: list[str] = []
        listener = Listener(echo, failed=lambda error: told.append(str(error)))
        await listener.open()
        assert "500 " in await talk(listener.port, b"GET /boom HTTP/1.1\r\nHost: x\r\n\r\n")
        assert "200 OK" in await talk(listener.port, GET)
        await listener.close()
        return told

    assert run(serve()) == ["the application broke"]


def test_closing_ends_what_is_open() -> None:
    async def serve() -> bytes:
        listener = Listener(echo)
        await listener.open()
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(b"GET /a HTTP/1.1\r\n")
        await asyncio.sleep(0.05)
        await listener.close()
        rest = await reader.read(-1)
        writer.close()
        return rest

    assert run(serve()) == b""
