"""Sequence sets: `1:4,7,*` (RFC 3501, section 9), read and written without ever counting through them."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from terrarium.capability.imap.scanner import BadCommand, Scanner

RANGES_LIMIT = 100_000
STAR = -1  # the largest number in use


@dataclass(frozen=True, slots=True)
class SequenceSet:
    """Ranges of numbers as they were written; `STAR` stands for the largest one in use."""

    ranges: tuple[tuple[int, int], ...]

    def resolved(self, largest: int) -> list[tuple[int, int]]:
        """The ranges in rising order without overlaps, `*` being `largest`."""
        found = []
        for first, last in self.ranges:
            low, high = (largest if first == STAR else first), (largest if last == STAR else last)
            found.append((min(low, high), max(low, high)))
        merged: list[tuple[int, int]] = []
        for low, high in sorted(found):
            if merged and low <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(merged[-1][1], high))
            else:
                merged.append((low, high))
        return merged

    def pick(self, numbers: Sequence[int]) -> list[int]:
        """The positions of those `numbers`, which rise, that are in the set; `*` is the last of them."""
        if not numbers:
            return []
        found: list[int] = []
        for low, high in self.resolved(numbers[-1]):
            found.extend(range(bisect.bisect_left(numbers, low), bisect.bisect_right(numbers, high)))
        return found


def scan_sequence(scanner: Scanner) -> SequenceSet:
    """The sequence set that comes next.

    Raises:
        BadCommand: None does.
    """
    ranges = []
    while True:
        first = _number(scanner)
        ranges.append((first, _number(scanner) if scanner.skip(b":") else first))
        if not scanner.skip(b","):
            return SequenceSet(tuple(ranges))
        if len(ranges) >= RANGES_LIMIT:
            raise BadCommand(f"a sequence set has at most {RANGES_LIMIT} ranges")


def compact(numbers: Iterable[int]) -> str:
    """Numbers as a sequence set, in the order given: `3:5,9`."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ",".join(str(low) if low == high else f"{low}:{high}" for low, high in ranges)


def _number(scanner: Scanner) -> int:
    if scanner.skip(b"*"):
        return STAR
    number = scanner.number("a message number")
    if number == 0:
        raise BadCommand("0 is not the number of a message")
    return number
