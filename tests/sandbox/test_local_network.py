"""The network of a local sandbox: the world's services, and nothing else."""

from __future__ import annotations

import asyncio
import socket

import pytest
from local_box import needs_namespaces, out, use

from terrarium.core.errors import NotFound, Refused, SandboxFault
from terrarium.core.network import Caller, Network
from terrarium.core.sandbox import Ground
from terrarium.sandbox.local.sandbox import LocalSandbox

pytestmark = needs_namespaces

TALK = "exec 3<>/dev/tcp/{host}/{port} && echo asked >&3 && cat <&3"
TRY_TO_BIND = """
import socket, sys
for option in (0, socket.SO_REUSEADDR, socket.SO_REUSEPORT):
    for address in ("0.0.0.0", "127.77.0.1", "::"):
        made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        if option:
            made.setsockopt(socket.SOL_SOCKET, option, 1)
        try:
            made.bind((address, int(sys.argv[1])))
            made.listen()
        except OSError as error:
            print(error.strerror)
        else:
            print("bound", option, address)
        made.close()
"""


async def _greet(connection: socket.socket, caller: Caller) -> None:
    loop = asyncio.get_running_loop()
    asked = await loop.sock_recv(connection, 100)
    await loop.sock_sendall(connection, f"{caller.agent} in {caller.sandbox} {asked.decode()}".encode())


def test_commands_reach_services_by_name_and_are_known_there(tmp_path):
    async def go():
        network = Network()
        await network.serve("mail.world", 143, _greet)
        await network.serve("files.world", 143, _greet)
        box = LocalSandbox(Ground(network=network, agent="ann", name="workspace:one"))
        await box.open(tmp_path / "box")
        assert await out(box, TALK.format(host="mail.world", port=143)) == "ann in workspace:one asked\n"
        assert await out(box, TALK.format(host="files.world", port=143)) == "ann in workspace:one asked\n"
        later = await network.serve("later.world", 80, _greet)
        assert await out(box, TALK.format(host="later.world", port=80)) == "ann in workspace:one asked\n"
        await network.withdraw(later)
        assert (await box.exec(TALK.format(host="later.world", port=80))).exit_code == 1
        await box.close()
        await network.join(_Other(), Caller("ann", "workspace:one"))  # its name is free again
        await network.close()

    asyncio.run(go())


class _Other:
    async def listen(self, address: str, port: int) -> socket.socket:
        made = socket.socket()
        made.bind(("127.0.0.1", 0))
        made.listen()
        return made

    async def dial(self, address: str, port: int) -> socket.socket:
        raise NotFound

    async def name_hosts(self, hosts: str) -> None: ...


def test_two_sandboxes_have_the_same_ports_and_do_not_see_each_other(tmp_path):
    async def go():
        network = Network()
        await network.serve("mail.world", 143, _greet)
        boxes = [LocalSandbox(Ground(network=network, agent=name, name=name)) for name in ("ann", "bob")]
        for number, box in enumerate(boxes):
            await box.open(tmp_path / str(number))
        said = await asyncio.gather(*(out(box, TALK.format(host="mail.world", port=143)) for box in boxes))
        assert said == ["ann in ann asked\n", "bob in bob asked\n"]
        await boxes[0].exec("python3 -m http.server 8000 >/dev/null 2>&1 &")
        connection = await _dialled(network, "ann", 8000)
        connection.close()
        with pytest.raises(NotFound):
            await network.dial("bob", "localhost", 8000)
        assert (await boxes[1].exec(TALK.format(host="127.0.0.1", port=8000))).exit_code == 1
        for box in boxes:
            await box.close()

    asyncio.run(go())


async def _dialled(network: Network, sandbox: str, port: int) -> socket.socket:
    for _ in range(200):
        try:
            return await network.dial(sandbox, "localhost", port)
        except NotFound:
            await asyncio.sleep(0.05)
    raise AssertionError("nobody listens")


