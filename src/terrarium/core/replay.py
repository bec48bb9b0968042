"""Replay: a program is run again from its top while its journal answers for what already happened.

In a journal the program's own story is `call … [fire … fired]* … return | raise`; calls made inside a callback stand
between its `fire` and `fired`. Everything else (turns, changes, checks) is effect, and is skipped.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from terrarium.core.errors import ReplayDiverged, revive
from terrarium.core.values import Blobs, Value, decode

PROGRAM_KINDS = frozenset({"call", "return", "raise", "fire", "fired"})


@dataclass(frozen=True)
class Call:
    """One use of `env` or `agent` by a program.

    Attributes:
        path: Such as `env.email.send` or `agent.act`.
        args: Arguments bound to their names.
        task: The number of the asyncio task in an `async def` program; 0 elsewhere.
    """

    path: str
    args: Mapping[str, Value]
    task: int = 0


@dataclass(frozen=True)
class Outcome:
    """How call number `cause` ended before."""

    cause: int
    value: Value
    error: Exception | None

    def of(self, number: int) -> Value:
        """The recorded value, or the recorded error raised.

        Raises:
            ReplayDiverged: It is the end of another call than `number`.
        """
        if self.cause != number:
            raise ReplayDiverged(f"call {number} was answered by the end of call {self.cause}")
        if self.error is not None:
            raise self.error
        return self.value


Fire = Callable[[int, Mapping[str, Any]], "str | None"]
"""Runs the callback of that number again, with the recorded data; gives the type of what it raised."""


class Live(Exception):
    """The journal has no more answers: from here on things happen for the first time."""


class Cursor:
    """Where a replay stands in a journal.

    Args:
        lines: The raw lines of the journal, parsed, in order.
        blobs: Where large values are.
    """

    def __init__(self, lines: Iterable[Mapping[str, Any]], blobs: Blobs | None = None) -> None:
        self._events: list[Mapping[str, Any]] = []
        self._ended = False  # whether the program had returned before the journal ends
        for line in lines:
            if line["kind"] in PROGRAM_KINDS:
                self._events.append(line)
            self._ended = self._ended or bool(line["kind"] == "snapshot" and line["data"].get("final"))
        self._at = 0
        self._blobs = blobs
        self._diverged: ReplayDiverged | None = None
        self.micros: int | None = None
        """World time of the event last used; None before the first."""

    def answer(self, call: Call, args: Any, fire: Fire) -> Value:
        """What `call` gave before: `enter`, then `proceed`; raises what they raise, and what the call raised."""
        number = self.enter(call, args)
        return self.proceed(fire).of(number)

    def enter(self, call: Call, args: Any) -> int:
        """Match `call` with the next recorded one and return its number.

        Args:
            call: What the program asks for now.
            args: Its arguments, encoded.

        Raises:
            Live: The journal ends before this call.
            ReplayDiverged: The program did something else before; the message names both.
        """
        if self._ended and self._diverged is None and self._at >= len(self._events):
            raise self._other(f"the program calls {_shown(call.path, args)}, where before it had ended")
        event = self._next()
        if event["kind"] != "call":
            raise self._other(f"the program calls {_shown(call.path, args)}, where before {_told(event)}")
        data = event["data"]
        if data["path"] != call.path or data["args"] != args:
            now, before = _apart(args, data["args"]) if data["path"] == call.path else (args, data["args"])
            raise self._other(
                f"event {event['seq']}: the program now calls {_shown(call.path, now)}, "
                f"before it called {_shown(data['path'], before)}"
            )
        if data.get("task", 0) != call.task:
            raise self._other(
                f"event {event['seq']}: {_shown(call.path, args)} is now called by task {call.task} of the program, "
                f"before it was called by task {data.get('task', 0)}"
            )
        return int(event["seq"])

    def proceed(self, fire: Fire) -> Outcome:
        """Run what fired next, and return how the next call ended.

        Raises:
            Live: The journal ends here.
            ReplayDiverged: The program waits, where before it made a call.
        """
        while (outcome := self.step(fire)) is None:
            pass
        return outcome

    def step(self, fire: Fire) -> Outcome | None:
        """Run the one thing that fired next, or return how the next call ended.

        Args:
            fire: Runs what fired again.

        Raises:
            Live: The journal ends here.
            ReplayDiverged: The program waits, where before it made a call.
        """
        event = self._next()
        kind, data = event["kind"], event["data"]
        if kind == "fire":
            raised = fire(int(data["callback"]), data)
            ended = self._next()
            if ended["kind"] != "fired":
                how = f"raised {raised}" if raised else "ended"
                raise self._other(f"a callback {how}, where before {_told(ended)}")
            before = ended["data"].get("error", {}).get("type")
            if (raised is None) != (before is None):  # the type of a foreign error may not be known any more
                told = f"a callback raised {raised or 'nothing'}, where before it raised {before or 'nothing'}"
                raise self._other(f"event {ended['seq']}: {told}")
            return None
        if kind == "return":
            return Outcome(event["cause"], decode(data["value"], self._blobs), None)
        if kind == "raise":
            return Outcome(event["cause"], None, revive(data["type"], data["message"], data.get("code")))
        raise self._other(f"the program waits, where before {_told(event)}")

    def finish(self, how: str = "has ended") -> None:
        """The program has returned, or failed, as `how` says.

        Raises:
            ReplayDiverged: The journal still holds something that it did before.
        """
        if self._diverged is not None:
            raise self._diverged
        if self._at < len(self._events):
            raise self._other(f"the program {how}, where before {_told(self._events[self._at])}")

    def _other(self, told: str) -> ReplayDiverged:
        """The program went another way; a program that catches this does not get rid of it."""
        self._diverged = ReplayDiverged(f"{_place()}{told}; {_ADVICE}")
        return self._diverged

    def _next(self) -> Mapping[str, Any]:
        if self._diverged is not None:
            raise self._diverged
        if self._at >= len(self._events):
            raise Live
        event = self._events[self._at]
        self._at += 1
        self.micros = int(event["time"])
        return event


_ADVICE = "take randomness from env.random and time from env.clock, and keep no state outside of the world"


_LONG = 120  # characters of a value that are shown


def _place() -> str:
    """`task.py, line 7: ` where the program stands; nothing where it does not."""
    frame = sys._getframe(2)  # of whoever asks the cursor
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "terrarium":
        frame = frame.f_back
    name = frame.f_code.co_filename
    inside = frame.f_back is not None and frame.f_globals.get("__name__") not in _BELOW
    return f"{name.rpartition('/')[2]}, line {frame.f_lineno}: " if inside else ""


_BELOW = frozenset({"threading", "selectors", "asyncio.base_events", "asyncio.events", "asyncio.runners"})


def _told(event: Mapping[str, Any]) -> str:
    seq, kind, data = event["seq"], event["kind"], event["data"]
    if kind == "call":
        return f"event {seq} called {_shown(data['path'], data['args'])}"
    if kind == "fire":
        return f"the callback of call {data['callback']} fired (event {seq})"
    if kind == "fired":
        return f"the callback had ended (event {seq})"
    return f"call {event['cause']} came to its end (event {seq}, {kind!r})"


def _shown(path: str, args: Mapping[str, Any]) -> str:
    inside = ", ".join(f"{key}={_short(value)}" for key, value in args.items())
    return f"{path}({inside})"


class _Part(str):
    """A piece of a value, shown as it is."""

    __slots__ = ()
    __repr__ = str.__str__


def _apart(now: Mapping[str, Any], before: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arguments of two calls, the long ones from shortly before where they begin to differ."""
    sides = dict(now), dict(before)
    for key in now.keys() & before.keys():
        one, other = repr(now[key]), repr(before[key])
        start = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), 0) - _LONG // 3
        if start > 0 and max(len(one), len(other)) > _LONG:
            sides[0][key], sides[1][key] = _Part("..." + one[start:]), _Part("..." + other[start:])
    return sides


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONG else text[: _LONG - 3] + "..."
