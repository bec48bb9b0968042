"""What is remembered of the servers that run: a file for each port, below the user's state folder."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from terrarium.core.errors import EngineFault
from terrarium.model.vllm.process import Identity


@dataclass(frozen=True)
class Running:
    """A server that was started from here.

    Attributes:
        process: Its first process.
        url: Where it is reached.
        port: Its port.
        model: What requests call its model.
        log: The file of its output.
        automatic: It was started for a client, and is stopped when no client uses it any more.
    """

    process: Identity
    url: str
    port: int
    model: str
    log: str
    automatic: bool = False


def folder() -> Path:
    """Where files of state and logs are; made at the first use.

    Raises:
        EngineFault: It cannot be made.
    """
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    place = Path(home) / "terrarium" / "vllm"
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise EngineFault(f"cannot make {place}: {error.strerror}; set XDG_STATE_HOME to a folder") from None
    return place


def running(port: int) -> Running | None:
    """The server that was started at a port and still runs; what is left of one that does not is removed."""
    file = folder() / f"{port}.json"
    try:
        tree = json.loads(file.read_bytes())
        found = Running(**{**tree, "process": Identity(**tree["process"])})
        if found.process.alive:
            return found
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError):
        pass  # torn by a crash, or not ours: nothing that it says can be trusted
    forget(port)
    return None


def all_running() -> list[Running]:
    """Every server that was started and still runs, by port."""
    ports = sorted(int(file.stem) for file in folder().glob("*.json") if file.stem.isdigit())
    return [found for port in ports if (found := running(port)) is not None]


def remember(server: Running) -> None:
    """Write down that it runs; at once or not at all.

    Raises:
        EngineFault: It cannot be written.
    """
    file = folder() / f"{server.port}.json"
    fresh = file.with_suffix(f".{os.getpid()}.tmp")
    try:
        fresh.write_text(json.dumps(asdict(server)), "ascii")
        fresh.rename(file)
    except OSError as error:
        raise EngineFault(f"cannot write {file}: {error.strerror}") from error


def forget(port: int) -> None:
    """It does not run any more."""
    with contextlib.suppress(OSError):
        (folder() / f"{port}.json").unlink()


@contextmanager
def locked(port: int) -> Iterator[None]:
    """A block in which nobody else starts or stops a server at that port."""
    with (folder() / f"{port}.lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Use:
    """That somebody uses the server at a port; ends with the process, however that ends."""

    def __init__(self, port: int) -> None:
        self._file: IO[bytes] = (folder() / f"{port}.users").open("ab")
        fcntl.flock(self._file, fcntl.LOCK_SH)

    def was_last(self) -> bool:
        """Whether nobody else uses it; within `locked`."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def end(self) -> None:
        """Use it no more; idempotent."""
        self._file.close()


def in_use(port: int) -> bool:
    """Whether a client uses the server at a port."""
    use = Use(port)
    try:
        return not use.was_last()
    finally:
        use.end()