def test_nothing_else_can_be_reached(tmp_path):
    outside = socket.socket()
    outside.bind(("127.0.0.1", 0))
    outside.listen()
    port = outside.getsockname()[1]

    async def work(box):
        assert (await box.exec(TALK.format(host="127.0.0.1", port=port))).exit_code == 1
        assert "unreachable" in (await box.exec(TALK.format(host="192.0.2.1", port=80))).stderr
        assert (await box.exec("getent hosts example.com; getent hosts db.world")).exit_code == 2
        assert await out(box, "ls /sys; tail -n +3 /proc/net/dev | cut -d: -f1") == "    lo\n"

    use(tmp_path / "box", work)
    outside.close()


def test_a_declared_port_is_nobody_elses(tmp_path):
    async def go():
        network = Network()
        await network.serve("mail.world", 143, _greet)
        box = LocalSandbox(Ground(network=network))
        await box.open(tmp_path / "box")
        said = await out(box, ["python3", "-c", TRY_TO_BIND, "143"])
        assert [line for line in said.splitlines() if line.startswith("bound") and not line.endswith("::")] == []
        assert await out(box, TALK.format(host="mail.world", port=143)) == "None in workspace asked\n"
        assert "bound 0 0.0.0.0" in await out(box, ["python3", "-c", TRY_TO_BIND, "80"]), "any other port is"
        with pytest.raises(Refused):
            await network.serve("mail.world", 143, _greet)
        await box.exec("python3 -m http.server 8000 >/dev/null 2>&1 &")
        (await _dialled(network, "workspace", 8000)).close()
        with pytest.raises(SandboxFault, match="8000 cannot be opened"):
            await network.serve("web.world", 8000, _greet)
        await box.close()

    asyncio.run(go())


def test_somebody_who_listens_and_accepts_nobody_holds_up_nobody(tmp_path):
    async def work(box):
        listen = "import socket, time; s = socket.socket(); s.bind(('', 9)); s.listen(0); "
        listen += "open('/tmp/on', 'w'); time.sleep(4321)"
        await box.exec(f'python3 -c "{listen}" >/dev/null 2>&1 &')
        while "on" not in await box.list("/tmp"):
            await asyncio.sleep(0.02)
        dials = [asyncio.ensure_future(box.dial("127.0.0.1", 9)) for _ in range(4)]
        assert await out(box, "echo fine") == "fine\n"
        for dial in dials:
            dial.cancel()
        for made in await asyncio.gather(*dials, return_exceptions=True):
            if isinstance(made, socket.socket):
                made.close()

    use(tmp_path / "box", work)


def test_hosts_change_while_it_runs(tmp_path):
    async def work(box):
        await box.name_hosts("127.77.0.9\tfirst.world\n127.0.0.1\tlocalhost\n")
        assert "127.77.0.9" in await out(box, "getent hosts first.world")
        await box.name_hosts("127.77.0.8\tsecond.world\n")
        assert await out(box, "cat /etc/hosts") == "127.77.0.8\tsecond.world\n"
        assert (await box.exec("echo x >> /etc/hosts")).exit_code == 1

    use(tmp_path / "box", work)


def test_a_sandbox_that_cannot_join_its_network_does_not_run_without_it(tmp_path):
    async def go():
        network = Network()
        await network.serve("mail.world", 143, _greet)
        boxes = [LocalSandbox(Ground(network=network, name="same")) for _ in range(2)]
        for number, box in enumerate(boxes):
            await box.open(tmp_path / str(number))
        assert await out(boxes[0], "echo fine") == "fine\n"
        for _ in range(2):
            with pytest.raises(Refused, match="cannot join"):
                await boxes[1].exec("touch /tmp/ran")
        assert await out(boxes[0], TALK.format(host="mail.world", port=143)) == "None in same asked\n"
        await boxes[0].close()
        assert await out(boxes[1], "ls /tmp") == ""
        await boxes[1].close()

    asyncio.run(go())
