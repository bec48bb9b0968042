"""Clauses on the network: the services of its world, at their names and ports, and nothing else."""

from __future__ import annotations

import asyncio
import socket

from terrarium.core.errors import NotFound, Unsupported
from terrarium.core.network import Caller, Network
from terrarium.core.sandbox import Ground, Sandbox
from terrarium.testing.clause import holds, raises
from terrarium.testing.sandbox.bench import Bench, alive, gives, python

ASK = "bash -c 'exec 3<>/dev/tcp/{0}/{1} && cat <&3'"

BIND = """
import json, socket, sys
got = []
for address, port in json.loads(sys.argv[1]):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try: s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    except OSError: pass
    try: s.bind((address, port)); s.listen(); got.append("bound")
    except OSError as error: got.append(error.strerror)
    s.close()
print(json.dumps(got))
"""

ECHO = """
import socket
s = socket.create_server(("127.0.0.1", 8000))
print("up", flush=True)
while True:
    c, _ = s.accept()
    c.sendall(c.recv(100).upper())
    c.close()
"""


async def check(bench: Bench) -> None:
    """Every clause on the network."""
    if "network" not in bench.supports:
        async with bench.box() as box:
            for work in (box.listen("127.77.0.1", 25), box.dial("127.0.0.1", 25)):
                with raises(Unsupported, "listen, dial: without a network they are Unsupported"):
                    await work
            await box.name_hosts("127.0.0.1\tlocalhost\n")
        bench.left_out.append("network: not in `supports`")
        return
    network = Network()
    try:
        await network.serve("mail.world", 25, _greeter("mail"))
        await network.serve("web.world", 25, _greeter("web"))
        one = Ground(name="one", agent="ann", network=network)
        two = Ground(name="two", agent="bob", network=network)
        async with bench.box(ground=one) as box, bench.box(ground=two) as other:
            await served(network, box, other)
            if await bench.has_python(box, "network: bind and dial"):
                await bound(box)
                await dialled(network, box, other)
            await alive(box, "connections")
        with raises(NotFound, "close: a closed sandbox is still on the network"):
            await network.dial("one", "localhost", 8000)
        async with bench.box(ground=one) as box:
            await gives(box, ASK.format("mail.world", 25), 0, "mail for ann in one\n")
    finally:
        await network.close()
    async with bench.box() as alone:
        result = await alone.exec(ASK.format("mail.world", 25))
        holds(result.exit_code != 0, "network: a sandbox without one reaches another world's service")


def _greeter(word: str):  # type: ignore[no-untyped-def]
    async def greet(connection: socket.socket, caller: Caller) -> None:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(connection, f"{word} for {caller.agent} in {caller.sandbox}\n".encode())

    return greet


async def served(network: Network, box: Sandbox, other: Sandbox) -> None:
    """The handler is told who calls; names, late services and services that go are the same in every sandbox."""
    for host, word in (("mail.world", "mail"), ("web.world", "web")):
        await gives(box, ASK.format(host, 25), 0, f"{word} for ann in one\n")
        await gives(other, ASK.format(host, 25), 0, f"{word} for bob in two\n")
    await gives(box, "getent ahostsv4 web.world | awk '{ print $1; exit }'", 0, f"{network.name('web.world')}\n")
    await gives(box, "grep -c 'mail.world' /etc/hosts", 0, "1\n")
    late = await network.serve("late.world", 8080, _greeter("late"))
    await gives(box, ASK.format("late.world", 8080), 0, "late for ann in one\n")
    await gives(other, ASK.format("late.world", 8080), 0, "late for bob in two\n")
    await network.withdraw(late)
    result = await box.exec(ASK.format("late.world", 8080), timeout=10.0)
    holds(result.exit_code != 0 and not result.stdout, "network: a service that was withdrawn still answers")
    result = await box.exec(ASK.format("mail.world", 26), timeout=10.0)
    holds(result.exit_code != 0, "network: a port that nobody serves answers")
    many = await asyncio.gather(*(box.exec(ASK.format("mail.world", 25)) for _ in range(8)))
    holds({one.stdout for one in many} == {"mail for ann in one\n"}, "network: connections at the same time")


async def bound(box: Sandbox) -> None:
    """A process cannot take a port of the world, nor listen beside it."""
    got = await python(box, BIND, '[["0.0.0.0", 25], ["127.77.0.1", 25], ["127.0.0.1", 9000], ["0.0.0.0", 9001]]')
    holds("bound" not in got[:2], "network: a process binds a port of the world's")
    holds(got[2:] == ["bound", "bound"], f"network: a process cannot bind a port of its own: {got}")


async def dialled(network: Network, box: Sandbox, other: Sandbox) -> None:
    """The engine reaches what a process listens on; one sandbox does not reach another's."""
    with raises(NotFound, "dial: nobody listens there"):
        await network.dial("one", "localhost", 8000)
    await box.write("/root/echo.py", ECHO.encode())
    await box.exec("setsid python3 echo.py > up 2>&1 &")
    for _ in range(100):
        if (await box.exec("cat up")).stdout:
            break
        await asyncio.sleep(0.1)
    connection = await network.dial("one", "localhost", 8000)
    loop = asyncio.get_running_loop()
    with connection:
        holds(connection.gettimeout() == 0, "dial: it gives a socket that does not block")
        await loop.sock_sendall(connection, b"hello")
        async with asyncio.timeout(10):
            found = await loop.sock_recv(connection, 100)
        holds(found == b"HELLO", f"dial: a process inside answered {found!r}")
    with raises(NotFound, "dial: a process in one sandbox is not in another"):
        await network.dial("two", "localhost", 8000)
    result = await other.exec(ASK.format("127.0.0.1", 8000), timeout=10.0)
    holds(result.exit_code != 0, "network: one sandbox reaches what another listens on")
