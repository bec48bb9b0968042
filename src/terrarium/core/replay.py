"""Replay: a program is run again from its top while its journal answers for what already happened.

In a journal the program's own story is `call … [fire … fired]* … return | raise`; calls made inside a callback stand
between its `fire` and `fired`. Everything else (turns, changes, checks) is effect, and is skipped.
"""

from __future__ import annotations

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


class Live(Exception):
    """The journal has no more answers: from here on things happen for the first time."""


class Cursor:
    """Where a replay stands in a journal.

    Args:
        lines: The raw lines of the journal, parsed, in order.
        blobs: Where large values are.
    """

    def __init__(self, lines: Iterable[Mapping[str, Any]], blobs: Blobs | None = None) -> None:
        self._events = [line for line in lines if line["kind"] in PROGRAM_KINDS]
        self._at = 0
        self._blobs = blobs
        self._diverged: ReplayDiverged | None = None
        self.micros: int | None = None
        """World time of the event last used; None before the first."""

    def answer(self, call: Call, args: Any, fire: Callable[[int, Mapping[str, Any]], None]) -> Value:
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
        event = self._next()
        if event["kind"] != "call":
            raise self._other(f"the program calls {_shown(call.path, args)}, where before {_told(event)}")
        data = event["data"]
        if data["path"] != call.path or data["args"] != args:
            raise self._other(
                f"event {event['seq']}: the program now calls {_shown(call.path, args)}, "
                f"before it called {_shown(data['path'], data['args'])}"
            )
        return int(event["seq"])

    def proceed(self, fire: Callable[[int, Mapping[str, Any]], None]) -> Outcome:
        """Run what fired next, and return how the next call ended.

        Raises:
            Live: The journal ends here.
            ReplayDiverged: The program waits, where before it made a call.
        """
        while (outcome := self.step(fire)) is None:
            pass
        return outcome

    def step(self, fire: Callable[[int, Mapping[str, Any]], None]) -> Outcome | None:
        """Run the one thing that fired next, or return how the next call ended.

        Args:
            fire: Runs the callback of that number again, with the recorded data.

        Raises:
            Live: The journal ends here.
            ReplayDiverged: The program waits, where before it made a call.
        """
        event = self._next()
        kind, data = event["kind"], event["data"]
        if kind == "fire":
            fire(int(data["callback"]), data)
            ended = self._next()
            if ended["kind"] != "fired":
                raise self._other(f"a callback ended, where before {_told(ended)}")
            return None
        if kind == "return":
            return Outcome(event["cause"], decode(data["value"], self._blobs), None)
        if kind == "raise":
            return Outcome(event["cause"], None, revive(data["type"], data["message"], data.get("code")))
        raise self._other(f"the program waits, where before {_told(event)}")

    def finish(self) -> None:
        """The program has returned.

        Raises:
            ReplayDiverged: The journal still holds something that it did before.
        """
        if self._diverged is not None:
            raise self._diverged
        if self._at < len(self._events):
            told = f"the program has ended, where before {_told(self._events[self._at])}"
            raise ReplayDiverged(f"{told}; {_ADVICE}")

    def _other(self, told: str) -> ReplayDiverged:
        """The program went another way; a program that catches this does not get rid of it."""
        self._diverged = ReplayDiverged(f"{told}; {_ADVICE}")
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


def _told(event: Mapping[str, Any]) -> str:
    data = event["data"]
    if event["kind"] == "call":
        return f"event {event['seq']} called {_shown(data['path'], data['args'])}"
    return f"event {event['seq']} was a {event['kind']!r}"


def _shown(path: str, args: Any) -> str:
    inside = ", ".join(f"{key}={_short(value)}" for key, value in args.items())
    return f"{path}({inside})"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "..."
