"""The tools by which an agent tries things out: it keeps the world as it is, and later goes back to that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from terrarium.core.errors import Refused
from terrarium.core.rewind import Held, Rewind
from terrarium.core.tool import Tool
from terrarium.core.values import Value, from_micros
from terrarium.core.world import World
from terrarium.run.seat import TrialSeat

KEEP, RETURN = "checkpoint", "resume_from"
LABEL_LIMIT = 64  # characters of a label

_BACK = (
    "files, services, the clock and what is due are as they were; what you know, and what you have used up of your "
    "limits, stays; processes, the lasting shell and connections of your sandbox are gone"
)


class CheckpointTools:
    """The checkpoints of one agent. They last until its turn ends.

    Args:
        seat: Of the agent; it is offered the tools.
        world: In which nobody else acts but the program.
        most: How many it may hold at a time.
        queue: Of turns that the program's callbacks have posted; it goes back with the world.
    """

    def __init__(self, seat: TrialSeat, world: World, most: int, queue: list[Any]) -> None:
        self._seat = seat
        self._world = world
        self._most = most
        self._queue = queue
        self._rewind = Rewind(world)
        self._held: dict[str, tuple[Held, list[Any]]] = {}
        self._at = (0, 0)

    def tools(self) -> list[Tool]:
        """What the agent is offered."""
        return [Tool.of(self.checkpoint, KEEP), Tool.of(self.resume_from, RETURN)]

    async def checkpoint(self, label: str) -> dict[str, Value]:
        """Keep the whole world as it is now, so that you can try something and go back with `resume_from`.

        It is kept until your turn ends. A label that is used again means the new moment.

        Args:
            label: What to call it, such as `before cleaning up`; at most 64 characters.

        Returns:
            `kept`, the label, its `time`, and the labels `held` now.
        """
        self._forget_old()
        if not label.strip() or len(label) > LABEL_LIMIT or not label.isprintable():
            raise Refused(f"a label is a word or a short line of at most {LABEL_LIMIT} characters")
        if label not in self._held and len(self._held) >= self._most:
            raise Refused(
                f"you hold {self._most} checkpoints, and may hold no more: {self._labels()}; "
                "use one of these labels again, and it means the new moment"
            )
        held = await self._rewind.hold(label)
        before = self._held.pop(label, None)
        self._held[label] = (held, list(self._queue))
        self._seat.holds = True
        if before is not None:
            self._drop(before[0])
        return {"kept": label, "time": from_micros(self._world.clock.micros).isoformat(), "held": list(self._held)}

    async def resume_from(self, label: str) -> dict[str, Value]:
        """Set the whole world back to a checkpoint: files, services, clock, and what is still to happen.

        What you know stays, and so does what you have used up of your limits. Processes that you have started, your
        lasting shell and connections are gone. The checkpoint stays.

        Args:
            label: Of the checkpoint.

        Returns:
            `restored`, the label, the `time` it is now, and a `note` on what is as it was and what is not.
        """
        self._forget_old()
        if label not in self._held:
            raise Refused(f"there is no checkpoint {label[:LABEL_LIMIT]!r}; you hold: {self._labels() or 'none'}")
        if self._world.turnstile.crowded:
            raise Refused("the world cannot be set back now: something else is under way in it")
        held, queue = self._held[label]
        offered = {tool.name for tool in self._seat.tools}
        await self._rewind.back(held)
        self._queue[:] = queue
        self._seat.time, self._seat.owed = self._world.clock.micros, 0
        self._seat.tools = [tool for tool in self._seat.offered() if tool.name in offered]
        time = from_micros(self._world.clock.micros).isoformat()
        return {"restored": label, "time": time, "note": _BACK}

    def _forget_old(self) -> None:
        """Where a turn has ended or the program has gone on, it would not know that the world is another one."""
        at = (self._seat.turn, self._world.calls.moves)
        if at != self._at:
            self._at = at
            for held, _ in self._held.values():
                self._rewind.drop(held)
            self._held.clear()
            self._seat.holds = False

    def _drop(self, held: Held) -> None:
        if all(held.name != other.name for other, _ in self._held.values()):
            self._rewind.drop(held)

    def _labels(self) -> str:
        return ", ".join(map(repr, self._held))


def offer_checkpoints(most: int, seats: Sequence[TrialSeat], world: World, queue: list[Any]) -> None:
    """Offer the tools to the one agent of a task that has them; see `CheckpointTools`."""
    if most:
        (seat,) = seats
        seat.own_tools += CheckpointTools(seat, world, most, queue).tools()
