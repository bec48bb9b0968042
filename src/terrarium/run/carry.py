"""What a snapshot holds of the agents of a trial: their seats, and the turn that was under way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from terrarium.core.journal import BEGINS, Event, EventKind
from terrarium.core.values import Value
from terrarium.core.world import World
from terrarium.run.seat import TrialSeat


@dataclass(frozen=True)
class OpenTurn:
    """A turn that has begun and not ended.

    Attributes:
        agent: Whose it is.
        number: Of the turn in the trial.
        instruction: What it was told.
        seat: What its seat held besides `seat_state`.
    """

    agent: str
    number: int
    instruction: str
    seat: Mapping[str, Any]


def seat_state(seat: TrialSeat) -> dict[str, Value]:
    """What a seat holds between two turns, as plain values."""
    return {
        "messages": seat.messages,
        "usage": seat.usage,
        "steps": seat.steps,
        "tool_calls": seat.tool_calls,
        "system_prompt": seat.system_prompt,
        "told": seat.told,
    }


def seat_again(seat: TrialSeat, saved: Mapping[str, Any]) -> None:
    """Continue from what `seat_state` gave."""
    seat.messages, seat.usage = saved["messages"], saved["usage"]
    seat.steps, seat.tool_calls = saved["steps"], saved["tool_calls"]
    seat.system_prompt, seat.told = saved["system_prompt"], saved["told"]


def turn_state(seat: TrialSeat, number: int, instruction: str) -> dict[str, Value]:
    """The turn that is under way in a seat, as plain values."""
    messages, usage, steps, tool_calls = seat.turn_began
    budget = seat.budget
    return {
        "agent": seat.name,
        "number": number,
        "instruction": instruction,
        "seat": {
            "time": seat.time,
            "step": seat.step,
            "began": {"messages": messages, "usage": usage, "steps": steps, "tool_calls": tool_calls},
            "budget": [budget.steps, budget.tool_calls, budget.tokens, budget.cost],
        },
    }


def open_turn(saved: Mapping[str, Any] | None) -> OpenTurn | None:
    """What `turn_state` gave; None where no turn was under way."""
    return None if saved is None else OpenTurn(**saved)


def turn_again(seat: TrialSeat, turn: OpenTurn) -> None:
    """Take the seat again in the middle of a turn."""
    saved = turn.seat
    began = saved["began"]
    seat.turn, seat.time, seat.step = turn.number, saved["time"], saved["step"]
    seat.turn_began = (began["messages"], began["usage"], began["steps"], began["tool_calls"])
    seat.budget = seat.allowance.again(saved["budget"])
    seat.tools = seat.offered()
    seat.acts = True


def alone(seat: TrialSeat, world: World) -> bool:
    """Whether nothing is under way in a world but one agent's turn, between two steps and without checkpoints."""
    return not (seat.calling or seat.owed or seat.holds or world.turnstile.crowded or world.callbacks.failure)


def turns_of(name: str, events: Iterable[Event]) -> Iterator[tuple[str, list[Event], bool]]:
    """Instruction and events of every turn of one agent, and whether it has ended."""
    begun: tuple[str, list[Event]] | None = None
    for event in events:
        if event.actor != name:
            continue
        if event.kind is not EventKind.TURN:
            if begun is not None:
                begun[1].append(event)
        elif event.data["state"] in BEGINS:
            begun = (event.data["instruction"], [])
        elif begun is not None:
            yield (*begun, True)
            begun = None
    if begun is not None:
        yield (*begun, False)
