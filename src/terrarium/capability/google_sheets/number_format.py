"""Numbers as cells show them: by a pattern such as `#,##0.00`, `0%`, `yyyy-mm-dd`, or by none."""

from __future__ import annotations

import functools
import re
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from terrarium.capability.google_sheets.cell import Effective, Problem
from terrarium.capability.google_sheets.serial import moment_of

_USUAL = {
    "NUMBER": "#,##0.00",
    "PERCENT": "0.00%",
    "CURRENCY": "$#,##0.00",
    "DATE": "m/d/yyyy",
    "TIME": "h:mm:ss am/pm",
    "DATE_TIME": "m/d/yyyy h:mm:ss",
    "SCIENTIFIC": "0.00E+00",
}
_TOKEN = re.compile(
    r'"[^"]*"|\\.|\[\$([^\]-]*)(?:-[^\]]*)?\]|\[(?:h+|m+|s+)\]|\[[^\]]*\]|_.|\*.|am/pm|a/p|y+|m+|d+|h+|s+|\.0+|E[+-]|General|.',
    re.IGNORECASE | re.DOTALL,
)
_MOMENT = re.compile(r"y+|m+|d+|h+|s+|am/pm|a/p|\[(?:h+|m+|s+)\]", re.IGNORECASE)
_MONTHS = ["January", "February", "March", "April", "May", "June", "July"]
_MONTHS += ["August", "September", "October", "November", "December"]
_DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_LONGEST = 200  # of a pattern; a longer one shows the number as it is


