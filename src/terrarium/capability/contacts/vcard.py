"""vCards (RFC 2426, RFC 6350): read into lines that are kept as they are, and changed one property at a time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from terrarium.core.errors import Refused
from terrarium.core.values import Value

SIZE = 256 * 1024  # bytes of a card
LINES = 2000
_LINE = re.compile(
    r'(?:(?P<group>[A-Za-z0-9-]{1,60})\.)?(?P<name>[A-Za-z0-9-]{1,60})(?P<params>(?:;(?:[^":;]|"[^"]*")*)*):(?P<value>.*)',
    re.DOTALL,
)
_PARAM = re.compile(r';((?:[^";]|"[^"]*")*)')
_BARE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
TEXTS = {"name": "FN", "title": "TITLE", "note": "NOTE", "birthday": "BDAY", "url": "URL"}
LISTS = {"emails": "EMAIL", "phones": "TEL"}


@dataclass(frozen=True)
class Line:
    """One property: its name in capitals, its parameters as they were written, and its value, still escaped."""

    name: str
    value: str
    params: str = ""
    group: str = ""
    spelled: str = ""
    """The name as it was written."""

    def written(self) -> str:
        """The line, folded."""
        group = f"{self.group}." if self.group else ""
        return _folded(f"{group}{self.spelled or self.name}{self.params}:{self.value}")

    def parameter(self, name: str) -> list[str]:
        """The values of a parameter; those that stand without a name are of TYPE."""
        found: list[str] = []
        for part in _PARAM.findall(self.params):
            key, equals, told = part.partition("=")
            if not equals:
                key, told = "TYPE", part
            if key.strip().upper() == name:
                found += [one.strip('"') for one in told.split(",") if one]
        return found


@dataclass(frozen=True)
class Card:
    """A vCard: the lines between BEGIN and END."""

    lines: tuple[Line, ...]

    def all(self, name: str) -> list[Line]:
        """The lines of a property."""
        return [line for line in self.lines if line.name == name]

    def text(self, name: str) -> str | None:
        """The first value of a property, or None."""
        return next((unescaped(line.value) for line in self.all(name)), None)

    @property
    def uid(self) -> str:
        """What names it."""
        return self.text("UID") or ""

    def written(self, only: Iterable[str] | None = None) -> str:
        """The card as text; `only`: with these properties alone, and its version."""
        names = None if only is None else {"VERSION", *(name.upper() for name in only)}
        shown = [line.written() for line in self.lines if names is None or line.name in names]
        return "".join(["BEGIN:VCARD\r\n", *shown, "END:VCARD\r\n"])

    def having(self, name: str, values: Sequence[str], *, structured: bool = False) -> Card:
        """The same with other values of one property; lines whose value stays keep their parameters.

        Args:
            name: The property.
            values: Its values, not escaped.
            structured: They are escaped already.
        """
        old = {unescaped(line.value): line for line in reversed(self.all(name))}
        new = [old.get(one) or Line(name, one if structured else escaped(one)) for one in values]
        if structured:
            new = [Line(name, one) for one in values]
        place = next((number for number, line in enumerate(self.lines) if line.name == name), len(self.lines))
        before = [line for line in self.lines[:place] if line.name != name]
        after = [line for line in self.lines[place:] if line.name != name]
        return Card((*before, *new, *after))

    def fields(self) -> dict[str, Value]:
        """What people want of it."""
        names = split(self.text_raw("N"), ";")
        return {
            "uid": self.uid,
            "name": self.text("FN") or "",
            "family": names[0] if names else "",
            "given": names[1] if len(names) > 1 else "",
            "emails": [unescaped(line.value) for line in self.all("EMAIL")],
            "phones": [unescaped(line.value).removeprefix("tel:") for line in self.all("TEL")],
            "organization": ", ".join(one for one in split(self.text_raw("ORG"), ";") if one) or None,
            "addresses": [", ".join(one for one in split(line.value, ";") if one) for line in self.all("ADR")],
            "categories": [one for line in self.all("CATEGORIES") for one in split(line.value, ",") if one],
            **{field: self.text(name) for field, name in TEXTS.items() if field != "name"},
        }

    def text_raw(self, name: str) -> str:
        """The first value of a property as it is written."""
        return next((line.value for line in self.all(name)), "")


def parse(text: str) -> Card:
    """Read a vCard.

    Raises:
        Refused: It is none, there are more than one, its version is neither 3.0 nor 4.0, it has no name or no UID, or
            it is too large.
    """
    if len(text.encode("utf-8", "replace")) > SIZE:
        raise Refused(f"a vCard has at most {SIZE} bytes")
    unfolded = re.sub(r"\r?\n[ \t]", "", text.lstrip("\ufeff"))
    raw = [line for line in re.split(r"\r?\n", unfolded) if line.strip()]
    if len(raw) > LINES:
        raise Refused(f"a vCard has at most {LINES} lines")
    if len(raw) < 3 or raw[0].strip().upper() != "BEGIN:VCARD" or raw[-1].strip().upper() != "END:VCARD":
        raise Refused("a vCard begins with BEGIN:VCARD and ends with END:VCARD")
    lines = []
    for line in raw[1:-1]:
        found = _LINE.fullmatch(_BARE.sub("", clean(line)))
        if found is None:
            raise Refused(f"this line of the vCard is none: {line[:60]!r}")
        name = found["name"].upper()
        if name in ("BEGIN", "END"):
            raise Refused("one object is one vCard")
        lines.append(Line(name, found["value"], found["params"], found["group"] or "", found["name"]))
    card = Card(tuple(lines))
    if [line.value.strip() for line in card.all("VERSION")] not in (["3.0"], ["4.0"]):
        raise Refused("a vCard says VERSION:3.0 or VERSION:4.0")
    if not (card.text("FN") or "").strip():
        raise Refused("a vCard has a name, FN")
    if len(card.all("UID")) != 1 or not 0 < len(card.uid) <= 255:
        raise Refused("a vCard has one UID, of at most 255 characters")
    return card


def new(uid: str) -> Card:
    """An empty card."""
    return Card((Line("VERSION", "3.0"), Line("PRODID", "-//Terrarium//Contacts//EN"), Line("UID", escaped(uid))))


def escaped(text: str) -> str:
    """A text as values have it."""
    text = _BARE.sub("", clean(text)).replace("\r\n", "\n").replace("\r", "\n")
    return text.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,").replace("\n", "\\n")


def unescaped(value: str) -> str:
    """The inverse of `escaped`."""
    return _ESCAPE.sub(lambda found: "\n" if found[1] in "nN" else found[1], value)


def split(value: str, separator: str) -> list[str]:
    """The parts of a value, unescaped."""
    if not value:
        return []
    parts, start, number = [], 0, 0
    while number < len(value):
        if value[number] == "\\":
            number += 1
        elif value[number] == separator:
            parts.append(value[start:number])
            start = number + 1
        number += 1
    return [unescaped(one).strip() for one in [*parts, value[start:]]]


def clean(text: str) -> str:
    """The same without what UTF-8 cannot hold."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _folded(line: str) -> str:
    """A line in pieces of at most 75 bytes."""
    if len(line) <= 75 and line.isascii():
        return f"{line}\r\n"
    pieces, piece, size = [], "", 0
    for character in line:
        width = len(character.encode())
        if size + width > 75:
            pieces.append(piece)
            piece, size = "", 1  # the space that continues it
        piece += character
        size += width
    return "\r\n ".join([*pieces, piece]) + "\r\n"
