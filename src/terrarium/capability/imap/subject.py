"""The base subject: what threads and sorts by subject compare (RFC 5256, 2.1)."""

from __future__ import annotations

import re

LONGEST = 2000  # characters of a subject that are looked at

_BLOB = re.compile(r"\[[^\[\]]*\]\s*")
_REFWD = re.compile(r"(?:re|fwd?)\s*(?:\[[^\[\]]*\]\s*)?:", re.IGNORECASE)
_FWD = re.compile(r"\[fwd:(.*)\]", re.IGNORECASE | re.DOTALL)


def base_subject(subject: str) -> tuple[str, bool]:
    """The base subject, casefolded, and whether the subject is that of an answer or a forwarded mail."""
    text, answered = " ".join(subject[:LONGEST].split()), False
    while True:
        while text.lower().endswith("(fwd)"):
            text, answered = text[:-5].rstrip(), True
        text, more = _without_leaders(text)
        answered = answered or more
        wrapped = _FWD.fullmatch(text)
        if wrapped is None:
            return text.casefold(), answered
        text, answered = wrapped[1].strip(), True


def _without_leaders(text: str) -> tuple[str, bool]:
    answered = False
    while True:
        start = 0
        while blob := _BLOB.match(text, start):
            start = blob.end()
        leader = _REFWD.match(text, start)
        if leader is not None:
            text, answered = text[leader.end() :].lstrip(), True
            continue
        blob = _BLOB.match(text)
        if blob is None or blob.end() >= len(text):
            return text, answered
        text = text[blob.end() :]
