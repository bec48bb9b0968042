"""The caps of a local sandbox: what passes them ends, the machine and the next command do not notice."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from local_box import capped, eventually, needs_namespaces, out, use

from terrarium.core.errors import CommandTimeout, Refused
from terrarium.sandbox.inside import cgroup
from terrarium.sandbox.tier import tier

pytestmark = [needs_namespaces, pytest.mark.alone]

MIB = 1024 * 1024


def test_memory_of_one_process(tmp_path):
    async def work(box):
        result = await box.exec(["python3", "-c", f"x = bytearray({200 * MIB}); print('had it')"])
        assert result.exit_code != 0
        assert result.stdout == ""
        assert await out(box, "echo fine") == "fine\n"

    use(tmp_path / "box", work, capped(memory=64 * MIB))


def test_memory_of_many_processes(tmp_path):
    async def work(box):
        one = f"python3 -c 'import time; x = bytearray({20 * MIB}); time.sleep(2); print(1)' &"
        result = await box.exec(one * 8 + "wait")
        assert result.stdout.count("1") < 4
        assert await out(box, "echo fine") == "fine\n"

    use(tmp_path / "box", work, capped(memory=64 * MIB))


def test_memory_in_files_of_shared_memory(tmp_path):
    async def work(box):
        result = await box.exec(f"head -c {100 * MIB} /dev/zero > /dev/shm/x")
        assert result.exit_code != 0
        assert await out(box, "stat -c %s /dev/shm/x") != f"{100 * MIB}\n"

    use(tmp_path / "box", work, capped(memory=64 * MIB))


FORK = """
import os, time
number = 0
try:
    while number < 100:
        if os.fork() == 0:
            time.sleep(4321)
        number += 1
except BlockingIOError:
    pass
print(number)
"""


def test_processes(tmp_path):
    async def work(box):
        result = await box.exec(["python3", "-c", FORK])
        assert 20 < int(result.stdout) <= 40
        assert await out(box, "echo fine") == "fine\n", "a command can still be started, to end them"
        assert (await box.exec("kill -9 -1")).exit_code in (0, 137)

    use(tmp_path / "box", work, capped(processes=40))


def test_disk(tmp_path):
    async def work(box):
        result = await box.exec("for i in $(seq 20); do head -c 10000000 /dev/zero > f$i; done; sleep 4321")
        assert result.exit_code == 137
        assert result.stderr.endswith("[the sandbox passed its cap on disk: everything in it was killed]\n")
        with pytest.raises(Refused):
            await box.write("/root/more", b"x")
        assert (await box.exec("rm f*; sleep 1")).exit_code == 0, "making room is possible"
        await box.write("/root/more", b"x")

    use(tmp_path / "box", work, capped(disk=50 * MIB))


def test_one_file_that_is_too_large(tmp_path):
    async def work(box):
        assert (await box.exec(f"head -c {100 * MIB} /dev/zero > f")).exit_code != 0
        assert await out(box, "stat -c %s f") == f"{50 * MIB}\n"

    use(tmp_path / "box", work, capped(disk=50 * MIB))


HOLD = """
import os, time
for number in range(10):
    file = os.open(str(number), os.O_CREAT | os.O_WRONLY)
    os.unlink(str(number))
    os.write(file, bytes(10_000_000))
time.sleep(4321)
"""


def test_a_removed_file_that_is_still_open_counts(tmp_path):
    async def work(box):
        result = await box.exec(["python3", "-c", HOLD], timeout=20)
        assert "its cap on disk" in result.stderr

    use(tmp_path / "box", work, capped(disk=50 * MIB))


MANY = """
import os
for number in range({depth}):
    os.mkdir("d")
    os.chdir("d")
for number in range(1_000_000):
    os.close(os.open(str(number), os.O_CREAT | os.O_RDONLY))
