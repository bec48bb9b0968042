"""What an agent might run to harm its host, and by what it is known to have failed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

MIB = 1024 * 1024

HOG = """
CAP = 256  # MiB
import ctypes, mmap, os, sys, time
kind = sys.argv[1]
libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
got, real, held = 0, 0, []
def told():
    print(got, flush=True)
try:
    while got < 1500:
        if kind == "memory":
            held.append(bytearray(20 << 20))
        elif kind == "children":
            pid = os.fork()
            if pid == 0:
                held.append(bytearray(40 << 20)); time.sleep(20); os._exit(0)
            held.append(pid)
            if len(held) == 30: break
            got -= 20
        elif kind == "memfd":
            f = os.memfd_create("hog"); held.append(f); os.write(f, bytes(20 << 20))
        elif kind == "shm":
            n = libc.shmget(0, 20 << 20, 0o1600)
            if n < 0: raise OSError(ctypes.get_errno(), "shmget")
            at = libc.shmat(n, None, 0)
            ctypes.memset(at, 1, 20 << 20); libc.shmdt(ctypes.c_void_p(at))
        elif kind == "deleted":
            f = os.open("/dev/shm/hog", os.O_CREAT | os.O_RDWR); os.unlink("/dev/shm/hog"); held.append(f)
            os.write(f, bytes(20 << 20))
        elif kind == "pipes":
            import fcntl
            r, w = os.pipe(); held += [r, w]; os.set_blocking(w, False)
            try: fcntl.fcntl(w, 1031, 1 << 20)
            except OSError: pass
            count = os.write(w, bytes(1 << 20)); real += count; got = (real >> 20) - 20
        elif kind == "sockets":
            import socket
            a, b = socket.socketpair(); held += [a, b]; a.setblocking(False)
            for s in (a, b): s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
            try:
                while True: real += a.send(bytes(1 << 16))
            except OSError: pass
            got = (real >> 20) - 20
        got += 20
        told()
except BaseException as error:
    print(type(error).__name__, error, file=sys.stderr)
if kind == "children":
    for _ in range(40):  # where there is no control group somebody looks, as late as the machine is busy
        time.sleep(0.1)
        held = [pid for pid in held if os.waitpid(pid, os.WNOHANG) == (0, 0)]
        got = 40 * len(held)
        if got <= CAP:
            break
    for pid in held:
        os.kill(pid, 9)
told()
time.sleep(0.5)
"""

EXHAUST = """
import ctypes, os, pty, sys
libc, kind, got = ctypes.CDLL(None, use_errno=True), sys.argv[1], 0
for n in range(20000):
    if kind == "inotify": ok = libc.inotify_init() >= 0
    elif kind == "ptys":
        try: pty.openpty(); ok = True
        except OSError: ok = False
    elif kind == "queues": ok = libc.syscall(240, ("q%d" % n).encode(), 0o102, 0o600, None) >= 0
    elif kind == "segments": ok = libc.shmget(0, 4096, 0o1600) >= 0
    elif kind == "semaphores": ok = libc.semget(0, 100, 0o1600) >= 0
    elif kind == "timers": ok = libc.syscall(222, 0, None, ctypes.byref(ctypes.c_int())) >= 0
    elif kind == "locks":
        import fcntl
        f = os.open("lock", os.O_CREAT | os.O_RDWR)
        try: fcntl.lockf(f, fcntl.LOCK_EX, 1, n * 2); ok = True
        except OSError: ok = False
    elif kind == "epolls": ok = libc.epoll_create1(0) >= 0
    if not ok: break
    got += 1
print(got)
"""

FILES = """
import os
os.mkdir("many"); os.chdir("many")
n = 0
try:
    for n in range(1_000_000):
        os.close(os.open(str(n), os.O_CREAT))
finally:
    print(n)
"""

KILL = """
import os, signal
for pid in [*range(1, 40000), -1, 0]:
    if pid not in (os.getpid(), os.getppid()):
        try: os.kill(pid, signal.SIGKILL)
        except OSError: pass
"""


@dataclass(frozen=True)
class Attack:
    """A command, and what it may have got at most: `allowed` is given the last number that it wrote."""

    name: str
    command: tuple[str, ...]
    allowed: Callable[[int], bool] = lambda got: True
    timeout: float = 6.0
    needs: str = ""


def python(source: str, *args: str) -> tuple[str, ...]:
    """A command that runs a program."""
    return ("python3", "-c", source, *args)


def bash(text: str) -> tuple[str, ...]:
    """A command that runs a script."""
    return ("bash", "-c", text)


CAP = 256  # MiB of memory, as of disk

ATTACKS = (
    Attack("fork bomb", bash("f() { f | f & }; f; sleep 100"), timeout=1.5),
    Attack("fork bomb of sessions", bash("f() { (setsid sleep 50 &); f | f & }; f"), timeout=1.5),
    Attack("10 GB of output", bash("yes flood | head -c 10G"), timeout=2.0),
    Attack("10 GB of errors", bash("yes flood | head -c 10G >&2"), timeout=1.5),
    Attack("1e6 files", python(FILES), lambda got: got < 900_000, timeout=20.0, needs="disk_cap"),
    Attack("a file of 10 GB", bash("head -c 10G /dev/zero > hog; stat -c %s hog"), lambda got: got <= (CAP + 32) * MIB),
    *(
        Attack(f"memory: {kind}", python(HOG, kind), lambda got: got <= 2 * CAP, needs="memory_cap")
        for kind in ("memory", "children", "memfd", "shm", "deleted", "pipes", "sockets")
    ),
    *(
        Attack(f"exhausted: {kind}", python(EXHAUST, kind))
        for kind in ("inotify", "ptys", "queues", "segments", "semaphores", "timers", "locks", "epolls")
    ),
    Attack(
        "processes that eat time", bash("for i in $(seq 16); do (while :; do :; done) & done; sleep 50"), timeout=1.5
    ),
    Attack("kill -9 of everything", python(KILL), timeout=5.0),
    Attack("kill -9 -1", bash("kill -9 -1"), timeout=5.0),
)
