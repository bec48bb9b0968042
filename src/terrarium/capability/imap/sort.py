"""The orders of SORT (RFC 5256, 3; RFC 5957)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from terrarium.capability.imap.reading import Readings, first_address
from terrarium.capability.imap.search import Entry
from terrarium.capability.imap.subject import base_subject


def in_order(entries: Sequence[Entry], keys: Sequence[tuple[str, bool]], readings: Readings) -> list[Entry]:
    """Messages by their keys, each with whether it is reversed; where those are equal, as they lie."""
    found = sorted(entries, key=lambda entry: entry.number)
    for key, reverse in reversed(keys):  # each is stable, the first one comes last and weighs most
        found.sort(key=_value(key, readings), reverse=reverse)
    return found


def _value(key: str, readings: Readings) -> Callable[[Entry], Any]:
    def letter(entry: Entry) -> Any:
        return readings.letter(entry.copy)

    def shown(field: str) -> Callable[[Entry], str]:
        def name(entry: Entry) -> str:
            text = letter(entry)[field]
            return first_address(text)[0] or text.partition(",")[0].strip().casefold()

        return name

    values: dict[str, Callable[[Entry], Any]] = {
        "ARRIVAL": lambda entry: entry.copy.received,
        "DATE": lambda entry: letter(entry)["date"],
        "SIZE": lambda entry: readings.size(entry.copy),
        "SUBJECT": lambda entry: base_subject(letter(entry)["subject"])[0],
        "FROM": lambda entry: first_address(letter(entry)["from"])[1],
        "TO": lambda entry: first_address(letter(entry)["to"])[1],
        "CC": lambda entry: first_address(letter(entry)["cc"])[1],
        "DISPLAYFROM": shown("from"),
        "DISPLAYTO": shown("to"),
    }
    return values[key]
