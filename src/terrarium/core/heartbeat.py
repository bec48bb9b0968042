"""Heartbeats: an agent is woken at regular times, and it is measured what it makes of them.

A beat is a turn. There is *news* at a beat where somebody else changed the world since the beat before; the agent
*acted* where it changed the world in its turn. To act without news is a false alarm, not to act on news is a miss.

What only tells that somebody has looked (`Change.trace`) is neither. News that came in the middle of a turn belong to
that turn where the agent acted later in it, else to the next beat. News that were missed stay open: to act on them at a
later beat is late, but no false alarm.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from terrarium.core.clock import Moment, Span, moment_micros, span_micros
from terrarium.core.errors import ConfigError
from terrarium.core.replay import Call
from terrarium.core.values import from_micros, record, to_micros

if TYPE_CHECKING:
    from terrarium.core.agent import Reply

TEXT = "[{now:%Y-%m-%d %H:%M}] Heartbeat: check for changes."

Asked = Generator[Callable[[], Any], Any, Any]
"""Calls of a program, one after the other; each yield gets what the call gave."""


@record
@dataclass(frozen=True)
class Beat:
    """One beat.

    Attributes:
        time: When the agent was woken, in world time.
        news: Whether there was something to react to: something new, or, where the agent acted, something open.
        acted: Whether the agent changed the world in its turn.
        latency: Seconds of world time from the first news to the agent's first change; None where there was not both.
        text: What the agent said.
    """

    time: datetime
    news: bool
    acted: bool
    latency: float | None = None
    text: str = ""


@record
@dataclass(frozen=True)
class Heartbeat:
    """What became of a row of beats."""

    beats: list[Beat] = field(default_factory=list)

    @property
    def false_alarms(self) -> int:
        """Beats at which the agent acted though nothing had happened."""
        return sum(beat.acted and not beat.news for beat in self.beats)

    @property
    def missed(self) -> int:
        """Beats at which the agent did not act though something had happened."""
        return sum(beat.news and not beat.acted for beat in self.beats)

    @property
    def latency(self) -> float | None:
        """The mean latency in seconds; None where the agent never reacted."""
        found = [beat.latency for beat in self.beats if beat.latency is not None]
        return sum(found) / len(found) if found else None


def beats(
    call: Callable[[Call], Any],
    now: Callable[[], datetime],
    agent: Any,
    every: Span,
    until: Moment | None,
    times: int | None,
    text: str,
    watch: Sequence[str] | None,
    relevant: Callable[[], object] | None,
) -> Asked:
    """The calls of a heartbeat; see `Env.heartbeat`. A turn that takes longer than a period skips the beats it covers.

    Raises:
        ConfigError: Neither or both of `until` and `times`, or a period of zero.
    """
    period, began = span_micros(every), to_micros(now())
    if (until is None) == (times is None):
        raise ConfigError("a heartbeat needs an end: give either until=... or times=...")
    if period <= 0:
        raise ConfigError("a heartbeat needs a period above zero")
    end = None if until is None else moment_micros(until, began, now().tzinfo or UTC)

    def news(changes: Sequence[Sequence[Any]]) -> list[int]:
        return [micros for micros, actor, spec in changes if actor != agent.name and (not watch or spec in watch)]

    done: list[Beat] = []
    fresh: list[int] = []  # the news since the last beat, in microseconds
    missed: list[int] = []  # those before it that the agent has not acted on
    due = began + period
    yield partial(call, Call("env.activity", {}))
    while (end is None or due <= end) and (times is None or len(done) < times):
        moment = from_micros(due)
        yield partial(call, Call("env.clock.advance_to", {"moment": moment}))
        fresh += news((yield partial(call, Call("env.activity", {}))))
        new = bool(fresh) if relevant is None else bool(relevant())
        woken = now()
        reply: Reply = yield partial(agent.act, text.format(now=woken, number=len(done) + 1))
        turn = yield partial(call, Call("env.activity", {}))
        own = [place for place, (_, actor, _) in enumerate(turn) if actor == agent.name]
        known = [*missed, *fresh, *(news(turn[: own[0]]) if own else ())]
        asked = new or (relevant is None and bool(own and known))
        first = known[0] if known else to_micros(woken)
        latency = (turn[own[0]][0] - first) / 1e6 if own and asked else None
        done.append(Beat(woken, asked, bool(own), latency, reply.text))
        fresh = news(turn[own[-1] + 1 :] if own else turn)
        missed = [] if own or (relevant is not None and not new) else known
        due += period * max(1, -(-(to_micros(now()) - due) // period))
    result = Heartbeat(done)
    told = {"beats": len(done), "false_alarms": result.false_alarms, "missed": result.missed, "latency": result.latency}
    yield partial(call, Call("env.heartbeat", {"agent": agent.name, **told}))
    return result
