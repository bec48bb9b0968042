"""How much one look at calendars counts out: agents may put there more than anybody can read, or wait for."""

from __future__ import annotations

from terrarium.capability.calendar.rule import SERIES, TooMany

STEPS = 50_000
"""How many steps one look takes; a step takes about 0.1 ms."""
_BEGIN, _LETTERS, _COUNTED = 15, 60, 50  # steps to begin with a series; letters, and skipped occurrences, of one step


class Allowance:
    """What is left to one look.

    Args:
        steps: How many steps it may take; None: any number.
        cuts: Whether what is too much is left out, as where the task program looks: of a series what comes after its
            first 2,000 occurrences in the range, and once the steps are spent, after its first. Else it is refused.
    """

    def __init__(self, steps: int | None = STEPS, *, cuts: bool = False) -> None:
        self.cuts = cuts
        self.left = steps

    def begins(self, letters: int, count: int) -> None:
        """Spend what it costs to begin with a series, whatever of it is found.

        Args:
            letters: How long its text is.
            count: How many occurrences must be counted to get at the range.

        Raises:
            TooMany: That is more than is left.
        """
        if not self.cuts and not self._spend(_BEGIN + letters // _LETTERS + count // _COUNTED):
            raise _too_many_steps()

    def takes(self, number: int) -> bool:
        """Whether a series gives its occurrence of that number, from 1 on, too.

        Raises:
            TooMany: No, and what is too much is refused.
        """
        some = self._spend(1)
        if self.cuts:
            return number == 1 or (some and number <= SERIES)
        if number > SERIES:
            raise TooMany(f"an event has more than {SERIES} occurrences in that range; choose a shorter one")
        if not some:
            raise _too_many_steps()
        return True

    def _spend(self, steps: int) -> bool:
        if self.left is None:
            return True
        self.left = max(-1, self.left - steps)
        return self.left >= 0


def _too_many_steps() -> TooMany:
    return TooMany("there are too many repeating events to count out at once; choose a shorter range, or one calendar")
