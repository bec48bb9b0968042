"""What this machine gives to keep commands apart, and the one line that would give more."""

from __future__ import annotations

import errno
import functools
import getpass
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from terrarium.sandbox.inside import confine, probe

_SECONDS = 20.0
_WATCHED = "looked at every 100 ms"
UNENFORCED = "not enforced"
FOLDER_CAPS = {
    "cpus": UNENFORCED,
    "cpu_seconds": f"rlimit for each process; all together {_WATCHED}",
    "memory": f"rlimit for each process; all together {_WATCHED}",
    "processes": _WATCHED,
    "disk": f"rlimit for each file; all together {_WATCHED}",
    "files": _WATCHED,
}


@dataclass(frozen=True)
class Tier:
    """How well commands can be kept apart here.

    Attributes:
        number: 1 namespaces (sandbox `local`), 2 Landlock and seccomp (files and commands only), 3 nothing.
        reasons: Why it is not better; where it is 1, what could still be better.
        advice: What to switch on, one command or sentence each.
        caps: Each cap of `terrarium.core.sandbox.Caps`, and by what it is enforced.
    """

    number: int
    reasons: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()
    caps: Mapping[str, str] = field(default_factory=dict)


@functools.cache
def tier() -> Tier:
    """What this machine gives, tried out once in a process."""
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", probe.__file__], capture_output=True, timeout=_SECONDS, check=True
        )
        found = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        return Tier(3, (f"it could not be tried out: {error}",))
    return judge(found, _mapping_trouble())


def judge(found: Mapping[str, Any], mapping: tuple[str, str] | None) -> Tier:
    """The tier that follows from what was tried out.

    Args:
        found: What `terrarium.sandbox.inside.probe` prints.
        mapping: What is missing for a range of ids, and what to do; None where nothing is.
    """
    if found["machine"] not in ("x86_64", "aarch64"):
        return Tier(3, (f"sandboxes are made for x86-64 and arm64, not {found['machine']}",))
    if not found["step"]:
        reasons: tuple[str, ...] = mapping[:1] if mapping else ()
        advice: tuple[str, ...] = mapping[1:] if mapping else ()
        if not found["cgroup"]:
            reasons += ("caps on memory and processor time are watched every 200 ms, not enforced by a cgroup",)
            advice += ("run as root, or under `systemd-run --user --scope -p Delegate=yes`, for caps by cgroup",)
        return Tier(1, reasons, advice, caps(found["cgroup"]))
    reason, line = _why_not(found)
    if found["landlock"] >= confine.WANTED and found["seccomp"]:
        return Tier(2, (reason,), (line,), FOLDER_CAPS)
    lacking = "seccomp is missing"
    if found["landlock"] < confine.WANTED:
        lacking = f"Landlock has version {found['landlock']}, not {confine.WANTED} (Linux 6.12, `lsm=` with landlock)"
    return Tier(3, (reason, lacking), (line,))


def caps(groups: Mapping[str, str]) -> Mapping[str, str]:
    """By what the local sandbox enforces each cap, given what control groups do."""
    watched = "looked at every 200 ms"
    return {
        "cpus": groups.get("cpus", UNENFORCED),
        "cpu_seconds": groups.get("cpu_seconds", watched),
        "memory": groups.get("memory", f"rlimit for each process; all together {watched}"),
        "processes": "rlimit of its own user namespace",
        "disk": f"rlimit for each file; all together {watched}",
        "files": watched,
    }


def _why_not(found: Mapping[str, Any]) -> tuple[str, str]:
    """(Why namespaces cannot be had, what to do about it)."""
    step, number = found["step"], found["errno"]
    told = f"{os.strerror(number)} at {step}"
    if found["max_user_namespaces"] == "0" or (step == "clone" and number == errno.ENOSPC):
        return f"user namespaces are limited to none ({told})", "sysctl -w user.max_user_namespaces=10000"
    if not found["root"] and found["userns_clone"] == "0":
        return f"user namespaces are for root only ({told})", "sysctl -w kernel.unprivileged_userns_clone=1"
    if not found["root"] and found["apparmor"] == "1":
        return (
            f"AppArmor takes rights away inside user namespaces ({told})",
            "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        )
    if found["container"]:
        return (
            f"the container does not allow namespaces or mounts ({told})",
            "docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined "
            "--security-opt systempaths=unconfined ... (inside, give the run folder a volume)",
        )
    if step == "overlay":
        return f"overlay mounts in a user namespace are not possible ({told})", "use Linux 5.11 or later"
    return f"namespaces cannot be made ({told})", "ask whoever set up this machine for user namespaces"


def _mapping_trouble() -> tuple[str, str] | None:
    """What is missing for a range of ids, and what to do; None where nothing is."""
    if os.geteuid() == 0:
        return None
    if not shutil.which("newuidmap") or not shutil.which("newgidmap"):
        return "only one user id exists inside: newuidmap is missing", "apt-get install uidmap"
    try:
        user = getpass.getuser()
        lines = [line.split(":")[0] for name in ("subuid", "subgid") for line in Path("/etc", name).read_text().split()]
    except (OSError, KeyError):
        user, lines = str(os.geteuid()), []
    if max(lines.count(user), lines.count(str(os.geteuid()))) < 2:
        line = f"usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {user}"
        return f"only one user id exists inside: {user} has no subordinate ids", line
    return None
