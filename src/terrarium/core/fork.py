"""A world continued elsewhere: what a snapshot holds beside its files, opening it again, and forks of an open world.

A fork has a folder, a clock, random streams, a network and a journal of its own. It has no program: what the program of
the original scheduled stays with the original.
"""

from __future__ import annotations

import asyncio
import itertools
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from terrarium.core.activity import Activity
from terrarium.core.aside import aside
from terrarium.core.callbacks import Callbacks
from terrarium.core.capability import Capability, Leaves
from terrarium.core.clock import Clock
from terrarium.core.errors import ConfigError, EngineFault, TerrariumError, Unsupported
from terrarium.core.journal import Journal
from terrarium.core.notice import Notices
from terrarium.core.offers import offers
from terrarium.core.person import Person
from terrarium.core.removal import try_remove_tree
from terrarium.core.sandbox import Sandbox
from terrarium.core.seeds import Rng
from terrarium.core.snapshot import SnapshotMode, Snapshots
from terrarium.core.values import Blobs, Value, decode, encode, from_micros

_LOOK_SECONDS = 1.0
_LINES, _LINE = 20, 200  # that are told of a capability, and characters of each


class Living(Protocol):
    """What of a world is continued elsewhere; see `World`."""

    folder: Path
    clock: Clock
    rng: Rng
    journal: Journal
    agents: tuple[str, ...]
    people: dict[str, Person]
    residents: tuple[str, ...]
    owner: str
    version: int
    carry: Callable[[], dict[str, Value]]
    secret: Callable[[Mapping[str, Value]], None]
    callbacks: Callbacks
    notices: Notices
    activity: Activity
    capabilities: dict[str, Capability]
    configs: dict[str, Mapping[str, Value]]
    made: Made

    async def acquire(self, spec: str, config: Mapping[str, Value] | None = None, *, equipping: bool = True) -> None:
        """Open a capability."""

    async def equip(self) -> None:
        """Give everybody what the capabilities bring along."""

    async def close(self) -> None:
        """Close every capability."""


W = TypeVar("W", bound=Living)


@dataclass(frozen=True)
class Made:
    """What a world was made with, and another like it is; see `World`."""

    opener: Callable[[str, Mapping[str, Value]], Capability]
    sandbox: Callable[[Any, str, Mapping[str, Value]], Sandbox]
    last_moment: int | None
    command_timeout: float
    keep: bool
    notices: Sequence[str]
    mode: SnapshotMode


def state_of(world: Living, blobs: Blobs | None = None, carried: bool = True) -> dict[str, Any]:
    """What a snapshot holds besides the files of the capabilities, as JSON data.

    Args:
        world: Quiet.
        blobs: Where large values of the engine's go; None: they stay where they are.
        carried: With what is the engine's.
    """
    return {
        "clock": world.clock.micros,
        "rng": world.rng.save(),
        "callbacks": world.callbacks.save(),
        "notices": world.notices.save(),
        "activity": world.activity.save(),
        "carry": encode(world.carry() if carried else {}, blobs),
        "capabilities": [[spec, encode(dict(world.configs[spec]))] for spec in world.capabilities],
        "version": world.version,
        "owner": world.owner,
    }


async def save_files(world: Living, to: Path) -> None:
    """Have every capability write its files into a folder of its own in `to`.

    Raises:
        Unsupported: One cannot be saved.
        CapabilityFault, EngineFault: They cannot be written.
    """
    for spec, capability in world.capabilities.items():
        await capability.save(to / spec)


async def not_carried(world: Living) -> dict[str, list[str]]:
    """What runs in a world and is not carried by its snapshot, by capability; it never fails."""
    found = {}
    for spec, capability in sorted(world.capabilities.items()):
        if offers(capability, Leaves):
            try:
                async with asyncio.timeout(_LOOK_SECONDS):
                    lines: Sequence[str] = await capability.running()
            except (TerrariumError, OSError, TimeoutError):
                lines = ["nobody could say what is running"]
            if lines:
                more = [f"and {len(lines) - _LINES} more"] if len(lines) > _LINES else []
                found[spec] = [*(line[:_LINE] for line in lines[:_LINES]), *more]
    return found


