"""A sandbox behind a stream of bytes: real programs at the far end, a world's network at the near one."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from terrarium.core.errors import NotFound, SandboxFault
from terrarium.core.network import Caller, Network
from terrarium.sandbox.inside.relayed import CHANNELS, DATA, DONE, HEAD, NUMBER, OPEN, WINDOW
from terrarium.sandbox.relay import Relay, command

AGENT = Caller("agent", "far")
Work = Callable[[Network, Relay], Awaitable[None]]


@contextlib.asynccontextmanager
async def far(hosts: str) -> AsyncIterator[Relay]:
    """The far end in a process of its own, on this machine's own loopback."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command(hosts), stdin=pipe, stdout=pipe)
    assert process.stdin is not None
    assert process.stdout is not None
    relay = Relay(process.stdout, process.stdin)
    try:
        yield relay
    finally:
        await relay.close()
        async with asyncio.timeout(30):
            assert await process.wait() == 0


def use(tmp_path, work: Work) -> None:
    async def go() -> None:
        async with far(str(tmp_path / "hosts")) as relay:
            network = Network()
            await work(network, relay)
            await network.close()

    asyncio.run(go())


async def echo(connection: socket.socket, caller: Caller) -> None:
    """Says who calls, then all that it hears."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(connection, f"{caller.agent} from {caller.sandbox}\n".encode())
    while data := await loop.sock_recv(connection, 65536):
        await loop.sock_sendall(connection, data)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.77.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_service_is_reached_and_told_who_calls(tmp_path):
    async def work(network: Network, relay: Relay) -> None:
        port = free_port()
        await network.join(relay, AGENT)
        await network.serve("mail.world", port, echo)
        assert (tmp_path / "hosts").read_text() == network.hosts()
        reader, writer = await asyncio.open_connection("127.77.0.1", port)
        assert await reader.readline() == b"agent from far\n"
        big = bytes(range(256)) * 20_000  # many windows
        sending = asyncio.ensure_future(_send(writer, big))
        assert await reader.readexactly(len(big)) == big
        await sending
        assert await reader.read() == b""  # our end of file came through, and theirs came back
        writer.close()

    use(tmp_path, work)


async def _send(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()
    writer.write_eof()


def test_one_that_nobody_reads_holds_up_no_other(tmp_path):
    async def work(network: Network, relay: Relay) -> None:
        port, flooded = free_port(), asyncio.Event()

        async def flood(connection: socket.socket, caller: Caller) -> None:
            flooded.set()
            while True:
                await asyncio.get_running_loop().sock_sendall(connection, bytes(65536))

        await network.serve("flood.world", port, flood)
        await network.serve("echo.world", port, echo)
        await network.join(relay, AGENT)
        _, deaf = await asyncio.open_connection("127.77.0.1", port, limit=1)
        await flooded.wait()
        for _ in range(20):
            reader, writer = await asyncio.open_connection("127.77.0.2", port)
            assert await reader.readline() == b"agent from far\n"
            writer.close()
        deaf.close()

    use(tmp_path, work)


def test_the_engine_dials_in(tmp_path):
    async def work(network: Network, relay: Relay) -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write((await reader.readline()).upper())
            writer.close()

        await network.join(relay, AGENT)
        network.name("app.world")
        server = await asyncio.start_server(answer, "127.77.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        connection = await network.dial("far", "app.world", port)
        reader, writer = await asyncio.open_connection(sock=connection)
        writer.write(b"hello\n")
        assert await reader.read() == b"HELLO\n"
        writer.close()
        server.close()
        with pytest.raises(NotFound, match="nobody listens"):
            await network.dial("far", "app.world", port)

    use(tmp_path, work)


def test_a_port_that_is_taken_is_told(tmp_path):
    async def work(network: Network, relay: Relay) -> None:
        with socket.socket() as taken:
            taken.bind(("127.77.0.1", 0))
            taken.listen()
            with pytest.raises(SandboxFault, match="in use"):
                await relay.listen("127.77.0.1", taken.getsockname()[1])

    use(tmp_path, work)


def test_a_far_end_that_is_gone_is_told(tmp_path):
    async def go() -> None:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec("sleep", "100", stdin=pipe, stdout=pipe)
        assert process.stdin is not None
        assert process.stdout is not None
        relay = Relay(process.stdout, process.stdin)
        asking = asyncio.ensure_future(relay.listen("127.77.0.1", 25))
        await asyncio.sleep(0)
        process.kill()
        with pytest.raises(SandboxFault, match="ended"):
            await asking
        with pytest.raises(SandboxFault, match="ended"):
            await relay.dial("127.77.0.1", 25)
        await relay.close()
        await process.wait()

    asyncio.run(go())


@pytest.mark.parametrize(
    "frames",
    [
        b"\xff" * 9,
        HEAD.pack(DATA, 1, 1 << 30),
        HEAD.pack(DONE, 4, 0),
        HEAD.pack(OPEN, 2, 4) + NUMBER.pack(2),
        HEAD.pack(OPEN, 1, 4) + NUMBER.pack(99),
        HEAD.pack(3, 1, 0),
        HEAD.pack(8, 2, 3) + b"\xff\xff\xff",
        b"".join(HEAD.pack(OPEN, 1 + 2 * n, 4) + NUMBER.pack(2) for n in range(CHANNELS + 10)),
        HEAD.pack(OPEN, 1, 4) + NUMBER.pack(2) + (HEAD.pack(DATA, 1, 30_000) + bytes(30_000)) * (WINDOW // 30_000 + 2),
        HEAD.pack(OPEN, 1, 4) + NUMBER.pack(2) + HEAD.pack(OPEN, 1, 4) + NUMBER.pack(2),
    ],
)
def test_a_far_end_that_breaks_the_rules_ends_nothing_but_itself(tmp_path, frames):
    """It may be the agent that writes them."""

    async def go() -> None:
        near, there = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=near)
        relay, network = Relay(reader, writer), Network()
        heard, said = await asyncio.open_connection(sock=there)

        async def hang(connection: socket.socket, caller: Caller) -> None:
            await asyncio.sleep(100)

        async def obey() -> None:
            for _ in range(2):  # the hosts file, and one port
                _kind, number, length = HEAD.unpack(await heard.readexactly(HEAD.size))
                await heard.readexactly(length)
                said.write(HEAD.pack(DONE, number, 0))

        obeying = asyncio.ensure_future(obey())
        await network.serve("mail.world", 25, hang)
        await network.join(relay, AGENT)
        await obeying
        said.write(frames)
        said.write_eof()
        while await heard.read(65536):
            pass
        with pytest.raises(SandboxFault, match="ended"):
            await relay.dial("127.77.0.1", 25)
        with network.connect("mail.world", 25, Caller("agent")):
            pass  # the network lives
        said.close()
        await relay.close()
        await network.close()

    asyncio.run(go())


def test_the_program_is_for_any_python_of_these_years():
    import ast

    text = command()[2]
    ast.parse(text, feature_version=(3, 8))
    assert "terrarium" not in text
    assert len(text) < 100_000, errno.E2BIG  # it is one argument of a command
