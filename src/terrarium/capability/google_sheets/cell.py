"""One cell: what was entered, how it is shown, its note and its rule; and how rows keep it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from terrarium.capability.google_sheets.fault import Fault, bad

LONGEST = 50_000
"""Characters of one cell."""

Literal = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Problem:
    """The value of a formula that has none, such as `#DIV/0!`."""

    kind: str
    """As cells show it, without `#` and `!`."""
    message: str = ""

    @property
    def text(self) -> str:
        """What the cell shows."""
        return _SHOWN.get(self.kind, f"#{self.kind}!")

    @property
    def type(self) -> str:
        """The API's word for it."""
        return _TYPES.get(self.kind, "ERROR")


_SHOWN = {"NAME": "#NAME?", "N/A": "#N/A"}
_TYPES = {
    "DIV/0": "DIVIDE_BY_ZERO",
    "VALUE": "VALUE",
    "REF": "REF",
    "NAME": "NAME",
    "NUM": "NUM",
    "N/A": "N_A",
    "NULL": "NULL_VALUE",
}

Effective = Literal | Problem


@dataclass(frozen=True, slots=True)
class Cell:
    """What somebody put into a cell."""

    value: Literal = None
    formula: str | None = None
    format: dict[str, Any] | None = None
    note: str | None = None
    validation: dict[str, Any] | None = None

    def with_value(self, value: Literal) -> Cell:
        """The same cell with another value.

        Raises:
            Fault: It is too long.
        """
        if isinstance(value, str) and len(value) > LONGEST:
            raise too_long()
        return replace(self, value=None if value == "" else value, formula=None)

    def with_formula(self, formula: str) -> Cell:
        """The same cell with a formula.

        Raises:
            Fault: It is too long.
        """
        if len(formula) > LONGEST:
            raise too_long()
        return replace(self, value=None, formula=formula)

    def with_number_format(self, shown: dict[str, str]) -> Cell:
        """The same cell, its number shown otherwise."""
        return replace(self, format={**(self.format or {}), "numberFormat": shown})

    @property
    def blank(self) -> bool:
        """Whether nothing is entered, though it may have a format."""
        return self.value is None and self.formula is None

    def stored(self) -> Any:
        """As rows keep it: a plain value where there is nothing else; None where there is nothing at all."""
        if self.formula is None and self.format is None and self.note is None and self.validation is None:
            return self.value
        parts = {
            "value": self.value,
            "formula": self.formula,
            "format": self.format,
            "note": self.note,
            "validation": self.validation,
        }
        return {name: part for name, part in parts.items() if part is not None} or None

    def data(self) -> dict[str, Any]:
        """As CellData, what was entered only."""
        found: dict[str, Any] = {}
        if self.formula is not None:
            found["userEnteredValue"] = {"formulaValue": self.formula}
        elif self.value is not None:
            found["userEnteredValue"] = extended(self.value)
        for name, part in (
            ("userEnteredFormat", self.format),
            ("note", self.note),
            ("dataValidation", self.validation),
        ):
            if part:
                found[name] = part
        return found


def of(stored: Any) -> Cell:
    """The cell that rows keep."""
    return Cell(**stored) if isinstance(stored, dict) else Cell(stored)


def from_data(data: dict[str, Any]) -> Cell:
    """The cell that CellData describes.

    Raises:
        Fault: It has several values at once, or one that is too long.
    """
    value = data.get("userEnteredValue") or {}
    if len(value) > 1:
        raise bad("Invalid value at 'userEnteredValue': only one kind of value can be set")
    cell = Cell(None, None, data.get("userEnteredFormat") or None, data.get("note") or None, data.get("dataValidation"))
    if cell.note and len(cell.note) > LONGEST:
        raise too_long()
    for kind, content in value.items():
        if kind != "formulaValue":
            return cell.with_value(content)
        if not content.startswith("="):
            raise bad("Invalid value at 'userEnteredValue.formulaValue': a formula begins with '='")
        return cell.with_formula(content)
    return cell


def extended(value: Effective) -> dict[str, Any]:
    """A value as the API's ExtendedValue."""
    if isinstance(value, Problem):
        return {"errorValue": {"type": value.type, "message": value.message}}
    if isinstance(value, bool):
        return {"boolValue": value}
    return {"stringValue": value} if isinstance(value, str) else {"numberValue": value}


def too_long() -> Fault:
    """What is said of a text that no cell holds."""
    return bad(f"Your input contains more than the maximum of {LONGEST} characters in a single cell.")
