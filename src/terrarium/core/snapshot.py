"""Snapshots: a whole world as a folder, named by the digest of what it holds, stored once."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from terrarium.core.errors import EngineFault
from terrarium.core.files import link_or_copy, make_folder, write_whole
from terrarium.core.removal import try_remove_tree
from terrarium.core.sharing import share_tree
from terrarium.core.values import dumps

STATE_FILE = "world.json"
LEFT_FILE = "not-carried.json"
FORMAT = 2
"""Of a snapshot as a whole. Version 1, which had no number, is not read any more."""
IN_TURN = 5.0  # seconds that must have passed in the middle of a turn; so much work a kill may cost
FIRST_COST = 0.005  # seconds a snapshot is taken to cost before one has been measured

SnapshotMode = Literal["auto", "every-turn", "every-step", "never"]


class Cadence:
    """How often a world is saved at the ends of turns and steps: `auto` at most 5 % of the time, or `never`.

    `every-turn` saves it at the end of each turn and nowhere else, `every-step` also before each step of a turn.
    """

    def __init__(self, mode: SnapshotMode) -> None:
        self.mode = mode
        self._cost = FIRST_COST
        self._at = time.monotonic()

    def due(self) -> bool:
        """Whether the end of a turn is saved: 20 times the cost of the last snapshot has passed since then."""
        return self.mode in ("every-turn", "every-step") or self._paid()

    def due_in_turn(self) -> bool:
        """Whether the world is saved before a step in the middle of a turn: not where turns are short."""
        if self.mode == "auto":
            return time.monotonic() - self._at >= IN_TURN and self._paid()
        return self.mode == "every-step"

    def _paid(self) -> bool:
        return time.monotonic() - self._at >= 20 * self._cost

    def saved(self, began: float) -> None:
        """A snapshot that was begun at `began`, by `time.monotonic`, is done."""
        self._at = time.monotonic()
        self._cost = self._at - began


class Snapshots:
    """The snapshots of a run.

    Args:
        folder: Where they are; made at the first one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str) -> Path:
        """The folder of a snapshot.

        Raises:
            EngineFault: It is not here.
        """
        path = self.folder / name
        if not path.is_dir():
            raise EngineFault(f"snapshot {name[:12]} is missing from {self.folder}")
        return path

    def state(self, name: str) -> dict[str, Any]:
        """What the world itself carried: clock, schedule, random streams, capabilities.

        Raises:
            EngineFault: It is not here, damaged, or of another version.
        """
        state: dict[str, Any] = self._whole(name)["state"]
        return state

    def rows(self, name: str) -> dict[str, str]:
        """The digest of each capability's rows; errors as `state`."""
        return dict(self._whole(name)["rows"])

    def not_carried(self, name: str) -> dict[str, list[str]]:
        """What ran in the world when it was saved, by capability, and is not in the snapshot; errors as `path`."""
        try:
            found: dict[str, list[str]] = json.loads((self.path(name) / LEFT_FILE).read_bytes())
            return found
        except (OSError, ValueError):
            return {}

    def _whole(self, name: str) -> dict[str, Any]:
        path = self.path(name) / STATE_FILE
        try:
            text = path.read_bytes()
            if hashlib.sha256(text).hexdigest() != name:
                raise EngineFault(f"snapshot {path} is damaged: it is not what was written")
            whole: dict[str, Any] = json.loads(text)
            if whole.get("format") != FORMAT:
                told = f"of version {whole.get('format', 1)}; this Terrarium reads version {FORMAT}"
                raise EngineFault(f"snapshot {path} is {told}: open it with the Terrarium that made it")
            whole["state"], whole["rows"]
        except OSError as error:
            raise EngineFault(f"snapshot {path} cannot be read: {error.strerror}") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise EngineFault(f"snapshot {path} is damaged: {error}") from error
        return whole

    def restore(self, name: str, to: Path) -> dict[str, Any]:
        """Put the files of a snapshot into the folder `to`, in place of what is there, and return its state.

        What never changes again is shared with the snapshot, the rest is copied.

        Raises:
            EngineFault: It is not here, is damaged or of another version, or cannot be copied; `to` is as it was, or
                there is nothing in it.
        """
        state = self.state(name)
        try_remove_tree(to)
        try:
            for part in sorted(self.path(name).iterdir()):
                if part.is_dir() and not part.is_symlink():
                    share_tree(part, to / part.name)
        except OSError as error:
            try_remove_tree(to)
            raise EngineFault(f"cannot copy snapshot {self.folder / name}: {error.strerror or error}") from error
        return state

    async def put(
        self,
        state: Mapping[str, Any],
        rows: Mapping[str, str],
        save: Callable[[Path], Awaitable[None]],
        not_carried: Mapping[str, Sequence[str]] | None = None,
    ) -> str:
        """Store a world and return its name.

        Args:
            state: The world itself, as JSON data.
            rows: Digest of each capability's canonical rows.
            save: Writes the capabilities' files into a folder; not called where the snapshot exists already.
            not_carried: What runs in it and is not saved, by capability; no part of its name.

        Raises:
            EngineFault: It cannot be written.
        """
        # In the order in which things are: a turn that goes on from here says what it said in the same order.
        text = dumps({"format": FORMAT, "state": state, "rows": rows}).encode("ascii")
        name = hashlib.sha256(text).hexdigest()
        target = self.folder / name
        if target.exists():
            return name
        staging = self.folder / f".{name}.{os.getpid()}.{threading.get_ident()}"
        try:
            make_folder(staging)
            await save(staging)
            if not_carried:
                write_whole(staging / LEFT_FILE, dumps(not_carried).encode("ascii"))
            write_whole(staging / STATE_FILE, text)
            try:
                staging.rename(target)
            except OSError:
                if not target.exists():  # another trial may have stored the same world meanwhile
                    raise
        except OSError as error:
            raise EngineFault(f"cannot write snapshot {target}: {error.strerror}") from error
        finally:
            if staging.exists():
                shutil.rmtree(staging, ignore_errors=True)
        return name

    def adopt(self, name: str, owner: str, source: Snapshots | None = None) -> str:
        """The same world as another owner's, so that each can drop its own; the files are shared.

        Args:
            name: Of the snapshot.
            owner: Whose it will be.
            source: Where it is; None: here.

        Returns:
            Its name.

        Raises:
            EngineFault: It is not here, is damaged, or cannot be written.
        """
        here = source or self
        here.state(name)  # which looks whether it is whole
        known = here.path(name)
        try:
            whole = json.loads((known / STATE_FILE).read_bytes())
            whole["state"]["owner"] = owner
            text = dumps(whole).encode("ascii")
            adopted = hashlib.sha256(text).hexdigest()
            target, staging = self.folder / adopted, self.folder / f".{adopted}.{os.getpid()}.{threading.get_ident()}"
            if target.exists():
                return adopted
            try:
                shutil.copytree(known, staging, symlinks=True, copy_function=_linked)
                (staging / STATE_FILE).unlink()
                write_whole(staging / STATE_FILE, text)
                staging.rename(target)
            finally:
                try_remove_tree(staging)
        except (OSError, ValueError, shutil.Error) as error:
            raise EngineFault(f"cannot share snapshot {known}: {error}") from error
        return adopted

    def drop(self, name: str) -> None:
        """Remove a snapshot, if it is here; one that cannot be removed stays.

        It loses its name first: what a kill leaves of it is nobody's, and `terrarium clean` finds it.
        """
        gone = self.folder / f".{name}.{os.getpid()}.dropped"
        try:
            (self.folder / name).rename(gone)
        except OSError:
            return
        try_remove_tree(gone)


def _linked(source: str, target: str) -> str:
    link_or_copy(Path(source), Path(target))
    return target