"""


@pytest.mark.parametrize("depth", [0, 3000])
def test_many_files(tmp_path, depth):
    async def work(box):
        result = await box.exec(["python3", "-c", MANY.format(depth=depth)])
        assert result.exit_code == 137
        assert "its cap on files" in result.stderr
        assert await out(box, "echo fine") == "fine\n"

    use(tmp_path / "box", work, capped(files=5000))


def test_processor_time(tmp_path):
    async def work(box):
        result = await box.exec("for i in 1 2 3; do (while :; do :; done) & done; wait", timeout=30)
        assert "its cap on cpu_seconds" in result.stderr or result.exit_code == 137

    use(tmp_path / "box", work, capped(cpu_seconds=1))


@pytest.mark.skipif("cgroup" not in tier().caps.get("cpus", ""), reason="cores are capped by a cgroup only")
def test_cores(tmp_path):
    async def work(box):
        code = "import time\nt = time.monotonic()\nwhile time.process_time() < 0.4: pass\nprint(time.monotonic() - t)"
        assert float(await out(box, ["python3", "-c", code])) > 1.0

    use(tmp_path / "box", work, capped(cpus=0.25))


def test_without_caps(tmp_path):
    caps = dict.fromkeys(("cpus", "cpu_seconds", "memory", "processes", "disk", "files"))
    assert use(tmp_path / "box", lambda box: out(box, "ulimit -u; echo fine"), capped(**caps)).endswith("fine\n")


def test_what_enforces_a_cap_is_told(tmp_path):
    async def work(box):
        return box.caps_by

    assert set(use(tmp_path / "box", work)) == {"cpus", "cpu_seconds", "memory", "processes", "disk", "files"}


def test_no_control_group_is_left(tmp_path):
    def groups():
        return {here for here, _, _ in os.walk("/sys/fs/cgroup") if "terrarium-" in here and f"-{os.getpid()}-" in here}

    async def work(box):
        await box.exec("sleep 4321 &")
        return groups() - others  # of zygotes that other tests have killed

    others = groups()
    before = use(tmp_path / "box", work, capped())
    assert bool(before) == ("cgroup" in tier().caps["memory"])
    assert not any(Path(path).exists() for path in before)


def test_a_bomb_in_one_sandbox_holds_up_no_other(tmp_path):
    async def work(bad):
        from terrarium.core.sandbox import Ground
        from terrarium.sandbox.local.sandbox import LocalSandbox

        await bad.exec("true")
        bomb = asyncio.ensure_future(bad.exec(":(){ :|:& };:; cat /dev/zero | head -c 99999999999 > x", timeout=2))
        good = LocalSandbox(Ground())
        await good.open(tmp_path / "good")
        for _ in range(20):
            assert await out(good, "echo fine") == "fine\n"
        await good.close()
        with pytest.raises(CommandTimeout):
            raise CommandTimeout if (await asyncio.gather(bomb, return_exceptions=True))[0] is not None else ValueError

    use(tmp_path / "box", work, capped(processes=50, disk=100 * MIB))


def test_a_fork_bomb_whose_command_ended_in_time_is_ended(tmp_path):
    async def work(box):
        await box.write("/root/kept", b"")
        result = await box.exec(["python3", "-c", FORK], timeout=20)
        assert int(result.stdout) >= 50, result

        async def empty() -> bool:
            return (await box.exec(["sh", "-c", "ls /proc | grep -c '^[0-9]'"])).stdout.strip() in ("3", "4", "5")

        assert await eventually(empty, 30)
        assert await out(box, "ls") == "kept\n"

    use(tmp_path / "box", work, capped(processes=64))


def test_what_was_ended_between_two_commands_is_told_with_the_next_one(tmp_path):
    async def work(box):
        await box.write("/root/bomb.py", FORK.encode())
        assert (await box.shell("word=kept; python3 bomb.py")).stderr == ""

        async def empty() -> bool:
            return len([name for name in await box.list("/proc") if name.rstrip("/").isdigit()]) <= 1

        assert await eventually(empty, 30)
        result = await box.shell("echo $word")
        assert (result.exit_code, result.stdout) == (0, "\n"), result
        assert "before this the sandbox passed its cap on processes" in result.stderr
        assert "also a lasting shell" in result.stderr
        assert (await box.shell("echo fine")).stderr == "", "it is told once"
        assert (await box.exec("kill -9 -1")).stderr == "[the command was killed]\n", "it is no reason for later things"

    use(tmp_path / "box", work, capped(processes=64))


def test_what_stands_still_because_its_engine_was_killed_is_ended_by_the_next_sweep():
    """Killed during a snapshot: nothing in a frozen group ends, whatever signal it is sent."""
    groups = cgroup.find()
    if groups is None or "freezer" not in groups.places:
        pytest.skip("no control groups of one's own here")
    space = Path("/proc/self/ns/pid").stat().st_ino
    group = cgroup.Group(groups, f"{space}-1-0-1-1", {})
    left = subprocess.Popen(["sleep", "100"])
    try:
        for folder in set(group.folders.values()):
            Path(folder, "cgroup.procs").write_text(str(left.pid))
        assert group.freeze()
        left.kill()
        time.sleep(0.2)
        assert left.poll() is None, "it stands still"
        groups.sweep(5.0)
        assert left.wait(10) == -signal.SIGKILL
        assert not any(Path(folder).exists() for folder in group.folders.values())
    finally:
        group.thaw()
        left.kill()
        left.wait(10)
        group.remove()
