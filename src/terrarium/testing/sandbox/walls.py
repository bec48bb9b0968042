"""Clauses on walls: nothing of the host can be seen or reached from inside."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

from terrarium.core.sandbox import Sandbox
from terrarium.testing.clause import holds
from terrarium.testing.sandbox.bench import Bench, python

OUTSIDE = {"1.1.1.1 tcp": 53, "8.8.8.8 tcp": 53}

REACH = """
import json, socket, sys
want = json.loads(sys.argv[1])
got = {}
def attempt(name, work):
    try: got[name] = str(work())
    except BaseException as error: got[name] = "no: %s" % error
def to(family, kind, address, word=b"hello"):
    with socket.socket(family, kind) as s:
        s.settimeout(2)
        s.connect(address)
        s.send(word)
        return "sent: " + repr(s.recv(10))
INTERNET = {
    "tcp": (socket.AF_INET, socket.SOCK_STREAM),
    "tcp6": (socket.AF_INET6, socket.SOCK_STREAM),
    "udp": (socket.AF_INET, socket.SOCK_DGRAM),
}
for kind, how in INTERNET.items():
    for name, port in want[kind].items(): attempt(name, lambda: to(*how, (name.split()[0], port)))
for path in want["unix"]: attempt("unix " + path, lambda: to(socket.AF_UNIX, socket.SOCK_STREAM, path))
for name in want["abstract"]:
    attempt("abstract " + name, lambda: to(socket.AF_UNIX, socket.SOCK_STREAM, chr(0) + name))
for name in want["names"]: attempt("name " + name, lambda: socket.getaddrinfo(name, 80))
print(json.dumps(got))
"""


async def check(bench: Bench) -> None:
    """Every clause on walls."""
    if not bench.real:
        bench.left_out.append("walls: commands are functions of the engine")
        return
    word = secrets.token_hex(12)
    with _told(word):
        async with bench.box() as box:
            await sight(box, bench.home, word)
            if await bench.has_python(box, "walls: sockets"):
                await egress(box, bench.folder("sockets"), word)


@contextlib.contextmanager
def _told(word: str) -> Iterator[None]:
    """A secret in the environment of the engine."""
    name = "TERRARIUM_CONFORMANCE_KEY"
    os.environ[name] = word
    try:
        yield
    finally:
        del os.environ[name]


async def sight(box: Sandbox, home: Path, word: str) -> None:
    """Neither the environment nor the processes, files and descriptors of the host."""
    bait = home / "bait-file"
    bait.write_text(word)
    bait.chmod(0o644)
    host = await asyncio.create_subprocess_exec("sleep", "300", f"0.{int(word, 16)}")
    try:
        looks = {
            "its environment": "env; cat /proc/self/environ",
            "the environment of processes": "cat /proc/[0-9]*/environ",
            "the arguments of processes": f"cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -o '0[.]{int(word, 16)}'",
            "a file of the host": f"cat {bait} /proc/1/root{bait} /proc/self/root{bait}",
            "a folder of the host": f"ls -a {home} && echo {word}",
            "a file it was not given": "for n in /proc/self/fd/*; do "
            "[ ${n##*/} -gt 2 ] && readlink $n; done | grep -v -e ^/proc -e ^/dev/shm/",
        }
        for what, command in looks.items():
            shown = (await box.exec(f"{command} 2>/dev/null")).stdout
            seen = word in shown or str(int(word, 16)) in shown or (what == "a file it was not given" and shown)
            holds(not seen, f"walls: a command sees {what}: {shown[:300]!r}")
        result = await box.exec(f"kill -9 {host.pid} {os.getpid()} {os.getppid()}; kill -0 {os.getpid()} && id -u")
        holds(host.returncode is None, "walls: a command killed a process of the host")
        if os.getpid() > 50:
            holds(result.stdout == "", "walls: a command can signal the engine")
    finally:
        with contextlib.suppress(ProcessLookupError):
            host.kill()
        await host.wait()


async def egress(box: Sandbox, folder: Path, word: str) -> None:
    """No way to sockets of the host or to any other machine: TCP, UDP, unix, IPv6, names."""
    folder.mkdir()
    folder.chmod(0o755)
    path, hidden = str(folder / "s"), f"conformance-{word}"
    with contextlib.ExitStack() as stack:
        tcp, udp = (
            stack.enter_context(socket.socket(socket.AF_INET, kind)) for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)
        )
        unix, abstract = (stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(2))
        listening = [tcp, udp, unix, abstract]
        tcp.bind(("0.0.0.0", 0))
        udp.bind(("0.0.0.0", 0))
        unix.bind(path)
        Path(path).chmod(0o777)
        abstract.bind(f"\0{hidden}")
        six = 9
        with contextlib.suppress(OSError):
            tcp6 = stack.enter_context(socket.socket(socket.AF_INET6))
            tcp6.bind(("::1", 0))
            listening.append(tcp6)
            six = tcp6.getsockname()[1]
        for one in listening:
            if one is not udp:
                one.listen()
            one.setblocking(False)
        port = tcp.getsockname()[1]
        addresses = {"127.0.0.1", "127.0.0.2", "0.0.0.0", "169.254.169.254", *_own()}
        want = {
            "tcp": {f"{one} tcp": 80 if one.startswith("169.") else port for one in sorted(addresses)} | OUTSIDE,
            "tcp6": {"::1 tcp6": six, "2606:4700:4700::1111 tcp6": 53},
            "udp": {**{f"{one} udp": udp.getsockname()[1] for one in sorted(addresses)}, "1.1.1.1 udp": 53},
            "unix": [
                path,
                "/run/docker.sock",
                "/var/run/docker.sock",
                "/run/systemd/private",
                "/run/dbus/system_bus_socket",
            ],
            "abstract": [hidden, "/tmp/.X11-unix/X0"],
            "names": ["example.com", "metadata.google.internal", socket.gethostname()],
        }
        got = await python(box, REACH, json.dumps(want), timeout=100.0)
        for name, told in got.items():
            holds(not told.startswith("sent"), f"walls: a command talks to {name}: {told}")
            local = name.endswith(socket.gethostname())
            holds(
                local or not name.startswith("name") or told.startswith("no"), f"walls: {name} is known inside: {told}"
            )
        for one in listening:
            with contextlib.suppress(BlockingIOError):
                found = one.recv(10) if one is udp else one.accept()[1]
                raise AssertionError(f"walls: a command reached {one.getsockname()!r} of the host: {found!r}")


def _own() -> set[str]:
    """Addresses by which this host knows itself."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing
        return {probe.getsockname()[0]}
    return set()
