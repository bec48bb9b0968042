"""Where a trial left another one, and what was changed there."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from terrarium.core.calls import Calls
from terrarium.core.errors import ConfigError, TerrariumError
from terrarium.core.journal import EventKind, Journal
from terrarium.core.seeds import child_seed
from terrarium.core.values import Value
from terrarium.core.world import World


@dataclass(frozen=True)
class Branch:
    """The root of a forked trial, as plain data.

    Attributes:
        parent: The id of the trial that it left.
        seq: The last event that both have; 0 where they have none.
        turn: From which turn on it goes its own way; what is changed is changed when that turn begins.
        seed: What the agent and the world draw from then on, though not the program, which is run again from its top;
            None: as in the parent.
        instruction: What the agent is told in that turn instead of what the program says; None: that.
        inject: Calls that are made when that turn begins, each `{"call": "env.email.send", "args": {...}}`.
        agent: Somebody else acts from then on, who remembers nothing of before.
        number: Tells equal forks of one parent apart.
    """

    parent: str
    seq: int
    turn: int
    seed: int | None = None
    instruction: str | None = None
    inject: list[dict[str, Any]] = field(default_factory=list)
    agent: bool = False
    number: int = 1

    def __post_init__(self) -> None:
        entries: list[Any] = self.inject
        for entry in entries:
            fits = isinstance(entry, Mapping) and isinstance(entry.get("call"), str) and set(entry) <= {"call", "args"}
            if not fits or not isinstance(entry.get("args", {}), Mapping):
                raise ConfigError(
                    'what is injected is a call such as {"call": "env.email.send", "args": {"subject": "..."}}, '
                    f"not {entry!r:.200}"
                )

    @classmethod
    def of_json(cls, plain: Mapping[str, Any] | None) -> Branch | None:
        """The inverse of `to_json`."""
        return None if plain is None else cls(**plain)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return dataclasses.asdict(self)

    @property
    def edits(self) -> bool:
        """Whether anything is changed in the world or in what the agent is told."""
        return self.seed is not None or self.instruction is not None or bool(self.inject)

    async def leave(self, world: World, instruction: str) -> str:
        """Go another way than the parent: its turn begins.

        Args:
            world: Whose; the baton is held, and its program waits.
            instruction: What the program says to the agent.

        Returns:
            What the agent is told.

        Raises:
            ConfigError: A call that is injected cannot be made.
        """
        program = world.calls.program
        assert program is not None
        await program.serve(lambda: self.enter(world))
        if self.instruction is None:
            return instruction
        told = {"edit": "instruction", "value": self.instruction, "before": instruction}
        world.journal.append(EventKind.OPERATOR, "operator", told)
        return self.instruction

    def enter(self, world: World) -> None:
        """Change what is to be changed in the world. On the program's thread, when its turn begins.

        Args:
            world: Whose.

        Raises:
            ConfigError: A call that is injected cannot be made.
        """
        if self.seed is not None:
            world.rng.reseed(child_seed(self.seed, "world"))
            world.journal.append(EventKind.OPERATOR, "operator", {"edit": "seed", "value": self.seed})
        for entry in self.inject:
            call_as_operator(world.calls, world.journal, str(entry["call"]), dict(entry.get("args") or {}))


def call_as_operator(calls: Calls, journal: Journal, path: str, args: Mapping[str, Value]) -> Value:
    """Make a call that no program makes, and write it down.

    Raises:
        ConfigError: There is no such call, it waits, or it refuses.
    """
    told = {"edit": "call", "path": path, "args": dict(args)}
    try:
        result = calls.operate(path, args)
    except (TerrariumError, TypeError) as error:
        raise ConfigError(f"{path} cannot be injected: {error}") from error
    journal.append(EventKind.OPERATOR, "operator", {**told, "result": result})
    return result
