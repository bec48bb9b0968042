"""The processes of a sandbox without namespaces: a keeper that nobody inside can reach, and the nest below it.

`python nest.py FOLDER [unconfined]`, with a SOCK_SEQPACKET socket as standard input:

    → {"ready": true} or {"fault": text}
    ← {"id": n, "argv": …, "env": …, "cwd": …, "limits": …} + 3 descriptors   → {"id": n, "exit": code}
    ← {"still": true} stops everything → {"still": true};  ← {"still": false} lets it go on
    → {"cap": name} a cap was passed: everything is ended

The keeper can signal what is below it, and nothing else; what is below cannot signal it. So one kill(-1) ends all that
runs in the sandbox, whatever sessions and forks it hides behind: at the end of the socket, of the parent, of the nest.
The nest confines itself to the folder, then starts the commands. Unconfined, there are no walls at all, and what runs
is found by its parents and ended one by one.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import resource
import select
import signal
import socket
import sys
import time
from typing import Any

if __name__ == "__main__":  # run by path, without site-packages
    sys.path.insert(0, os.path.abspath(f"{os.path.dirname(__file__)}/../../.."))

from terrarium.sandbox.inside import confine, filter, kernel, toll
from terrarium.sandbox.inside.metadata import Changes

_LIMIT = 1 << 20
_PERIOD = 0.1


def _start_below(link: socket.socket, request: dict[str, Any], streams: list[int], running: dict[int, int]) -> None:
    try:
        pid = os.fork()
    except OSError as error:
        os.write(streams[2], f"cannot start a process: {os.strerror(error.errno or 0)}\n".encode())
        _tell(link, {"id": request["id"], "exit": 126})
    else:
        if pid == 0:
            _become(request, streams)
        running[pid] = request["id"]
    for stream in streams:
        os.close(stream)


def _become(request: dict[str, Any], streams: list[int]) -> None:
    """Become a command. Never returns."""
    code, word = 126, request["argv"][0]
    try:
        os.setsid()
        for target, stream in enumerate([fcntl.fcntl(stream, fcntl.F_DUPFD, 64) for stream in streams]):
            os.dup2(stream, target)
        os.closerange(3, 4096)
        for name, limit in sorted(request["limits"].items()):
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), tuple(limit))
        os.umask(0o022)
        for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        os.chdir(request["cwd"])
        os.execvpe(word, request["argv"], request["env"])
    except OSError as error:
        code = 127 if error.errno in (errno.ENOENT, errno.ENOTDIR) else 126
        os.write(2, f"{word}: {os.strerror(error.errno or 0)}\n".encode("utf-8", "replace"))
    finally:
        os._exit(code)


def _nest(link: socket.socket, folder: str, confined: bool) -> None:
    """Confine this process and start commands, until the keeper ends it. Never returns."""
    woken, waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(waker)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    os.setsid()  # whoever ends the keeper's session leaves this process the time to end the rest
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGTERM)
    try:
        if confined:
            confine.keep_files_in(folder)
            signal.signal(signal.SIGTERM, lambda *_: _end_nest(confined))
            listener = confine.filter_strictly()
            socket.send_fds(link, [b"{}"], [listener])
            os.close(listener)
            kernel.filter_calls(filter.program(memory_files=False))
        else:
            kernel.prctl(kernel.PR_SET_SUBREAPER, 1)
            signal.signal(signal.SIGTERM, lambda *_: _end_nest(confined))
            _tell(link, {})
    except OSError as error:
        _tell(link, {"fault": str(error)})
        os._exit(1)
    running: dict[int, int] = {}
    poll = select.poll()  # `select` knows no descriptor over 1023
    for descriptor in (link.fileno(), woken):
        poll.register(descriptor, select.POLLIN)
    while True:
        ready = [descriptor for descriptor, _ in poll.poll()]
        if woken in ready:
            os.read(woken, 4096)
            for pid, status in _ended():
                code = os.waitstatus_to_exitcode(status)
                if pid in running:
                    _tell(link, {"id": running.pop(pid), "exit": code if code >= 0 else 128 - code})
        if link.fileno() in ready:
            data, streams, _, _ = socket.recv_fds(link, _LIMIT, 3)
            if not data:
                _end_nest(confined)
            _start_below(link, json.loads(data), streams, running)


class Keeper:
    """Above the nest.

    Args:
        control: The engine's.
        folder: Of the sandbox.
        confined: With walls.
    """

    def __init__(self, control: socket.socket, folder: str, confined: bool) -> None:
        self._control = control
        self._folder = folder
        self._confined = confined
        self._link: socket.socket
        self._changes: Changes | None = None
        self._toll: toll.Toll | None = None

    def start(self) -> None:
        """Shut oneself in, and start the nest.

        Raises:
            OSError: The kernel cannot do it.
        """
        kernel.prctl(kernel.PR_SET_SUBREAPER, 1)
        if self._confined:
            self._shut_in()
        self._link, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for side in (self._link, other):
            side.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _LIMIT)
        if os.fork() == 0:
            self._control.close()
            self._link.close()
            _nest(other, self._folder, self._confined)
        other.close()
        data, listeners, _, _ = socket.recv_fds(self._link, 4096, 1)
        told = json.loads(data or b'{"fault": "the nest ended"}')
        if "fault" in told:
            raise OSError(told["fault"])
        self._changes = Changes(listeners[0], self._folder) if self._confined else None

    def _shut_in(self) -> None:
        kernel.gain_nothing(frozenset())
        kernel.drop_capabilities(frozenset())
        parent = os.getppid()
        confine.keep_signals_in()
        try:
            os.kill(parent, 0)
        except PermissionError:
            return
        raise OSError("signals are not kept in: Linux 6.12 or later is needed")  # then kill(-1) would reach everybody

    def end_all(self, number: int = signal.SIGKILL) -> None:
        """Signal everything below the keeper; with SIGKILL, wait until it is gone."""
        while True:
            for pid in [-1] if self._confined else toll.below(os.getpid()):
                try:
                    os.kill(pid, number)
                except (ProcessLookupError, PermissionError):
                    pass
            if number != signal.SIGKILL:
                return
            try:
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            except ChildProcessError:
                return
            time.sleep(0.001)

    def serve(self) -> str | None:
        """Pass on what the engine asks for, until it or the nest is gone; the cap that was passed, if one was."""
        poll = select.poll()
        for one in (self._control, self._link):
            poll.register(one, select.POLLIN)
        if self._changes is not None:
            poll.register(self._changes.listener, select.POLLIN)
        watched = 0.0
        while True:
            ready = dict(poll.poll(_PERIOD * 1000))
            if self._changes is not None and self._changes.listener in ready:
                if ready[self._changes.listener] & select.POLLHUP:
                    return None
                self._changes.answer()
            if self._link.fileno() in ready:
                told = self._link.recv(_LIMIT)
                if not told:
                    return None
                self._control.send(told)
            if self._control.fileno() in ready and not self._asked():
                return None
            if self._toll is not None and time.monotonic() - watched >= _PERIOD:
                _ended()
                passed = self._toll.passed()
                if passed:
                    return passed
                watched = time.monotonic()

    def _asked(self) -> bool:
        data, streams, _, _ = socket.recv_fds(self._control, _LIMIT, 3)
        if not data:
            return False
        request = json.loads(data)
        if "caps" in request:
            self._toll = toll.Toll(request["caps"], self._folder)
        elif "still" in request:
            self.end_all(signal.SIGSTOP if request["still"] else signal.SIGCONT)
            _tell(self._control, {"still": request["still"]})
        else:
            socket.send_fds(self._link, [data], streams)
            for stream in streams:
                os.close(stream)
        return True


def _end_nest(confined: bool) -> None:
    """The keeper is gone, and there is nobody else to end what runs. Never returns."""
    while pids := [-1] if confined else toll.below(os.getpid()):
        try:
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        _ended()
        if confined:
            break  # it reached everybody in here
    os._exit(0)


def _ended() -> list[tuple[int, int]]:
    found = []
    try:
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            found.append((pid, status))
    except ChildProcessError:
        pass
    return found


def _tell(link: socket.socket, words: dict[str, Any]) -> None:
    try:
        link.send(json.dumps(words).encode())
    except OSError:
        pass


def main() -> None:
    """Serve one sandbox, then leave nothing behind."""
    control = socket.socket(fileno=os.dup(0))
    os.set_inheritable(control.fileno(), False)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    one = Keeper(control, os.path.realpath(sys.argv[1]), "unconfined" not in sys.argv[2:])
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGTERM)
    try:
        one.start()
    except OSError as error:
        _tell(control, {"fault": str(error)})
        os._exit(1)
    signal.signal(signal.SIGTERM, lambda *_: _leave(one))
    _tell(control, {"ready": True})
    try:
        passed = one.serve()
    finally:
        one.end_all()
    if passed:  # told when nothing is left: whoever hears it may begin anew at once
        _tell(control, {"cap": passed})


def _leave(one: Keeper) -> None:
    one.end_all()
    os._exit(0)


if __name__ == "__main__":
    main()
