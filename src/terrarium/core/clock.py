"""World time and the schedule of what is due.

World time is whole microseconds since 1970 and moves only when somebody moves it. The schedule holds call numbers,
not functions: a program that runs again registers its functions under the same numbers.
"""

from __future__ import annotations

import asyncio
import heapq
import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from terrarium.core.errors import ConfigError, Refused
from terrarium.core.values import from_micros, to_micros

START = datetime(2030, 1, 7, 9, 0, tzinfo=UTC)
"""The default start: a Monday later than any kernel time, so that no file lies in the future."""

Moment = datetime | str
Span = timedelta | int | float | str

_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|us|s|m|h|d|w)")
_UNITS = {"us": 1, "ms": 1_000, "s": 10**6, "m": 60 * 10**6, "h": 3600 * 10**6, "d": 86400 * 10**6, "w": 604800 * 10**6}


def span_micros(span: Span) -> int:
    """A span in microseconds: a timedelta, a number of seconds, or text such as `30s`, `1h30m`, `2d`.

    Raises:
        Refused: It is negative, not finite, or not understood.
    """
    if isinstance(span, timedelta):
        micros = span // timedelta(microseconds=1)
    elif isinstance(span, bool) or not isinstance(span, (int, float, str)):
        raise Refused(f"a span of time is a timedelta, seconds or text such as '1h30m', not {span!r}")
    elif isinstance(span, str):
        parts = _SPAN.findall(span)
        if not parts or _SPAN.sub("", span).strip():
            raise Refused(f"{span!r} is not a span of time; write for example '45s', '30m', '1h30m', '2d'")
        seconds = sum(float(number) * _UNITS[unit] for number, unit in parts) / 10**6
        if not seconds < 1e12:
            raise Refused(f"a span of {seconds:g} s is out of range")
        micros = sum(round(float(number) * _UNITS[unit]) for number, unit in parts)
    else:
        if not abs(span) < 1e12:
            raise Refused(f"a span of {span} s is out of range")
        micros = round(span * 10**6)
    if micros < 0:
        raise Refused(f"time does not run backwards: {span!r}")
    return micros


