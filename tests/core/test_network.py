"""A world's own network: one address a name, services in every sandbox, connections within the process."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from terrarium.core.errors import ConfigError, NotFound, Refused
from terrarium.core.network import Caller, Network, Service


class Harbour:
    """A member whose namespace is the machine's own loopback: ports are moved to free ones."""

    def __init__(self) -> None:
        self.hosts = ""
        self.ports: dict[tuple[str, int], int] = {}

    async def listen(self, address: str, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", 0))
        self.ports[address, port] = listener.getsockname()[1]
        return listener

    async def dial(self, address: str, port: int) -> socket.socket:
        raise NotFound(f"nobody listens on {address}:{port}")

    async def name_hosts(self, hosts: str) -> None:
        self.hosts = hosts

    async def ask(self, address: str, port: int) -> str:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.ports[address, port])
        said = await reader.read()
        writer.close()
        return said.decode()


def run(work: Callable[[Network], Coroutine[Any, Any, None]]) -> None:
    async def go() -> None:
        network = Network()
        try:
            await work(network)
        finally:
            await network.close()

    asyncio.run(go())


async def greet(connection: socket.socket, caller: Caller) -> None:
    await asyncio.get_running_loop().sock_sendall(connection, f"hello {caller.name}".encode())


async def hear(connection: socket.socket) -> str:
    reader, writer = await asyncio.open_connection(sock=connection)
    said = await reader.read()
    writer.close()
    return said.decode()


def test_each_name_has_an_address_of_its_own_in_order_of_declaration():
    network = Network()
    assert [network.name(host) for host in ("mail.world", "db.world", "MAIL.world.")] == [
        "127.77.0.1",
        "127.77.0.2",
        "127.77.0.1",
    ]
    assert network.hosts() == "127.0.0.1\tlocalhost\n127.77.0.1\tmail.world\n127.77.0.2\tdb.world\n"


@pytest.mark.parametrize(
    "host", ["", "a b", "-a.world", "a..world", "x" * 64, "a\nb", "ü.world", ".".join(["abc"] * 80)]
)
def test_what_cannot_be_a_host_name(host):
    with pytest.raises(ConfigError):
        Network().name(host)


@pytest.mark.parametrize("port", [0, 65536, True, "25"])
def test_what_cannot_be_a_port(port):
    async def go(network: Network) -> None:
        with pytest.raises(ConfigError):
            await network.serve("mail.world", port, greet)

    run(go)


def test_two_hosts_may_use_one_port_but_not_one_host_twice():
    async def go(network: Network) -> None:
        await network.serve("a.world", 80, greet)
        await network.serve("b.world", 80, greet)
        with pytest.raises(Refused):
            await network.serve("a.world", 80, greet)

    run(go)


def test_a_sandbox_gets_what_is_served_before_and_after_it_joins():
    async def go(network: Network) -> None:
        box = Harbour()
        mail = await network.serve("mail.world", 25, greet)
        await network.join(box, Caller("buyer", "workspace:buyer"))
        web = await network.serve("shop.world", 80, greet)
        assert "shop.world" in box.hosts
        assert await box.ask(mail.address, 25) == "hello buyer"
        assert await box.ask(web.address, 80) == "hello buyer"
        await network.withdraw(mail)
        with pytest.raises(ConnectionError):
            await box.ask(mail.address, 25)
        assert await box.ask(web.address, 80) == "hello buyer"

    run(go)


def test_each_sandbox_is_told_apart():
    async def go(network: Network) -> None:
        one, two = Harbour(), Harbour()
        service = await network.serve("mail.world", 25, greet)
        await network.join(one, Caller("buyer", "workspace:buyer"))
        await network.join(two, Caller(None, "workspace:shared"))
        with pytest.raises(Refused):
            await network.join(Harbour(), Caller(None, "workspace:shared"))
        assert await one.ask(service.address, 25) == "hello buyer"
        assert await two.ask(service.address, 25) == "hello workspace:shared"
        await network.leave("workspace:buyer")
        with pytest.raises(ConnectionError):
            await one.ask(service.address, 25)

    run(go)


def test_somebody_in_process_reaches_the_same_handler():
    async def go(network: Network) -> None:
        await network.serve("mail.world", 25, greet)
        assert await hear(network.connect("mail.world", 25, Caller("seller"))) == "hello seller"
        with pytest.raises(NotFound):
            network.connect("mail.world", 26, Caller())

    run(go)


def test_a_handler_that_breaks_ends_its_connection_and_no_other():
    broken: list[tuple[Service, Exception]] = []

    async def fragile(connection: socket.socket, caller: Caller) -> None:
        if caller.agent == "clumsy":
            raise ValueError("what was that?")
        await greet(connection, caller)

    async def go() -> None:
        network = Network(lambda service, error: broken.append((service, error)))
        await network.serve("mail.world", 25, fragile)
        assert await hear(network.connect("mail.world", 25, Caller("clumsy"))) == ""
        assert await hear(network.connect("mail.world", 25, Caller("seller"))) == "hello seller"
        await network.close()

    asyncio.run(go())
    assert [(service.port, str(error)) for service, error in broken] == [(25, "what was that?")]


def test_closing_ends_every_connection():
    async def stay(connection: socket.socket, caller: Caller) -> None:
        await asyncio.sleep(60)

    async def go() -> None:
        network = Network()
        box = Harbour()
        service = await network.serve("mail.world", 25, stay)
        await network.join(box, Caller("buyer", "workspace"))
        inside = asyncio.ensure_future(hear(network.connect("mail.world", 25, Caller())))
        outside = asyncio.ensure_future(box.ask(service.address, 25))
        await asyncio.sleep(0.05)
        await network.close()
        await network.close()
        async with asyncio.timeout(5):
            assert await inside == ""
        async with asyncio.timeout(5):
            assert await outside == ""
        with pytest.raises(NotFound):
            network.connect("mail.world", 25, Caller())

    asyncio.run(go())


def test_dialling_into_a_sandbox_that_is_not_there():
    async def go(network: Network) -> None:
        with pytest.raises(NotFound, match="workspace"):
            await network.dial("workspace", "localhost", 80)
        await network.join(Harbour(), Caller(None, "workspace"))
        with pytest.raises(NotFound, match=r"127\.0\.0\.1:80"):
            await network.dial("workspace", "localhost", 80)

    run(go)