def shown(value: Effective, form: dict[str, Any] | None) -> str:
    """The text of a cell.

    Args:
        value: What is in it.
        form: Its NumberFormat, or None.
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, Problem):
        return value.text
    if not form:
        return plain(value)
    pattern = form.get("pattern") or _USUAL.get(form.get("type", ""), "")
    return by_pattern(value, pattern) if pattern and len(pattern) <= _LONGEST else plain(value)


def is_moment(form: dict[str, Any] | None) -> bool:
    """Whether a NumberFormat shows a date or a time."""
    return form is not None and form.get("type") in ("DATE", "TIME", "DATE_TIME")


def plain(value: int | float) -> str:
    """A number without a format: at most ten decimals, and powers of ten where it is very large or small."""
    size = abs(value)
    if size >= 1e15 or 0 < size < 1e-9:
        mantissa, _, power = f"{value:.5E}".partition("E")
        return f"{mantissa.rstrip('0').rstrip('.')}E{power[0]}{power[1:].lstrip('0').zfill(2)}"
    if isinstance(value, int):
        return str(value)
    text = f"{Decimal(repr(float(f'{value:.15g}'))).quantize(Decimal('1e-10'), ROUND_HALF_UP):f}"
    text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def by_pattern(value: int | float, pattern: str) -> str:
    """A number by a pattern of up to four sections."""
    sections = _sections(pattern)
    if len(sections) > 1 and value < 0:
        value, chosen = -value, sections[1]
    elif len(sections) > 2 and value == 0:
        chosen = sections[2]
    else:
        chosen = sections[0]
    bare = [token for token in chosen if token[:1] not in '"\\']
    if any(_MOMENT.fullmatch(token) for token in bare):
        moment = moment_of(float(value))
        return plain(value) if moment is None else _moment_text(moment, float(value), chosen)
    if "@" in bare or any(token.lower() == "general" for token in bare):
        return "".join(plain(value) if token == "@" or token.lower() == "general" else _said(token) for token in chosen)
    return _number_text(value, chosen)


@functools.lru_cache(maxsize=512)
def _sections(pattern: str) -> tuple[tuple[str, ...], ...]:
    found: list[list[str]] = [[]]
    for match in _TOKEN.finditer(pattern):
        if match[0] == ";":
            found.append([])
        else:
            found[-1].append(match[0])
    return tuple(tuple(section) for section in found)


def _said(token: str) -> str:
    """What a token that is no digit and no moment says."""
    if token[:1] == '"':
        return token[1:-1] if token[-1:] == '"' and len(token) > 1 else token[1:]
    if token[:1] == "\\":
        return token[1:]
    if token[:2] == "[$":
        return token[2:-1].partition("-")[0]
    if token[:1] == "[":
        return ""  # a colour or a condition
    if token[:1] == "_":
        return " "
    return "" if token[:1] == "*" else token


def _number_text(value: int | float, tokens: tuple[str, ...]) -> str:
    """A number by a section without dates."""
    digits = [place for place, token in enumerate(tokens) if token in ("0", "#", "?") or token.startswith(".0")]
    percent = tokens.count("%")
    number = Decimal(repr(value) if isinstance(value, float) else value).scaleb(2 * percent)
    if not digits:
        sign = "-" if value < 0 else ""
        return sign + "".join(_said(token) for token in tokens)
    first, last = digits[0], digits[-1]
    core = "".join(tokens[first : last + 1])
    whole, _, part = core.partition(".")
    tail = 0
    while last + 1 + tail < len(tokens) and tokens[last + 1 + tail] == ",":
        tail += 1
    number = number.scaleb(-3 * tail)
    power = next((token for token in tokens if token[:1] in "eE" and len(token) == 2), None)
    text = _scientific(number, core, power) if power is not None and power in core else _decimal(number, whole, part)
    sign = "-" if number < 0 and re.search("[1-9]", text) else ""
    before = "".join(_said(token) for token in tokens[:first])
    after = "".join(_said(token) for token in tokens[last + 1 + tail :])
    return sign + before + text + after


def _decimal(number: Decimal, whole: str, part: str) -> str:
    least, most = part.count("0"), sum(letter in "0#?" for letter in part)
    if abs(number) >= Decimal(10) ** 300 or abs(number.adjusted()) > 400:
        return f"{abs(number):.2E}"
    text = f"{abs(number):.{most}f}" if number == 0 else f"{_rounded(abs(number), most):f}"
    left, _, right = text.partition(".")
    while len(right) > least and right.endswith("0"):
        right = right[:-1]
    left = left.lstrip("0").rjust(whole.count("0"), "0")
    if "," in whole:
        head = len(left) % 3
        groups = [left[:head]] if head else []
        left = ",".join(groups + [left[place : place + 3] for place in range(head, len(left), 3)])
    return f"{left}.{right}" if right else left


def _rounded(number: Decimal, places: int) -> Decimal:
    from decimal import Context

    return number.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP, Context(prec=400))


def _scientific(number: Decimal, core: str, power: str) -> str:
    mantissa, _, exponent = core.partition(power)
    places = sum(letter in "0#?" for letter in mantissa.partition(".")[2])
    text = f"{abs(number):.{places}E}"
    left, _, right = text.partition("E")
    return f"{left}E{right[0]}{right[1:].lstrip('0').rjust(max(1, exponent.count('0')), '0')}"


def _moment_text(moment: datetime, serial: float, tokens: tuple[str, ...]) -> str:
    half = any(token.lower() in ("am/pm", "a/p") for token in tokens)
    said: list[str] = []
    for place, token in enumerate(tokens):
        word = token.lower()
        if word[:1] == "[" and word.strip("[]") and set(word.strip("[]")) <= set("hms") and word[1:2] != "$":
            unit = {"h": 24, "m": 1440, "s": 86400}[word[1]]
            said.append(str(int(serial * unit + 1e-9)).rjust(len(word) - 2, "0"))
        elif set(word) == {"y"}:
            said.append(f"{moment.year:04d}" if len(word) > 2 else f"{moment.year % 100:02d}")
        elif set(word) == {"d"}:
            day = _DAYS[moment.weekday()]
            said.append([str(moment.day), f"{moment.day:02d}", day[:3], day][min(len(word), 4) - 1])
        elif set(word) == {"h"}:
            hour = (moment.hour % 12 or 12) if half else moment.hour
            said.append(f"{hour:02d}" if len(word) > 1 else str(hour))
        elif set(word) == {"s"}:
            said.append(f"{moment.second:02d}" if len(word) > 1 else str(moment.second))
        elif set(word) == {"m"}:
            said.append(_minute(moment, word) if _is_minute(tokens, place) else _month(moment, word))
        elif word in ("am/pm", "a/p"):
            text = "AM" if moment.hour < 12 else "PM"
            said.append(text[:1] if word == "a/p" else text)
        elif word.startswith(".0"):
            said.append(f"{moment.microsecond / 1e6:.{min(len(word) - 1, 6)}f}"[1:])
        else:
            said.append(_said(token))
    return "".join(said)


def _month(moment: datetime, word: str) -> str:
    name = _MONTHS[moment.month - 1]
    return [str(moment.month), f"{moment.month:02d}", name[:3], name, name[:1]][min(len(word), 5) - 1]


def _minute(moment: datetime, word: str) -> str:
    return f"{moment.minute:02d}" if len(word) > 1 else str(moment.minute)


def _is_minute(tokens: tuple[str, ...], place: int) -> bool:
    """Whether an `m` means minutes: it comes after hours or before seconds."""
    marks = [(n, token.lower().strip("[]")[:1]) for n, token in enumerate(tokens) if _MOMENT.fullmatch(token)]
    before = [letter for n, letter in marks if n < place and letter != "a"]
    after = [letter for n, letter in marks if n > place and letter != "a"]
    return before[-1:] == ["h"] or after[:1] == ["s"]
