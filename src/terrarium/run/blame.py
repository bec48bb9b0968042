"""Whose fault it is that a process stands still, read from its stacks.

A worker has its stacks dumped whenever its loop has been silent for a while, by a thread that needs no interpreter
lock: so even code that never lets go of it is seen. The guard of an agent marks the agent's code in the stack.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

QUIET = 3.0  # seconds of silence after which a worker's stacks are dumped

_DUMP = re.compile(r"^Timeout \(", re.MULTILINE)
_FRAME = re.compile(r'^  File "(.*)", line \d+ in (.*)$', re.MULTILINE)
_AGENT = re.compile(r"^terrarium:agent:([^:]*):([0-9a-f]*)$")
_PROGRAM = str(Path("core", "program.py"))
_IDLE = (_PROGRAM, f"{os.sep}selectors.py", f"{os.sep}threading.py", f"{os.sep}queue.py")


@dataclass(frozen=True)
class Blame:
    """Who holds a process: an `agent` of a trial, or a `program` (then the trial is not known)."""

    who: str
    trial: str = ""
    name: str = ""


def blamed(dump: str) -> Blame | None:
    """Who holds the process, by the last dump of its stacks; None where they do not tell."""
    last = _DUMP.split(dump)[-1] if _DUMP.search(dump) else ""
    busy = None
    for thread in last.split("\n\n"):
        frames = _FRAME.findall(thread)
        for _, function in frames:
            found = _AGENT.match(function)
            if found:
                return Blame("agent", found[1], bytes.fromhex(found[2]).decode("utf-8", "replace"))
        if frames and any(file.endswith(_PROGRAM) for file, _ in frames) and not frames[0][0].endswith(_IDLE):
            busy = Blame("program")
    return busy
