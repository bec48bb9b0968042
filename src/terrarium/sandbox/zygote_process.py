"""The zygote's own process: single-threaded, standard library only, started by `terrarium.sandbox.zygote`.

It forks on request, because a process with threads must not. Requests and answers are JSON datagrams on a
SOCK_SEQPACKET socket, the child's standard streams travel as descriptors:

    {"id": n, "argv": [...], "env": {...}, "cwd": path, "rlimits": {"NPROC": 64}} + 3 descriptors
        → {"id": n, "pid": pid} or {"id": n, "error": text}, later {"id": n, "exit": code}
    {"kill": n} → the child's whole session is gone

When the socket closes, or its parent dies, everything it started ends with it.
"""

from __future__ import annotations

import array
import ctypes
import json
import os
import resource
import select
import signal
import socket
import sys
from typing import Any

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_LIMIT = 1 << 20

_libc = ctypes.CDLL(None, use_errno=True)
_children: dict[int, int] = {}  # pid -> id


def _receive(link: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    room = socket.CMSG_LEN(3 * array.array("i").itemsize)
    data, ancillary, _, _ = link.recvmsg(_LIMIT, room)
    descriptors = array.array("i")
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(content[: len(content) - len(content) % descriptors.itemsize])
    return (json.loads(data) if data else None), list(descriptors)


def _start(request: dict[str, Any], streams: list[int]) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        for target, stream in enumerate(streams):
            os.dup2(stream, target)
        os.closerange(3, 4096)
        for name, value in (request.get("rlimits") or {}).items():
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))
        if request.get("cwd"):
            os.chdir(request["cwd"])
        for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        os.execvpe(request["argv"][0], request["argv"], request.get("env") or {})
    except BaseException as error:
        os.write(2, f"cannot start {request['argv'][0]}: {error}\n".encode())
        os._exit(127)


def _kill(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def _reap(link: socket.socket | None) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        number = _children.pop(pid, None)
        if number is not None:
            _kill(pid)  # what the child left running in its session
            if link is not None:
                link.send(json.dumps({"id": number, "exit": os.waitstatus_to_exitcode(status)}).encode())


def _serve(link: socket.socket) -> None:
    woken, waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(waker)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        ready, _, _ = select.select([link.fileno(), woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            _reap(link)
        if link.fileno() not in ready:
            continue
        request, streams = _receive(link)
        if request is None:
            return
        if "kill" in request:
            for pid, number in list(_children.items()):
                if number == request["kill"]:
                    _kill(pid)
            continue
        try:
            pid = _start(request, streams)
            _children[pid] = request["id"]
            answer = {"id": request["id"], "pid": pid}
        except OSError as error:
            answer = {"id": request["id"], "error": str(error)}
        for stream in streams:
            os.close(stream)
        link.send(json.dumps(answer).encode())


def main() -> None:
    """`python zygote_process.py SOCKET_DESCRIPTOR PARENT_PID`."""
    link = socket.socket(fileno=int(sys.argv[1]))
    os.set_inheritable(link.fileno(), False)
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1)
    if os.getppid() != int(sys.argv[2]):
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        _serve(link)
    except (OSError, ValueError):
        pass
    finally:
        for pid in list(_children):
            _kill(pid)


if __name__ == "__main__":
    main()
