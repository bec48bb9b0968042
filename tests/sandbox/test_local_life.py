"""The life of a local sandbox: started late, ended by whatever ends its engine, and nothing left of it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from local_box import eventually, needs_namespaces, out, root_filesystem, use

from terrarium.cli.leftover import remove
from terrarium.core.errors import ConfigError, EngineFault, SandboxFault
from terrarium.core.network import Caller, Network
from terrarium.core.sandbox import Ground
from terrarium.sandbox.local.sandbox import LocalSandbox
from terrarium.sandbox.zygote import zygote

pytestmark = needs_namespaces

ENGINE = """
import asyncio, sys
from pathlib import Path
from terrarium.core.sandbox import Ground
from terrarium.sandbox.local.sandbox import LocalSandbox

async def main():
    for number in range(3):
        box = LocalSandbox(Ground())
        await box.open(Path(sys.argv[1]) / str(number))
        await box.shell(f"setsid sleep {sys.argv[2]} & touch here; mkdir -m 0 closed")
        await box.exec(f"(setsid sleep {sys.argv[2]} &) >/dev/null 2>&1")
    print("ready", flush=True)
    await asyncio.sleep(1000)

asyncio.run(main())
"""


def _mine(word: str) -> list[int]:
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and word in (folder / "cmdline").read_bytes().decode(errors="replace"):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def _gone(pids: list[int]) -> bool:
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


def _within(seconds: float, holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.05)
    return holds()


@pytest.mark.parametrize("whom", ["engine", "zygote"])
def test_killing_the_engine_or_the_zygote_leaves_no_process_mount_or_group(tmp_path, whom):
    mark = f"54{os.getpid():07}"  # the same file runs at the same time as another user, and elsewhere
    engine = subprocess.Popen([sys.executable, "-c", ENGINE, str(tmp_path), mark], stdout=subprocess.PIPE, text=True)
    try:
        assert engine.stdout is not None
        assert engine.stdout.readline() == "ready\n"
        zygotes = [pid for pid in _mine("zygote_process.py") if f"\0{engine.pid}\0" in _line(pid)]
        assert len(zygotes) == 1
        assert _within(10, lambda: len(_mine(f"sleep\0{mark}")) >= 6)
        inside = _mine(f"sleep\0{mark}")
        os.kill(engine.pid if whom == "engine" else zygotes[0], signal.SIGKILL)
        assert _within(20, lambda: _gone(inside))
    finally:
        engine.kill()
        engine.wait()
        engine.stdout.close()
    assert _within(20, lambda: _gone(zygotes))
    assert str(tmp_path) not in Path("/proc/self/mounts").read_text()
    if whom == "engine":
        assert [here for here, _, _ in os.walk("/sys/fs/cgroup") if f"-{engine.pid}-" in Path(here).name] == []
    remove(tmp_path / "0")
    assert not (tmp_path / "0").exists()


def _line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def test_a_zygote_that_dies_is_a_fault_and_another_takes_over(tmp_path):
    async def go():
        box = LocalSandbox(Ground())
        await box.open(tmp_path / "box")
        await out(box, "echo kept > file")
        running = asyncio.ensure_future(box.exec("sleep 4321"))
        await asyncio.sleep(0.1)
        process = zygote()._process
        assert process is not None
        process.kill()
        with pytest.raises((SandboxFault, EngineFault)):
            await running
        assert await eventually(lambda: _works(box))
        assert await box.read("/root/file") == b"kept\n"
        await box.close()
        zygote().close()

    asyncio.run(go())


def test_files_of_other_ids_that_a_killed_engine_left_can_be_removed(tmp_path):
    rootfs = root_filesystem(tmp_path / "rootfs")

    async def go():
        box = LocalSandbox(Ground(settings={"rootfs": str(rootfs)}))
        await box.open(tmp_path / "box")
        await box.exec("touch a b; cat a > c; chown 33 a c; chown 44 /root")
        process = zygote()._process
        assert process is not None
        process.kill()
        box._layers = None  # nobody closes it properly
        with contextlib.suppress(SandboxFault, EngineFault):
            await box.close()

    asyncio.run(go())
    remove(tmp_path / "box")
    assert not (tmp_path / "box").exists()


async def _works(box: LocalSandbox) -> bool:
    try:
        return await out(box, "echo fine") == "fine\n"
    except (SandboxFault, EngineFault):
        return False


def test_after_its_first_process_was_killed_it_begins_again_on_its_files(tmp_path):
    async def go():
        network = Network()

        async def greet(connection, caller):
            await asyncio.get_running_loop().sock_sendall(connection, caller.name.encode())

        await network.serve("mail.world", 25, greet)
        box = LocalSandbox(Ground(network=network, agent="ann"))
        await box.open(tmp_path / "box")
        await out(box, "echo kept > file")
        assert box._life is not None
        running = asyncio.ensure_future(box.exec("sleep 4321"))
        await asyncio.sleep(0.1)
        zygote().kill(box._life._child)
        assert (await running).exit_code == 137
        assert await out(box, "cat file; cat < /dev/tcp/mail.world/25") == "kept\nann"
        await box.close()
        zygote().close()

    asyncio.run(go())


def test_closing_while_something_runs(tmp_path):
    async def go():
        box = LocalSandbox(Ground())
        await box.open(tmp_path / "box")
        await out(box, "true")
        running = [asyncio.ensure_future(work) for work in (box.exec("sleep 4321"), box.shell("sleep 4321"))]
        await asyncio.sleep(0.1)
        await box.close()
        done, late = await asyncio.wait(running, timeout=20)
        assert not late
        for task in done:
            assert isinstance(task.exception(), SandboxFault) or task.result().exit_code == 137
        zygote().close()

    asyncio.run(go())


def test_thirty_at_once(tmp_path):
    async def go():
        network = Network()
        boxes = [LocalSandbox(Ground(network=network, name=str(number))) for number in range(30)]

        async def one(number: int) -> str:
            await boxes[number].open(tmp_path / str(number))
            await boxes[number].shell(f"X={number}")
            return (await boxes[number].shell("echo $X; hostname")).stdout

        assert await asyncio.gather(*map(one, range(30))) == [f"{n}\n{n}\n" for n in range(30)]
        with pytest.raises(Exception, match="cannot join"):
            await network.join(boxes[0], Caller(None, "0"))
        await asyncio.gather(*(box.close() for box in boxes))
        zygote().close()

    asyncio.run(go())


def test_one_zygote_for_a_loop_and_another_for_the_next(tmp_path):
    async def number() -> int:
        box = LocalSandbox(Ground())
        await box.open(tmp_path / "box")
        await out(box, "true")
        await box.close()
        process = zygote()._process
        assert process is not None
        return process.pid

    first, second = asyncio.run(number()), asyncio.run(number())
    assert first != second
    assert not Path(f"/proc/{first}").exists()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"rootf": "/"}, "did you mean 'rootfs'"),
        ({"rootfs": "/no/such/folder"}, "must be the folder"),
        ({"rootfs": 7}, "must be the folder"),
        ({"world_time": "yes"}, "true or false"),
    ],
)
def test_wrong_settings(settings, said):
    with pytest.raises(ConfigError, match=said):
        LocalSandbox(Ground(settings=settings))


def test_a_folder_where_nothing_can_be_mounted_says_so(tmp_path):
    (tmp_path / "box").mkdir()
    (tmp_path / "box" / "tree").write_text("in the way")

    async def work(box):
        with pytest.raises(SandboxFault, match="cannot be started"):
            await box.exec("true")

    use(tmp_path / "box", work)
