"""The walls of a local sandbox, tried from inside: what a command can see, have and do."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from local_box import needs_namespaces, out, use

import terrarium
from terrarium.core.sandbox import Ground

pytestmark = needs_namespaces

CALLS = r"""
import ctypes, os, platform
libc = ctypes.CDLL(None, use_errno=True)
x86 = platform.machine() == "x86_64"
def call(name, x, arm, *args):
    ctypes.set_errno(0)
    done = libc.syscall(x if x86 else arm, *args)
    print(name, "done" if done >= 0 else os.strerror(ctypes.get_errno()))
call("mount", 165, 40, b"none", b"/tmp", b"tmpfs", 0, None)
call("umount", 166, 39, b"/proc", 2)
call("pivot_root", 155, 41, b"/", b"/")
call("chroot", 161, 51, b"/")
call("unshare", 272, 97, 0x10000000)
call("clone", 56, 220, 0x10000000 | 17, 0, 0, 0, 0)
call("clone3", 435, 435, 0, 0)
call("setns", 308, 268, 0, 0)
call("keyctl", 250, 219, 0, 0)
call("add_key", 248, 217, b"user", b"x", b"y", 1, -3)
call("bpf", 321, 280, 0, 0, 0)
call("userfaultfd", 323, 282, 0)
call("perf_event_open", 298, 241, 0, 0, 0, 0, 0)
call("io_uring_setup", 425, 425, 1, 0)
call("init_module", 175, 105, 0, 0, b"")
call("kexec_load", 246, 104, 0, 0, 0, 0)
call("open_by_handle_at", 304, 265, 0, 0, 0)
call("open_tree", 428, 428, -100, b"/", 1)
call("fsopen", 430, 430, b"tmpfs", 0)
call("sethostname", 170, 161, b"x", 1)
call("reboot", 169, 142, 0, 0, 0, 0)
call("swapon", 167, 224, b"/x", 0)
call("personality", 135, 92, 0x0400000)
call("TIOCSTI", 16, 29, 0, 0x5412, b"x")
for family in (16, 17, 38, 40, 15, 31):
    call(f"socket{family}", 41, 198, family, 3, 3)
