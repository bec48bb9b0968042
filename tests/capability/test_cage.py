"""What a process may still do that has confined itself as the one of formulas does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from terrarium.capability.google_sheets import cage, calculator_process
from terrarium.capability.google_sheets.calculator import Calculator

PROGRAM = """
import ctypes, os, signal, socket, subprocess, sys, threading
sys.path.insert(0, sys.argv[1])
import calculator_process
left, right = socket.socketpair()
calculator_process.confine(bytes.fromhex(sys.argv[2]))
tries = {
    "calculate": lambda: sum(number**0.5 for number in range(100_000)),
    "memory": lambda: len(bytearray(50_000_000)),
    "read": lambda: open("/etc/passwd"),
    "write": lambda: open("/dev/shm/x", "w"),
    "list": lambda: os.listdir("/"),
    "stat": lambda: os.stat("/"),
    "remove": lambda: os.unlink("/dev/shm/no-such-file"),
    "socket": lambda: socket.socket(),
    "unix": lambda: socket.socket(socket.AF_UNIX),
    "send": lambda: left.send(b"x"),
    "fork": lambda: os.fork() or os._exit(0),
    "exec": lambda: os.execv("/bin/true", ["true"]),
    "spawn": lambda: subprocess.run(["/bin/true"]),
    "thread": lambda: threading.Thread(target=print).start(),
    "kill": lambda: os.kill(os.getppid(), 0),
    "limits": lambda: os.setpriority(os.PRIO_PROCESS, 0, 1),
    "a call that is new": lambda: [ctypes.CDLL(None).syscall(425, 1, 0) >= 0 or (_ for _ in ()).throw(OSError(1))],
}
for name, work in tries.items():
    try:
        work()
        print(name, "yes")
    except (OSError, RuntimeError) as error:
        print(name, getattr(error, "errno", None) or "no")
"""


@pytest.mark.skipif(not cage.program(), reason="the calls of this machine are not known")
def test_it_calculates_and_nothing_else() -> None:
    folder = Path(calculator_process.__file__).parent
    command = [sys.executable, "-I", "-S", "-c", PROGRAM, str(folder), cage.program().hex()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    found = dict(line.rsplit(" ", 1) for line in done.stdout.splitlines())
    assert len(found) == 17, done.stderr
    assert {name for name, answer in found.items() if answer == "yes"} == {"calculate", "memory"}
    assert set(found.values()) <= {"yes", "no", "1"}


def test_without_a_filter_for_the_machine_it_works_as_before() -> None:
    assert cage.program("riscv64") == b""
    calculator_process.confine(b"")
    assert Path(calculator_process.__file__).exists()


@pytest.mark.skipif(not cage.program(), reason="the calls of this machine are not known")
def test_the_process_of_formulas_is_confined_before_it_is_asked() -> None:
    pytest.importorskip("formualizer")
    calculator = Calculator()
    process = calculator._start()
    try:
        request = b'{"key":"k","drop":[],"titles":["A"],"seed":0,"now":"2030-01-07T09:00:00+00:00",'
        answer = calculator._exchange(process, request + b'"rows":[],"formulas":[[0,1,1,"=1+1"]]}\n')
        status = Path(f"/proc/{process.pid}/status").read_text()
        open_files = sorted(path.name for path in Path(f"/proc/{process.pid}/fd").iterdir())
    finally:
        calculator._end()
    assert answer == {"values": [[0, 1, 1, 2.0]]}
    told = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert (told["NoNewPrivs"], told["Seccomp"], told["Threads"]) == ("1", "2", "1")
    assert open_files == ["0", "1", "2"]
