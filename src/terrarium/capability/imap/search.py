"""Finding messages: criteria become one test, which looks at rows first and at bytes only where it must."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from terrarium.capability.imap.criteria import (
    Age,
    All,
    Criterion,
    Day,
    Either,
    Flagged,
    Header,
    Not,
    Numbers,
    Size,
    Words,
)
from terrarium.capability.imap.reading import Readings
from terrarium.capability.mailbox import Copy


@dataclass(frozen=True, slots=True)
class Entry:
    """A message of the selected mailbox."""

    number: int
    copy: Copy
    recent: bool


Test = Callable[[Entry], bool]


class Search:
    """One search in one mailbox.

    Args:
        readings: What is known of letters.
        uids: Of all messages of the mailbox, rising.
        now: World time.
    """

    def __init__(self, readings: Readings, uids: Sequence[int], now: datetime) -> None:
        self._readings = readings
        self._uids = uids
        self._now = now

    def test(self, criterion: Criterion) -> Test:
        """A criterion as a test of one message."""
        match criterion:
            case All(of):
                tests = [self.test(one) for one in of]
                return tests[0] if len(tests) == 1 else lambda entry: all(test(entry) for test in tests)
            case Either(one, other):
                first, second = self.test(one), self.test(other)
                return lambda entry: first(entry) or second(entry)
            case Not(of):
                denied = self.test(of)
                return lambda entry: not denied(entry)
            case Flagged("\\recent"):
                return lambda entry: entry.recent
            case Flagged(flag):
                return lambda entry: any(flag == known.lower() for known in entry.copy.flags)
            case Header(name, text):
                return lambda entry: any(text in value for value in self._readings.header(entry.copy, name))
            case Words("body", text):
                return lambda entry: text in self._readings.body(entry.copy)
            case Words(_, text):
                return lambda entry: text in self._readings.head(entry.copy) or text in self._readings.body(entry.copy)
            case Day():
                return self._day(criterion)
            case Size(True, than):
                return lambda entry: self._readings.size(entry.copy) > than
            case Size(_, than):
                return lambda entry: self._readings.size(entry.copy) < than
            case Age(within, seconds):
                return self._age(within, seconds)
            case Numbers():
                return self._numbers(criterion)

    def _day(self, criterion: Day) -> Test:
        day, sent = criterion.day, criterion.which == "sent"

        def of(entry: Entry) -> datetime:  # as it was written: neither time nor zone matters
            found: datetime = self._readings.letter(entry.copy)["date"] if sent else entry.copy.received
            return found

        match criterion.relation:
            case "before":
                return lambda entry: of(entry).date() < day
            case "on":
                return lambda entry: of(entry).date() == day
            case "since":
                return lambda entry: of(entry).date() >= day

    def _age(self, within: bool, seconds: int) -> Test:
        span = timedelta(seconds=seconds)
        return lambda entry: (self._now - entry.copy.received <= span) == within

    def _numbers(self, criterion: Numbers) -> Test:
        if criterion.uid:
            chosen = {self._uids[index] for index in criterion.numbers.pick(self._uids)}
            return lambda entry: entry.copy.uid in chosen
        numbers = {index + 1 for index in criterion.numbers.pick(range(1, len(self._uids) + 1))}
        return lambda entry: entry.number in numbers