"""


def test_calls_that_lead_out_are_refused(tmp_path):
    said = use(tmp_path / "box", lambda box: out(box, ["python3", "-c", CALLS]))
    assert len(said.splitlines()) == 30
    fine = ("Operation not permitted", "Function not implemented", "Address family not supported by protocol")
    assert [line for line in said.splitlines() if not line.endswith(fine)] == []


def test_it_has_no_rights(tmp_path):
    said = use(tmp_path / "box", lambda box: out(box, "cat /proc/self/status; id -u; ulimit -c"))
    for word in ("CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"):
        assert word in said
    assert said.endswith("\n0\n0\n")


def test_nothing_of_the_base_can_be_written(tmp_path):
    async def work(box):
        for command in (
            "touch /usr/x",
            "rm /usr/bin/env",
            "echo x > /proc/sys/kernel/hostname",
            "echo 1 > /proc/sys/net/ipv4/ip_forward",
            "echo b > /proc/sysrq-trigger",
            "touch /dev/x",
            "echo 0 > /dev/world/time",
            "mknod /tmp/x b 8 0",
            "echo > /sys/kernel/x",
        ):
            assert (await box.exec(command)).exit_code != 0, command

    use(tmp_path / "box", work)
    assert Path("/usr/bin/env").exists()


def test_it_sees_nobody_and_nothing_of_the_machine(tmp_path):
    (tmp_path / "secret").write_text("of the machine")

    async def work(box):
        await out(box, "true")
        seen = await out(
            box,
            "ls -a / /root /home /var /opt /srv /mnt /run /dev; ps -ef; env; cat /proc/mounts /proc/self/mountinfo "
            "/proc/self/maps /proc/self/environ; ls -la /proc/self/fd/; hostname; cat /etc/passwd /etc/hosts",
        )
        hidden = [str(tmp_path), str(Path(terrarium.__file__).parent), os.uname().nodename + "\n", "zygote", "python"]
        if not sys.prefix.startswith("/usr"):
            hidden.append(sys.prefix)
        assert [word for word in hidden if word in seen] == []
        assert (await box.exec(f"ls {tmp_path}")).exit_code != 0
        assert await out(box, "ls /proc | grep -E '^[0-9]+$' | grep -cx 1 || true") == "0\n"
        for what in ("environ", "maps", "fd", "root", "cwd", "mem"):
            assert (await box.exec(f"ls /proc/1/{what}/ || cat /proc/1/{what}")).exit_code != 0
        assert await out(box, "find / -xdev -name secret 2>/dev/null; ls -A /opt /srv /mnt /home /var /run") == (
            "/home:\n\n/mnt:\n\n/opt:\n\n/run:\nsecrets\n\n/srv:\n\n/var:\n"
        )

    use(tmp_path / "box", work)


def test_how_the_machine_was_started_and_what_disks_it_has_is_not_told(tmp_path):
    async def work(box):
        for name in ("cmdline", "diskstats", "partitions", "swaps"):
            assert await out(box, f"cat /proc/{name}") == "", name
            assert (await box.exec(f"echo x > /proc/{name}; umount /proc/{name}")).exit_code != 0
            assert await out(box, f"cat /proc/{name}") == "", name
        groups = (await out(box, "cat /proc/self/cgroup")).splitlines()
        assert [line for line in groups if line.split(":", 2)[2] != "/" and "name=" not in line] == []

    use(tmp_path / "box", work)


def test_programs_that_look_at_the_machine_still_work(tmp_path):
    async def work(box):
        for command in ("free", "df", "ps aux", "top -bn1", "uptime", "vmstat", "nproc", "mount"):
            if shutil.which(command.split()[0]):
                assert await out(box, command) != "", command
        assert await out(box, ["python3", "-c", "import os; print(len(os.getloadavg()))"]) == "3\n"

    use(tmp_path / "box", work)


def test_no_descriptor_comes_along(tmp_path):
    async def work(box):
        assert "".join((await out(box, ["ls", "/proc/self/fd"])).split()) == "0123", "3 is the folder that is listed"
        assert "".join((await box.shell("ls /proc/self/fd")).stdout.split()) == "0123"

    use(tmp_path / "box", work, Ground(settings={"world_time": False}))  # the library has two of its own


def test_a_module_that_an_agent_plants_is_not_loaded_by_the_first_process(tmp_path):
    async def work(box):
        trap = "open('/tmp/trapped', 'w')"
        for path in {*sys.path, "/root", "/", str(Path(terrarium.__file__).parents[1])} - {""}:
            if not path.startswith("/usr"):
                for name in ("encodings", "json", "linecache", "traceback", "idna"):
                    await box.write(f"{path}/{name}.py", trap.encode())
        for wrong in ("/none", "/root/\udcff"[:6], "/etc/hosts"):
            try:
                await box.write(wrong, b"x" * 200_000)
            except Exception:
                continue
        await out(box, "true", cwd="/")
        assert "trapped" not in await box.list("/tmp")

    use(tmp_path / "box", work)


def test_what_ordinary_programs_need_is_there(tmp_path):
    async def work(box):
        assert (
            await out(box, "echo x > /dev/null; head -c 4 /dev/zero | wc -c; head -c 4 /dev/urandom | wc -c")
            == "4\n4\n"
        )
        code = (
            "import os, pty, socket, tempfile, threading, subprocess, mmap, multiprocessing.shared_memory as m\n"
            "pty.openpty(); tempfile.TemporaryFile(); t = threading.Thread(target=print, args=('thread',))\n"
            "t.start(); t.join()\n"
            "s = m.SharedMemory(create=True, size=10); s.close(); s.unlink()\n"
            "print(socket.gethostname(), subprocess.check_output(['echo', 'ok'], text=True), os.cpu_count() > 0)"
        )
        assert await out(box, ["python3", "-c", code]) == "thread\nworkspace ok\n True\n"
        assert await out(box, "mktemp >/dev/null && ls /proc/self/fd >/dev/null && getent passwd root") == (
            "root:x:0:0:root:/root:/bin/bash\n"
        )
        assert (
            await out(box, "cat <(echo a) <<< b; date +%Z; readlink /etc/localtime")
            == "a\nUTC\n/usr/share/zoneinfo/Etc/UTC\n"
        )

    use(tmp_path / "box", work)


@pytest.mark.parametrize("name", ["a b/../$(x)", "workspace:one", "", "x" * 200])
def test_any_name_will_do(tmp_path, name):
    assert use(tmp_path / "box", lambda box: out(box, "echo fine"), Ground(name=name or "w")) == "fine\n"
