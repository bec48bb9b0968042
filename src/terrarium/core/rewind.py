"""Going back in a world: it is kept as it is at one moment, and set back to that in place, later in the same turn.

What goes back: the files and rows of every capability, the clock, schedule and conditions, random streams, notices.
What goes on: the journal, the program with its variables, the agents. So that whoever folds the journal's changes comes
to the rows that are there, the journal is told every row that differs, as changes by `world`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from terrarium.core.aside import aside
from terrarium.core.capability import Readies
from terrarium.core.diff import ENGINE, diff_of
from terrarium.core.errors import CapabilityFault, EngineFault, TerrariumError, Unsupported, boundary_of
from terrarium.core.files import make_folder
from terrarium.core.fork import save_files, state_of, take_up
from terrarium.core.journal import EventKind
from terrarium.core.removal import try_remove_tree
from terrarium.core.rows import Change, Row, digest_rows
from terrarium.core.snapshot import Snapshots
from terrarium.core.state import change_text
from terrarium.core.world import World

T = TypeVar("T")

FOLDER = ".checkpoints"
"""In the folder of a world, and so gone with it."""


@dataclass(frozen=True)
class Held:
    """A world as it was at one moment.

    Attributes:
        label: What it is called.
        name: Of what is stored.
        rows: The digest of every capability's canonical rows.
    """

    label: str
    name: str
    rows: dict[str, str]


class Rewind:
    """Keeps moments of one world, and sets it back to them. Whoever calls holds the baton.

    Args:
        world: Open.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._folder = world.folder / FOLDER
        self._store = Snapshots(self._folder / "held")

    async def hold(self, label: str) -> Held:
        """Keep the world as it is now.

        Raises:
            Unsupported: A capability cannot be saved; says which.
            EngineFault: There is no room for it.
        """
        world = self._world
        cannot = [spec for spec, capability in world.capabilities.items() if not capability.traits.snapshots]
        if cannot:
            raise Unsupported(f"this world cannot be kept and brought back: {', '.join(cannot)} cannot be saved")
        rows = await world.digests()
        name = await self._store.put(state_of(world, carried=False), rows, lambda to: save_files(world, to))
        self._note({"checkpoint": label, "rows": rows})
        return Held(label, name, rows)

    def drop(self, held: Held) -> None:
        """Keep it no longer."""
        self._store.drop(held.name)

    async def back(self, held: Held) -> None:
        """Set the world back to a moment. Who cancels this waits until it is done: nobody meets half a world.

        Raises:
            EngineFault: It cannot be read, and the world is as it was; or it cannot be opened.
            CapabilityFault: It cannot be opened, or is not what it was.
        """
        fresh = self._folder / "fresh"
        state = await aside(lambda: self._store.restore(held.name, fresh))
        try:
            await _wholly(self._change_over(held, state, fresh))
        except TerrariumError as error:
            if boundary_of(error) not in ("task", "usage"):
                raise
            raise CapabilityFault(f"the world cannot be set back: {error}") from error
        except OSError as error:
            raise EngineFault(f"the world cannot be set back: {error.strerror or error}") from error

    async def _change_over(self, held: Held, state: dict[str, Any], fresh: Path) -> None:
        world = self._world
        before = {spec: list(found.rows()) for spec, found in world.capabilities.items() if found.traits.sees_writes}
        version, now = world.version, world.clock.micros
        await world.network.hang_up()
        for spec in reversed(list(world.capabilities)):
            capability = world.capabilities.pop(spec)
            world.paths.forget(spec)
            await capability.close()
        await world.network.hang_up()  # those who came meanwhile
        await aside(lambda: _swap(world.folder, fresh, self._folder / "gone"))
        await take_up(world, state)
        # The version only grows: whoever remembers one knows by it whether the world is another. And real time only
        # goes on.
        world.version = version + 1
        world.callbacks.looked_at(world.version if state["callbacks"]["settled"] == state["version"] else -1)
        if world.clock.wall:
            world.clock.micros = now
        self._tell(held, before)
        for capability in world.capabilities.values():
            if isinstance(capability, Readies):
                await capability.ready()

    def _tell(self, held: Held, before: dict[str, list[Row]]) -> None:
        """Write down that the world is back, and every row that is another one now.

        Raises:
            CapabilityFault: A capability has other rows than it had.
        """
        world = self._world
        after = {spec: list(found.rows()) for spec, found in world.capabilities.items() if found.traits.sees_writes}
        for spec in after:
            if digest_rows(after[spec]) != held.rows[spec]:
                raise CapabilityFault(f"{spec} came back with other rows than it had")
        told = self._note({"restored": held.label, "rows": held.rows})
        for change in diff_of(before, after).changes:
            one = Change(ENGINE, change.table, change.key, change.before, change.after)
            text = change_text(change.capability, one, world.journal.blobs)
            world.journal.append_text(EventKind.CHANGE, ENGINE, text, cause=told)

    def _note(self, data: dict[str, Any]) -> int:
        world = self._world
        return world.journal.append(EventKind.SNAPSHOT, ENGINE, data, cause=world.callbacks.cause).seq


def _swap(folder: Path, fresh: Path, gone: Path) -> None:
    """Put what lies in `fresh` into the folder, in place of what is there."""
    try_remove_tree(gone)
    for place in (gone, fresh):  # of a world without files, nothing was kept
        make_folder(place)
    for part in list(folder.iterdir()):
        if part.name != FOLDER:
            part.rename(gone / part.name)
    for part in list(fresh.iterdir()):
        part.rename(folder / part.name)
    for left in (gone, fresh):
        try_remove_tree(left)


async def _wholly(work: Coroutine[Any, Any, T]) -> T:
    """What `work` comes to; a cancellation is heeded when it is done."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait({task})
        task.result()
        raise
