"""Finding messages: criteria become one test, which looks at rows first and at bytes only where it must."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

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
from terrarium.core.errors import Refused

WORK_LIMIT = 512 * 1024 * 1024
"""Bytes that one search looks at; it takes a few seconds at most, in which the world waits."""
PARSED = 4  # bytes are parsed in the time in which one of a text is looked at
CRITERION_BYTES = 32  # that a criterion counts for each message, for what it takes besides texts


@dataclass(frozen=True, slots=True)
class Entry:
    """A message of the selected mailbox."""

    number: int
    copy: Copy
    recent: bool


Test = Callable[[Entry], bool]


class Search:
    """One search in one mailbox.

    The texts of a message are made once for all criteria. How much was looked at is counted without regard to what was
    known already, so that the same search of the same mailbox is always answered in the same way.

    Args:
        readings: What is known of letters.
        uids: Of all messages of the mailbox, rising.
        now: World time.
    """

    def __init__(self, readings: Readings, uids: Sequence[int], now: datetime) -> None:
        self._readings = readings
        self._uids = uids
        self._now = now
        self._criteria = 0
        self._work = 0
        self._copy: Copy | None = None
        self._texts: dict[str, list[str]] = {}

    def fitting(self, criterion: Criterion, entries: Iterable[Entry]) -> list[Entry]:
        """The messages that a criterion fits.

        Raises:
            Refused: There is more to look at than one search may; the code is LIMIT.
        """
        test = self._test(criterion)
        found = []
        for entry in entries:
            self._spend(self._criteria * CRITERION_BYTES)
            if test(entry):
                found.append(entry)
        return found

    def _test(self, criterion: Criterion) -> Test:
        """A criterion as a test of one message."""
        self._criteria += 1
        match criterion:
            case All(of):
                tests = [self._test(one) for one in of]
                return tests[0] if len(tests) == 1 else lambda entry: all(test(entry) for test in tests)
            case Either(one, other):
                first, second = self._test(one), self._test(other)
                return lambda entry: first(entry) or second(entry)
            case Not(of):
                denied = self._test(of)
                return lambda entry: not denied(entry)
            case Flagged("\\recent"):
                return lambda entry: entry.recent
            case Flagged(flag):
                return lambda entry: any(flag == known.lower() for known in entry.copy.flags)
            case Header(name, text):
                return lambda entry: any(text in value for value in self._header(entry.copy, name))
            case Words("body", text):
                return lambda entry: text in self._body(entry.copy)
            case Words(_, text):
                return lambda entry: text in self._head(entry.copy) or text in self._body(entry.copy)
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

    # -- texts ----------------------------------------------------------------------------------------------------

    def _body(self, copy: Copy) -> str:
        return self._kept(copy, "body", lambda: [self._readings.body(copy)])[0]

    def _head(self, copy: Copy) -> str:
        return self._kept(copy, "head", lambda: [self._readings.head(copy)], self._readings.parsed(copy))[0]

    def _header(self, copy: Copy, name: str) -> list[str]:
        texts = partial(self._readings.header, copy, name)
        return self._kept(copy, f"header {name}", texts, self._readings.parsed(copy, name))

    def _kept(self, copy: Copy, what: str, read: Callable[[], list[str]], parsed: int = 0) -> list[str]:
        if copy is not self._copy:
            self._copy, self._texts = copy, {}
        texts = self._texts.get(what)
        if texts is None:
            texts = self._texts[what] = read()
            self._spend(parsed // PARSED + sum(map(len, texts)))
        self._spend(sum(map(len, texts)))
        return texts

    def _spend(self, size: int) -> None:
        self._work += size
        if self._work > WORK_LIMIT:
            raise Refused("this is too much to look at in one search; name fewer messages or texts", code="LIMIT")

    # -- tests ----------------------------------------------------------------------------------------------------

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
