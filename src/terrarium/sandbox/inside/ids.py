"""Which ids of the host stand behind the ids 0 to 65535 of a sandbox."""

from __future__ import annotations

import functools
import os
import pwd

from terrarium.sandbox.inside import kernel

COUNT = 65536
_FIRST = 0x70000000  # above what distributions, containers and directories hand out
_LAST = 0x77FF0000


@functools.cache
def real_root() -> bool:
    """Whether this process is root of the whole machine; asked for the first time before any namespace is entered."""
    return os.geteuid() == 0 and held() >= 1 << 32 - 1


@functools.cache
def owner() -> int:
    """The id of the host that root of a sandbox has: with real root an unused one, otherwise one's own."""
    return _unused() if real_root() else os.geteuid()


def held() -> int:
    """How many ids the user namespace of this process has."""
    return sum(int(line.split()[2]) for line in _lines("/proc/self/uid_map"))


def _unused() -> int:
    taken = []
    for name in ("/etc/subuid", "/etc/subgid"):
        for line in _lines(name):
            _, _, rest = line.partition(":")
            start, _, count = rest.partition(":")
            if start.isdigit() and count.isdigit():
                taken.append((int(start), int(start) + int(count)))
    taken += [(entry.pw_uid, entry.pw_uid + 1) for entry in pwd.getpwall()]
    for first in range(_FIRST, _LAST, COUNT):
        if all(first + COUNT <= low or high <= first for low, high in taken):
            return first
    return _LAST


def enter_holder() -> None:
    """As an ordinary user: move into a user namespace that has as many ids as this user may have, and is root there.

    Sandboxes are made inside it, and files that belong to its ids can be removed by it. Only for a process with one
    thread.

    Raises:
        OSError: User namespaces cannot be had.
    """
    uid, gid, me = os.geteuid(), os.getegid(), os.getpid()
    found = [_own_range(name, uid) for name in ("/etc/subuid", "/etc/subgid")]
    programs = [_program(name) for name in ("newuidmap", "newgidmap")]
    ranges = [one for one in found if one is not None]
    entered, enter = os.pipe()
    done, told = os.pipe()
    child = 0
    if len(ranges) == 2 and all(programs):
        child = os.fork()
        if child == 0:
            _map_from_outside(me, entered, told, list(zip(programs, (uid, gid), ranges, strict=True)))
    try:
        kernel.unshare(kernel.NEWUSER | kernel.NEWNS)
        os.write(enter, b"x")
    finally:
        os.close(enter)
        os.close(told)
    many = bool(child) and os.read(done, 1) == b"y"
    if child:
        os.waitpid(child, 0)
    os.close(entered)
    os.close(done)
    if not many:
        write_maps("self", [(0, uid, 1)], [(0, gid, 1)], deny_groups=True)


def _map_from_outside(pid: int, entered: int, told: int, jobs: list[tuple[str | None, int, tuple[int, int]]]) -> None:
    try:
        fine = os.read(entered, 1) == b"x"
        for program, own, (first, count) in jobs:
            words = [str(program), str(pid), "0", str(own), "1", "1", str(first), str(min(count, COUNT - 1))]
            null = os.open(os.devnull, os.O_RDWR)
            actions = [(os.POSIX_SPAWN_DUP2, null, stream) for stream in (0, 1, 2)]
            maker = os.posix_spawn(words[0], words, {}, file_actions=actions)
            fine = fine and os.waitstatus_to_exitcode(os.waitpid(maker, 0)[1]) == 0
        os.write(told, b"y" if fine else b"n")
    finally:
        os._exit(0)


def write_maps(pid: str, uids: list[tuple[int, int, int]], gids: list[tuple[int, int, int]], deny_groups: bool) -> None:
    """Give the user namespace of a process its ids: (inside, outside, how many) each."""
    texts = ["".join("{} {} {}\n".format(*line) for line in lines) for lines in (uids, gids)]
    names = [("setgroups", "deny")] if deny_groups else []
    for name, text in [*names, ("uid_map", texts[0]), ("gid_map", texts[1])]:
        with open(f"/proc/{pid}/{name}", "w") as file:
            file.write(text)


def map_of_child() -> list[tuple[int, int, int]]:
    """The ids of a sandbox's user namespace, as the zygote that makes it writes them."""
    if real_root():
        return [(0, owner(), COUNT)]
    lines = [tuple(map(int, line.split())) for line in _lines("/proc/self/uid_map")]
    # Piece by piece: a range may not span two pieces of the map above it.
    return [(first, first, min(count, COUNT - first)) for first, _, count in lines if first < COUNT]


def _program(name: str) -> str | None:
    places = [f"{folder}/{name}" for folder in (*os.environ.get("PATH", "").split(":"), "/usr/bin", "/bin")]
    return next((path for path in places if os.access(path, os.X_OK)), None)


def _own_range(name: str, uid: int) -> tuple[int, int] | None:
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = str(uid)
    for line in _lines(name):
        who, _, rest = line.partition(":")
        first, _, count = rest.partition(":")
        if who in (user, str(uid)) and first.isdigit() and count.isdigit() and int(count) >= 1:
            return int(first), int(count)
    return None


def _lines(path: str) -> list[str]:
    try:
        with open(path) as file:
            return file.read().splitlines()
    except OSError:
        return []
