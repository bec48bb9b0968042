import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest

from terrarium.capability.mail_wire import LINE_LIMIT, LineTooLong, NoRoom, Room, TooLarge, Wire


def between(work: Callable[[Wire, socket.socket], Awaitable[None]], idle: float = 20.0, room: int = 10**6) -> Room:
    shared = Room(room)

    async def go() -> None:
        ours, theirs = socket.socketpair()
        wire = await Wire.over(ours, shared, idle)
        try:
            await work(wire, theirs)
        finally:
            theirs.close()
            await wire.close()

    asyncio.run(go())
    return shared


def test_lines_of_any_end_and_length() -> None:
    async def go(wire: Wire, theirs: socket.socket) -> None:
        theirs.sendall(b"one\r\ntwo\n\r\n" + b"x" * LINE_LIMIT + b"\r\n" + b"y" * (3 * LINE_LIMIT) + b"\nlast")
        theirs.shutdown(socket.SHUT_WR)
        assert [await wire.line() for _ in range(3)] == [b"one", b"two", b""]
        with pytest.raises(LineTooLong):
            await wire.line()
        with pytest.raises(LineTooLong):
            await wire.line()
        with pytest.raises(EOFError):
            await wire.line()

    between(go)


def test_a_message_in_single_bytes_is_the_same_as_in_one() -> None:
    async def go(wire: Wire, theirs: socket.socket) -> None:
        for sent, message in ((b".\r\n", b""), (b"\r\n.\r\n", b"\r\n"), (b"..a\r\n.b\r\n.\r\n", b".a\r\nb\r\n")):
            reading = asyncio.ensure_future(wire.message(100))
            for byte in sent:
                theirs.sendall(bytes([byte]))
                await asyncio.sleep(0)
            assert await reading == message
            wire.release()
            theirs.sendall(sent + b"NEXT\r\n")
            assert await wire.message(100) == message
            assert await wire.line() == b"NEXT"

    assert between(go).used == 0


def test_what_is_too_large_is_skipped_to_its_end() -> None:
    async def go(wire: Wire, theirs: socket.socket) -> None:
        theirs.sendall(b"x" * 98 + b"\r\n.\r\nA\r\n" + b"x" * 99 + b"\r\n.\r\nB\r\n" + b"x" * 300 + b"\r\n.\r\nC\r\n")
        assert len(await wire.message(100)) == 100
        assert await wire.line() == b"A"
        for following in (b"B", b"C"):
            with pytest.raises(TooLarge):
                await wire.message(100)
            assert await wire.line() == following
        theirs.sendall(b"x" * 1000)
        with pytest.raises(EOFError):
            await wire.message(100)

    assert between(go).used == 0


def test_room_is_shared_and_given_back() -> None:
    async def go(wire: Wire, theirs: socket.socket) -> None:
        ours, others = socket.socketpair()
        other = await Wire.over(ours, wire._room)
        others.sendall(b"x" * 598 + b"\r\n.\r\n")
        await other.message(1000)
        theirs.sendall(b"y" * 598 + b"\r\n.\r\nA\r\n")
        with pytest.raises(NoRoom):
            await wire.message(1000)
        assert await wire.line() == b"A"
        other.release()
        theirs.sendall(b"y" * 598 + b"\r\n.\r\n")
        assert len(await wire.message(1000)) == 600
        await other.close()
        others.close()

    assert between(go, room=1000).used == 0


@pytest.mark.parametrize("said", [b"", b"half a line"])
def test_who_is_silent_or_slow_is_left(said: bytes) -> None:
    async def go(wire: Wire, theirs: socket.socket) -> None:
        theirs.sendall(said)
        for read in (wire.line, lambda: wire.message(100)):
            with pytest.raises(EOFError):
                await read()

    between(go, idle=0.05)


def test_who_does_not_listen_is_left() -> None:
    async def go(wire: Wire, theirs: socket.socket) -> None:
        with pytest.raises(EOFError):
            await wire.send(b"x" * 10_000_000)

    between(go, idle=0.05)
