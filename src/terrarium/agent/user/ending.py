"""How a simulated person ends a conversation: a mark in what they say, which nobody else gets to see."""

from __future__ import annotations

import re

from terrarium.core.user import TEXT_LIMIT, Outcome

MARKS = {
    "###STOP###": Outcome.SATISFIED,
    "###GIVE-UP###": Outcome.GAVE_UP,
    "###TRANSFER###": Outcome.TRANSFER,
    "###OUT-OF-SCOPE###": Outcome.OUT_OF_SCOPE,
}
_MARK = re.compile("|".join(map(re.escape, MARKS)))
_UNFIT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def mark_of(outcome: str) -> str:
    """The mark of an outcome.

    Raises:
        KeyError: There is none.
    """
    return {kind.value: mark for mark, kind in MARKS.items()}[outcome]


def ending_of(text: str) -> tuple[str, str | None]:
    """The words without marks, and the outcome that the first mark says; None where there is none."""
    found = _MARK.search(text)
    return words(text), None if found is None else MARKS[found.group()].value


def words(text: str) -> str:
    """A text as one may say or hear it: no marks, no control characters, and not endless."""
    text = _UNFIT.sub("", text[:TEXT_LIMIT].replace("\r\n", "\n").replace("\r", "\n"))
    while _MARK.search(text):  # taking one out may make another
        text = _MARK.sub("", text)
    return text.strip()
