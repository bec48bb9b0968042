"""What somebody typed into a cell, understood as the spreadsheet's own input line does (United States English)."""

from __future__ import annotations

import re
from datetime import date, datetime

from terrarium.capability.google_sheets.cell import Cell
from terrarium.capability.google_sheets.serial import serial_of
from terrarium.capability.google_sheets.shape import number

_NUMBER = re.compile(
    r"(?P<sign>[-+]?)\s*(?P<open>\()?\s*(?P<currency>[$€£¥])?\s*(?P<inner>[-+]?)"
    r"(?P<digits>[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)?(?P<part>\.[0-9]*)?(?P<power>[eE][-+]?[0-9]{1,3})?"
    r"\s*(?P<percent>%)?(?P<close>\))?"
)
_LONG = "january february march april may june july august september october november december"
_MONTHS = {name: n for n, long in enumerate(_LONG.split(" "), 1) for name in (long, long[:3])} | {"sept": 9}
_TIME = re.compile(
    r"(?P<hour>[0-9]{1,2})(?::(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?P<part>\.[0-9]{1,6})?)?)?"
    r"(?:\s*(?P<half>[AaPp])\.?[Mm]\.?)?"
)
_YEAR_FIRST = re.compile(r"([0-9]{4})([-/.])([0-9]{1,2})\2([0-9]{1,2})")
_MONTH_FIRST = re.compile(r"([0-9]{1,2})([-/.])([0-9]{1,2})(?:\2([0-9]{4}|[0-9]{2}))?")
_NAMED_FIRST = re.compile(r"([A-Za-z]{3,9})\.?\s+([0-9]{1,2})(?:st|nd|rd|th)?(?:,?\s+([0-9]{4}))?")
_NAMED_LATER = re.compile(r"([0-9]{1,2})(?:st|nd|rd|th)?[\s-]+([A-Za-z]{3,9})\.?(?:,?[\s-]+([0-9]{4}|[0-9]{2}))?")
_LONGEST = 60  # nothing longer is a number or a moment


def entered(text: str, old: Cell, today: date) -> Cell:
    """The cell that typing a text into it gives.

    Args:
        text: What was typed.
        old: The cell before: its format stays, and plain text stays text.
        today: In which year a date without one is.
    """
    kind = (old.format or {}).get("numberFormat", {}).get("type")
    if text == "":
        return old.with_value(None)
    if text.startswith("'"):
        return old.with_value(text[1:])
    if kind == "TEXT":
        return old.with_value(text)
    if text.startswith("=") and len(text) > 1:
        return old.with_formula(text)
    word = text.strip()
    if len(word) > _LONGEST:
        return old.with_value(text)
    if word.upper() in ("TRUE", "FALSE"):
        return old.with_value(word.upper() == "TRUE")
    found = _number(word) or _moment(word, today)
    if found is None:
        return old.with_value(text)
    value, shown = found
    cell = old.with_value(value)
    return cell.with_number_format(shown) if shown and kind is None else cell


def _number(word: str) -> tuple[int | float, dict[str, str] | None] | None:
    found = _NUMBER.fullmatch(word)
    if not found or not (found["digits"] or (found["part"] and len(found["part"]) > 1)):
        return None
    if bool(found["open"]) != bool(found["close"]) or (found["sign"] and (found["inner"] or found["open"])):
        return None
    value = float((found["digits"] or "0").replace(",", "") + (found["part"] or "") + (found["power"] or ""))
    if value in (float("inf"), float("-inf")):
        return None
    if "-" in (found["sign"], found["inner"]) or found["open"]:
        value = -value
    decimals = bool(found["part"]) and len(found["part"]) > 1
    if found["percent"]:
        shown = {"type": "PERCENT", "pattern": "0.00%" if decimals else "0%"}
        return number(float(repr(value) + "e-2") if "e" not in repr(value) else value / 100), shown
    if found["currency"]:
        sign = found["currency"] if found["currency"] == "$" else f"[${found['currency']}]"
        return number(value), {"type": "CURRENCY", "pattern": f"{sign}#,##0.00" if decimals else f"{sign}#,##0"}
    if found["power"]:
        return number(value), {"type": "SCIENTIFIC", "pattern": "0.00E+00"}
    if found["digits"] and "," in found["digits"]:
        return number(value), {"type": "NUMBER", "pattern": "#,##0.00" if decimals else "#,##0"}
    return number(value), None


def _moment(word: str, today: date) -> tuple[int | float, dict[str, str]] | None:
    if time := _time(word):
        return time[0], {"type": "TIME", "pattern": time[1]}
    day = _date(word, today)
    if day is not None:
        return number(serial_of(datetime.combine(day[0], datetime.min.time()))), {"type": "DATE", "pattern": day[1]}
    for cut in (place for place, letter in enumerate(word) if letter == " "):
        day, time = _date(word[:cut].rstrip(), today), _time(word[cut:].strip())
        if day is not None and time is not None and time[0] < 1:
            value = serial_of(datetime.combine(day[0], datetime.min.time())) + time[0]
            return number(value), {"type": "DATE_TIME", "pattern": f"{day[1]} {time[1]}"}
    return None


def _time(word: str) -> tuple[float, str] | None:
    found = _TIME.fullmatch(word)
    if not found or not (found["minute"] or found["half"]):
        return None
    hour, minute = int(found["hour"]), int(found["minute"] or 0)
    second = int(found["second"] or 0) + float(found["part"] or 0)
    if found["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if found["half"] in "Pp" else 0)
    if minute > 59 or second >= 60 or (hour > 23 and found["half"]):
        return None
    pattern = ("h:mm:ss" if found["second"] else "h:mm") + (" am/pm" if found["half"] else "")
    return (hour * 3600 + minute * 60 + second) / 86400, pattern


def _date(word: str, today: date) -> tuple[date, str] | None:
    parts: tuple[int, int, int] | None = None
    pattern = ""
    if found := _YEAR_FIRST.fullmatch(word):
        parts, pattern = (int(found[1]), int(found[3]), int(found[4])), f"yyyy{found[2]}mm{found[2]}dd"
    elif (found := _MONTH_FIRST.fullmatch(word)) and (found[4] or found[2] == "/"):
        parts = (_year(found[4], today), int(found[1]), int(found[3]))
        pattern = f"m{found[2]}d{found[2]}yyyy" if found[4] else "m/d"
    elif (found := _NAMED_FIRST.fullmatch(word)) and found[1].lower() in _MONTHS:
        parts = (_year(found[3], today), _MONTHS[found[1].lower()], int(found[2]))
        pattern = "mmm d, yyyy" if found[3] else "mmm d"
    elif (found := _NAMED_LATER.fullmatch(word)) and found[2].lower() in _MONTHS:
        parts = (_year(found[3], today), _MONTHS[found[2].lower()], int(found[1]))
        pattern = "d mmm yyyy" if found[3] else "d mmm"
    if parts is None:
        return None
    try:
        return date(*parts), pattern
    except ValueError:
        return None


def _year(text: str | None, today: date) -> int:
    if text is None:
        return today.year
    return int(text) if len(text) == 4 else int(text) + (2000 if int(text) < 50 else 1900)