def zone_named(name: str) -> tzinfo:
    """The time zone of that name, such as `Europe/Berlin`.

    Raises:
        ConfigError: There is none.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        raise ConfigError(f"{name!r} is not a time zone; they look like 'Europe/Berlin' or 'UTC'") from None


def moment_micros(moment: Moment, now: int, zone: tzinfo = UTC) -> int:
    """A moment in microseconds: a datetime, ISO text, or `HH:MM`, the next time a clock in `zone` shows that.

    What has no offset of its own is time in `zone`. Of a time that comes twice, when clocks are put back, the first is
    meant; one that is skipped, when they are put forward, is as much later as they are put forward.

    Raises:
        Refused: It is not understood.
    """
    if isinstance(moment, datetime):
        return to_micros(moment if moment.tzinfo else moment.replace(tzinfo=zone))
    if isinstance(moment, str):
        short = re.fullmatch(r"(\d{1,2}):(\d{2})(?::(\d{2}))?", moment.strip())
        try:
            if not short:
                return moment_micros(datetime.fromisoformat(moment), now, zone)
            clock = {"hour": int(short[1]), "minute": int(short[2]), "second": int(short[3] or 0), "microsecond": 0}
            today = from_micros(now).astimezone(zone).replace(**clock, fold=0)  # type: ignore[arg-type]
            return to_micros(today) if to_micros(today) >= now else to_micros(today + timedelta(days=1))
        except ValueError:
            pass
    raise Refused(f"{moment!r} is not a moment; give a datetime, '2030-01-07T09:30' or '09:30'")


Kind = Literal["model", "tool", "command"]


@dataclass(frozen=True)
class Costs:
    """What actions cost in world time, in microseconds; None: what they took by the wall clock.

    `replayed` holds what they cost in another run, by (agent, kind of action), in order.
    """

    model: int | None = 2_000_000
    tool: int | None = 1_000_000
    command: int | None = 1_000_000
    replayed: Mapping[tuple[str, str], deque[int]] | None = None

    def of(self, agent: str, kind: Kind, seconds: float) -> tuple[int, bool]:
        """What an action costs, and whether that was not known beforehand.

        Args:
            agent: Who acts.
            kind: What it does.
            seconds: What it took by the wall clock.

        Raises:
            ConfigError: The run whose costs are replayed has no more of them.
        """
        fixed: int | None = getattr(self, kind)
        if fixed is not None:
            return fixed, False
        if self.replayed is None:
            return round(seconds * 1e6), True
        known = self.replayed.get((agent, kind))
        if not known:
            raise ConfigError(f"the journal of limits.costs_from has no more costs of a {kind} call of {agent!r}")
        return known.popleft(), True


class Clock:
    """The time of one world.

    Args:
        start: Where it starts.
        costs: What the actions of agents cost.
        zone: In which times without an offset are meant.
        wall: It follows the wall clock: world time is real time, and what is scheduled is waited for.
    """

    def __init__(
        self, start: datetime = START, costs: Costs | None = None, zone: tzinfo = UTC, wall: bool = False
    ) -> None:
        self.micros = to_micros(start)
        self.start = self.micros
        self.costs = costs or Costs()
        self.zone = zone
        self.wall = wall
        self._watchers: list[Callable[[], None]] = []

    @property
    def chosen_zone(self) -> ZoneInfo | None:
        """The zone that the task has chosen; None for UTC, which it has without a choice."""
        zone = self.zone
        return zone if isinstance(zone, ZoneInfo) and zone.key not in ("UTC", "Etc/UTC") else None

    @property
    def now(self) -> datetime:
        """The present time of the world, in UTC."""
        return from_micros(self.micros)

    def moment(self, moment: Moment) -> int:
        """A moment in microseconds, as seen from now and from this clock's zone.

        Raises:
            Refused: It is not understood.
        """
        return moment_micros(moment, self.micros, self.zone)

    def in_zone(self, moment: datetime | None) -> datetime | None:
        """A moment in this clock's zone, where it has no offset of its own; of a time that comes twice, the first."""
        naive = isinstance(moment, datetime) and moment.tzinfo is None
        return moment.replace(tzinfo=self.zone, fold=0) if naive else moment  # type: ignore[union-attr]

    async def until(self, target: int) -> None:
        """Where world time is real time, wait until it has come to `target` microseconds."""
        while self.wall and (left := target - time.time_ns() // 1000) > 0:
            await asyncio.sleep(left / 1e6)

    def present(self) -> int:
        """World time as it must be by now: that of the wall clock, where this follows it."""
        return max(self.micros, time.time_ns() // 1000) if self.wall else self.micros

    def move(self, to: int) -> None:
        """Set the time to `to` microseconds; the past stays where it is."""
        if to > self.micros:
            self.micros = to
            for moved in self._watchers:
                moved()

    def watch(self, moved: Callable[[], None]) -> None:
        """Call `moved` whenever time has moved, from now on."""
        self._watchers.append(moved)

    def unwatch(self, moved: Callable[[], None]) -> None:
        """Call it no longer; idempotent."""
        if moved in self._watchers:
            self._watchers.remove(moved)


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that is due: callback `number` at `time`; again every `period` up to `until`."""

    time: int
    order: int
    number: int
    period: int | None = None
    until: int | None = None


class Schedule:
    """What is due when, ordered by (time, order of registration). O(log n) to add and to take."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Entry]] = []
        self._live: dict[int, Entry] = {}
        self._order = 0

    def __len__(self) -> int:
        return len(self._live)

    def add(self, number: int, time: int, period: int | None = None, until: int | None = None) -> None:
        """Put callback `number` on the schedule.

        Raises:
            ConfigError: A period of zero, which would never let time pass.
        """
        if period is not None and period <= 0:
            raise ConfigError("`every` needs a period above zero")
        if until is not None and time > until:
            return
        self._put(Entry(time, self._next(), number, period, until))

    def cancel(self, number: int) -> bool:
        """Take callback `number` off the schedule; False where it was not on it."""
        return self._live.pop(number, None) is not None

    def due(self) -> int | None:
        """When the next entry is due, or None where nothing is."""
        while self._heap and self._live.get(self._heap[0][2].number) is not self._heap[0][2]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def last(self) -> int | None:
        """When the last entry is due that is on the schedule now, or None where nothing is."""
        return max((entry.time for entry in self._live.values()), default=None)

    def take(self, up_to: int) -> Entry | None:
        """Remove and return the first entry due at or before `up_to`; a repeating one is put back for its next time."""
        due = self.due()
        if due is None or due > up_to:
            return None
        entry = heapq.heappop(self._heap)[2]
        del self._live[entry.number]
        if entry.period is not None:
            following = entry.time + entry.period
            if entry.until is None or following <= entry.until:
                self._put(Entry(following, self._next(), entry.number, entry.period, entry.until))
        return entry

    def save(self) -> dict[str, Any]:
        """The schedule as plain data."""
        rows = [
            [e.time, e.order, e.number, e.period, e.until] for e in sorted(self._live.values(), key=lambda e: e.order)
        ]
        return {"order": self._order, "entries": rows}

    def load(self, saved: Mapping[str, Any]) -> None:
        """Continue from what `save` returned."""
        self._heap.clear()
        self._live.clear()
        self._order = saved["order"]
        for row in saved["entries"]:
            self._put(Entry(*row))

    def _next(self) -> int:
        self._order += 1
        return self._order

    def _put(self, entry: Entry) -> None:
        self._live[entry.number] = entry
        heapq.heappush(self._heap, (entry.time, entry.order, entry))
