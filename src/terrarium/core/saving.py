"""Saving a world: when, under which name, and what the journal says of it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, Literal

from terrarium.core.errors import EngineFault
from terrarium.core.journal import EventKind, Journal
from terrarium.core.points import Points
from terrarium.core.snapshot import Cadence, SnapshotMode, Snapshots
from terrarium.core.state import UNREAD
from terrarium.core.values import Value


class Saving:
    """The snapshots of one world.

    Args:
        snapshots: Where they go; None: nowhere.
        mode: When the ends of turns are saved.
        journal: Where `snapshot` events are written.
        able: Whether every part of the world can be saved.
        moment: What changes with the world: its version and time.
        state: What a snapshot holds besides files.
        digests: Digest of each capability's canonical rows; see `States.digests`.
        files: Writes the capabilities' files into a folder.
        left: Tells what runs and is not carried, by capability.
    """

    def __init__(
        self,
        snapshots: Snapshots | None,
        mode: SnapshotMode,
        journal: Journal,
        able: Callable[[], bool],
        moment: Callable[[], tuple[int, int]],
        state: Callable[[], dict[str, Any]],
        digests: Callable[..., Awaitable[dict[str, str]]],
        files: Callable[[Path], Awaitable[None]],
        left: Callable[[], Awaitable[dict[str, list[str]]]],
    ) -> None:
        self.snapshots = snapshots
        self._cadence = Cadence(mode)
        self._journal = journal
        self._able = able
        self._moment = moment
        self._state = state
        self._digests = digests
        self._files = files
        self._left = left
        self._not_carried: dict[str, list[str]] = {}
        self.stored: list[str] = []
        """The names of what was saved since this world was opened, the last one last."""
        self.judged: set[str] = set()
        """Those of them that hold the world as it was judged."""
        self._last: tuple[tuple[int, int], str, dict[str, str]] | None = None

    def after(self, when: Literal["turn", "always"]) -> Coroutine[Any, Any, Any] | None:
        """The snapshot of a resume point, to be awaited; at a turn's end not every one is stored."""
        if not self._saves():
            return None
        if when == "always" or self._cadence.due():
            return self.save(turn=when == "turn")
        self._mark(None, {})
        return None

    async def save(self, final: bool = False, turn: bool = False) -> str | None:
        """Save the world, write the `snapshot` event and return its name; None where the world cannot be saved.

        Args:
            final: The program has ended; nothing follows but the verdict.
            turn: A turn has ended; its event says nothing of the rows, as it may not have been stored at all.
        """
        if not self._saves():
            return None
        now = self._moment()
        if not final or self._last is None or self._last[0] != now:  # else what follows is only the verdict
            self._last = (now, *await self._store(dear=not turn))
        name, digests = self._last[1:]
        if not turn and any(digest.startswith(UNREAD) for digest in digests.values()):
            digests = await self._digests()
            self._last = now, name, digests
        told: dict[str, Value] = {"rows": digests, "final": True} if final else {"rows": digests}
        self._mark(name, {} if turn else told, sync=not final)
        return name

    async def in_turn(self, always: bool = False) -> None:
        """Save the world before a step in the middle of a turn, where that is due; the caller holds the baton.

        Args:
            always: Also where it is not due.
        """
        if not self._saves() or not (always or self._cadence.due_in_turn()):
            return
        name, _ = await self._store(dear=False)
        self._journal.sync()
        Points(self._journal.path).add(self._journal.seq, name)
        self.stored.append(name)

    def restore(self, name: str, to: Path) -> dict[str, Any]:
        """Copy the files of a snapshot into the folder `to`, in place of what is there, and return its state.

        Raises:
            EngineFault: It is not there, or cannot be copied.
        """
        if self.snapshots is None:
            raise EngineFault("this world has no snapshots")
        return self.snapshots.restore(name, to)

    def _saves(self) -> bool:
        return self.snapshots is not None and self._cadence.mode != "never" and self._able()

    async def _store(self, dear: bool) -> tuple[str, dict[str, str]]:
        assert self.snapshots is not None
        began = time.monotonic()
        digests = await self._digests(dear=dear)
        self._not_carried = await self._left()
        name = await self.snapshots.put(self._state(), digests, self._files, self._not_carried)
        self._cadence.saved(began)
        return name, digests

    def _mark(self, name: str | None, data: Mapping[str, Value], sync: bool = True) -> None:
        # Whether the world was stored at a turn's end depends on the wall clock, so its name stands in `wall`:
        # equal runs write equal events.
        wall: dict[str, Value] = {"digest": name}
        if self._not_carried:
            wall["not_carried"] = self._not_carried
        self._journal.append(EventKind.SNAPSHOT, "world", data, wall=wall if name else None)
        if name:
            self.stored.append(name)
            self.judged |= {name} if "rows" in data else set()
        if name and sync:
            self._journal.sync()
