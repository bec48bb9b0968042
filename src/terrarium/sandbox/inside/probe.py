"""Tries out what this machine gives: `python probe.py` prints it as JSON. A process of its own, gone afterwards."""

from __future__ import annotations

import json
import os
import sys

if __name__ == "__main__":  # run by path, without site-packages
    sys.path.insert(0, os.path.abspath(f"{os.path.dirname(__file__)}/../../.."))

from terrarium.sandbox.inside import cgroup, kernel

_FLAGS = kernel.NEWUSER | kernel.NEWNS | kernel.NEWPID | kernel.NEWNET | kernel.NEWIPC | kernel.NEWUTS


def _read(path: str) -> str | None:
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:
        return None


def _inside(mapped: int, told: int) -> None:
    """In new namespaces: everything that a sandbox is built with. Writes what fails to `told`, or nothing."""
    step, number = "map", 0
    try:
        os.read(mapped, 1)
        step = "mount"
        kernel.mount("", "/", flags=kernel.MS_REC | kernel.MS_SLAVE)
        kernel.mount("tmpfs", "/tmp", "tmpfs")
        for name in ("lower", "upper", "work", "root", "proc"):
            os.mkdir(f"/tmp/{name}")
        step = "overlay"
        kernel.mount(
            "", "/tmp/root", "overlay", 0, "userxattr,lowerdir=/tmp/lower,upperdir=/tmp/upper,workdir=/tmp/work"
        )
        step = "proc"
        kernel.mount("proc", "/tmp/proc", "proc")
        step = "network"
        kernel.loopback_up()
        step = ""
    except OSError as error:
        number = error.errno or 0
    os.write(told, f"{step} {number}".encode())
    os._exit(0)


def _namespaces() -> tuple[str, int]:
    """(what could not be done, errno); ("", 0) where everything can."""
    mapped, written = os.pipe()
    heard, told = os.pipe()
    uid, gid = os.geteuid(), os.getegid()
    try:
        child = kernel.clone(_FLAGS)
    except OSError as error:
        return "clone", error.errno or 0
    if child == 0:
        _inside(mapped, told)
    os.close(told)
    try:
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
            with open(f"/proc/{child}/{name}", "w") as file:
                file.write(text)
        os.write(written, b"x")
    except OSError as error:
        os.close(written)
        os.kill(child, 9)
        os.waitpid(child, 0)
        return "map", error.errno or 0
    step, _, number = os.read(heard, 100).decode().partition(" ")
    os.waitpid(child, 0)
    return step, int(number or 0)


def main() -> None:
    """Print what was found."""
    step, number = _namespaces()
    groups = cgroup.find()
    found = {
        "root": os.geteuid() == 0,
        "step": step,
        "errno": number,
        "landlock": kernel.landlock_version(),
        "seccomp": _read("/proc/sys/kernel/seccomp/actions_avail") is not None,
        "machine": kernel.MACHINE,
        "userns_clone": _read("/proc/sys/kernel/unprivileged_userns_clone"),
        "apparmor": _read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
        "max_user_namespaces": _read("/proc/sys/user/max_user_namespaces"),
        "container": os.path.exists("/.dockerenv") or os.path.exists("/run/.containerenv"),
        "cgroup": groups.caps() if groups else {},
    }
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