async def take_up(world: Living, state: Mapping[str, Any], *, schedule: bool = True) -> dict[str, Value]:
    """Continue from a state, whose files lie in the world's folder already, and return what it carried.

    Args:
        world: Made, and nothing in it.
        state: What `state_of` gave.
        schedule: Also what the program scheduled, which only a program can take up.

    Raises:
        CapabilityFault, ConfigError: A capability cannot be opened on its files.
    """
    world.clock.micros = state["clock"]
    world.rng.load(state["rng"])
    if schedule:
        world.callbacks.load(state["callbacks"])
    world.notices.load(state["notices"])
    world.activity.load(state["activity"])
    for spec, config in state["capabilities"]:
        await world.acquire(spec, decode(config), equipping=False)
    if state["capabilities"]:
        await world.equip()
    world.version = state["version"]
    return dict(decode(state["carry"], world.journal.blobs))


def sibling(world: W, folder: Path) -> W:
    """Another world of the same making, with nothing in it yet.

    Args:
        world: The one it is like.
        folder: Of its own: `world`, `journal.jsonl`, `blobs` and `snapshots` will be in it.
    """
    clock = Clock(from_micros(world.clock.start), world.clock.costs, world.clock.zone, world.clock.wall)
    if clock.costs.replayed is not None:
        left = {key: costs.copy() for key, costs in clock.costs.replayed.items()}
        clock.costs = replace(clock.costs, replayed=left)
    kind: Any = type(world)
    made: W = kind(
        folder / "world",
        clock=clock,
        rng=Rng(world.rng.seed),
        journal=Journal(folder / "journal.jsonl", lambda: clock.micros),
        agents=world.agents,
        residents=world.residents,
        people=world.people,
        snapshots=Snapshots(folder / "snapshots"),
        **vars(world.made),
    )
    made.owner, made.secret = world.owner, world.secret
    return made


async def fork(world: W, n: int, folder: Path | None = None) -> list[W]:
    """`n` open worlds that are as this one is, each on its own from now on; whoever asked closes them.

    The files of all of them are the same where they do not change, so that a fork takes no more room than what is
    written in it. Processes, connections and open transactions are not carried.

    Args:
        world: Quiet, and without answers of a journal still to be given.
        n: How many.
        folder: In which each has its own, called 1, 2, …; default: a new one beside this world's.

    Raises:
        ConfigError: `n` is below zero, or `folder` holds such a fork already.
        Unsupported: A capability cannot be saved.
        CapabilityFault, EngineFault: One cannot be saved or opened; none is left behind.
    """
    if n < 0:
        raise ConfigError(f"a world is forked into so many worlds, not {n}")
    for spec, capability in sorted(world.capabilities.items()):
        if not capability.traits.snapshots:
            raise Unsupported(f"the world cannot be forked: {spec} cannot be saved")
    place = _free(world.folder) if folder is None else folder
    for number in range(1, n + 1):
        if (place / str(number)).exists():
            raise ConfigError(f"{place / str(number)} is there already: forks go into a folder of their own")
    held, forks = Snapshots(place / ".forking"), list[W]()
    try:
        # The digests of the rows only tell snapshots apart, and here is but one.
        name = await held.put(state_of(world), {}, lambda to: save_files(world, to))
        for number in range(1, n + 1):
            made = sibling(world, place / str(number))
            forks.append(made)
            state = await aside(lambda made=made: held.restore(name, made.folder))  # type: ignore[misc]
            await take_up(made, state, schedule=False)
    except BaseException:
        for made in forks:
            try:
                await made.close()
            finally:
                made.journal.close()
                await aside(lambda made=made: try_remove_tree(made.folder.parent))  # type: ignore[misc]
        raise
    finally:
        await aside(lambda: shutil.rmtree(held.folder, ignore_errors=True))
    return forks


def _free(folder: Path) -> Path:
    """A folder for forks that is not there yet."""
    for number in itertools.count(1):
        place = folder.with_name(f"{folder.name}.forks-{number}")
        try:
            place.mkdir(parents=True)
            return place
        except FileExistsError:
            continue
        except OSError as error:
            raise EngineFault(f"cannot make {place}: {error.strerror}") from error
    raise AssertionError
