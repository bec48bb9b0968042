"""Ready matchers for checks: what is found against what is wanted, as truth.

```python
run_checkers({
    "answered": lambda: matching.contains(agent.replies[-1].text, "Tuesday"),
    "total": lambda: matching.number(env.email.get_message("ann@corp.example", 0)["subject"], 1234.5),
})
```

Equal things spelled otherwise match: `25` and `25.0`, CRLF and LF, composed and decomposed letters, one moment in two
time zones, a list in another order where order says nothing. What is found may be anything an agent wrote: it never
makes a matcher raise, it only does not match. What is wanted is the task's own; where it makes no sense, `ValueError`
or `TypeError` says so, and the check fails with that exception.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from fractions import Fraction
from typing import Any

from terrarium.core.clock import Span, span_micros
from terrarium.core.errors import Refused
from terrarium.core.values import to_micros

__all__ = ["contains", "exact", "json_subset", "moment", "number", "regex", "unordered"]

Matcher = Callable[[Any, Any], bool]

_NUMBER = re.compile(
    r"""
    (?<![\w.,'\u2019])                            # not in the middle of a word or of another number
    (?P<sign>[-+\u2212])? \s? [$\u20ac\u00a3\u00a5]? \s?
    (?P<digits>
        \d{1,3}(?:[,'\u2019\u00a0\u2009\u202f]\d{3})+(?:\.\d+)?     # 1,234.5   1'234.5
      | \d{1,3}(?:[.\u00a0\u2009\u202f]\d{3})+,\d+                 # 1.234,5
      | \d+,\d{1,2}                                              # 12,50
      | (?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,4})?                # 25   25.0   .5   1e6
    )
    (?!\w*\d)(?![.,'\u2019]\d)                                  # nor at the start of either
    """,
    re.VERBOSE,
)
_LONGEST = 100_000  # characters of a text that is searched for a number
_DIGITS = 400  # a number with more of them is nobody's answer


def exact(found: object, wanted: object) -> bool:
    """Whether both are equal: numbers by value, text after NFC and with LF line ends, lists and dicts item by item.

    Case and spaces count; a number is not text, and truth is not a number.
    """
    if isinstance(found, bool) or isinstance(wanted, bool):
        return isinstance(found, bool) and isinstance(wanted, bool) and found == wanted
    if isinstance(wanted, str):
        return isinstance(found, str) and _text(found) == _text(wanted)
    if isinstance(wanted, datetime):
        return isinstance(found, datetime) and to_micros(found) == to_micros(wanted)
    if isinstance(wanted, (int, float, Decimal)):
        return isinstance(found, (int, float, Decimal)) and _equal(found, wanted)
    if isinstance(wanted, Mapping):
        if not isinstance(found, Mapping) or len(found) != len(wanted):
            return False
        others = {_key(key): value for key, value in found.items()}
        return all(_key(key) in others and exact(others[_key(key)], value) for key, value in wanted.items())
    if isinstance(wanted, (list, tuple)):
        if not isinstance(found, (list, tuple)) or len(found) != len(wanted):
            return False
        return all(exact(one, other) for one, other in zip(found, wanted, strict=True))
    return bool(found == wanted)


def contains(found: object, wanted: str | Iterable[str], *, case: bool = False) -> bool:
    """Whether a text holds another, or every one of several.

    Runs of white space count as one space, letters are compared after NFC and, unless `case`, without case.

    Raises:
        ValueError: Nothing is wanted, which everything would contain.
    """
    pieces = [wanted] if isinstance(wanted, str) else list(wanted)
    sought = [_squeezed(piece, case) for piece in pieces]
    if not sought or not all(sought):
        raise ValueError(f"an empty text is in every text: {wanted!r}")
    return isinstance(found, str) and all(piece in _squeezed(found, case) for piece in sought)


def regex(found: object, pattern: str, *, case: bool = False, whole: bool = False) -> bool:
    """Whether a regular expression occurs in a text, or, with `whole`, is all of it (surrounding space aside).

    Line ends are LF and letters NFC in both; `^` and `$` match at every line. Case counts only with `case`.

    Raises:
        re.error: The pattern is wrong.
    """
    compiled = re.compile(_text(pattern), re.MULTILINE | (0 if case else re.IGNORECASE))
    if not isinstance(found, str):
        return False
    text = _text(found)
    return (compiled.fullmatch(text.strip()) if whole else compiled.search(text)) is not None


def number(found: object, wanted: float | str | Decimal, *, absolute: float = 0.0, relative: float = 1e-9) -> bool:
    """Whether a number, or the one number in a text, is the wanted one.

    Understood are `25`, `25.0`, `1e6`, `1,234.5`, `1'234.5`, `1.234,5`, `12,50`, with a sign and words or a currency
    around; `1,234` is more than a thousand and `1.234` is little more than one. A text that says several different
    numbers says none of them. Truth is not a number.

    Args:
        found: A number, or text.
        wanted: The number.
        absolute: How far it may be off.
        relative: How far it may be off, as a fraction of the wanted one; the larger allowance counts.

    Raises:
        ValueError: `wanted` is not one finite number, or a tolerance is negative or not finite.
    """
    aims = _numbers(wanted)
    if len(aims) != 1 or not (0 <= absolute < math.inf and 0 <= relative < math.inf):
        raise ValueError(f"one finite number and tolerances of at least 0 are needed, not {wanted!r}")
    (aim,) = aims
    values = _numbers(found)
    return len(values) == 1 and abs(values.pop() - aim) <= max(_as_written(absolute), abs(aim) * _as_written(relative))


def unordered(found: object, wanted: Sequence[Any], *, match: Matcher = exact, extra: bool = False) -> bool:
    """Whether a list holds the wanted items in any order, each as often as wanted.

    Args:
        found: A list or tuple.
        wanted: The items.
        match: How one item is compared with a wanted one; every item found is used for at most one wanted.
        extra: Further items do no harm.
    """
    if not isinstance(found, (list, tuple)) or (len(found) < len(wanted) if extra else len(found) != len(wanted)):
        return False
    fits = [[position for position, item in enumerate(found) if match(item, aim)] for aim in wanted]
    taken: dict[int, int] = {}

    def place(aim: int, tried: set[int]) -> bool:
        for position in fits[aim]:
            if position not in tried:
                tried.add(position)
                if position not in taken or place(taken[position], tried):
                    taken[position] = aim
                    return True
        return False

    return all(place(aim, set()) for aim in range(len(wanted)))


def moment(found: object, wanted: datetime | date | str, *, tolerance: Span = 0) -> bool:
    """Whether both are one moment, whatever their time zones; what names no zone is UTC.

    A datetime, a date (its midnight), ISO 8601 and RFC 5322 text are understood.

    Args:
        found: What an agent or a service wrote.
        wanted: The moment.
        tolerance: How far it may be off: seconds, or text such as `5m`.

    Raises:
        ValueError: `wanted` is not a moment, or `tolerance` not a span.
    """
    aim = _moment(wanted)
    try:
        allowed = timedelta(microseconds=span_micros(tolerance))
    except Refused as error:
        raise ValueError(str(error)) from None
    if aim is None:
        raise ValueError(f"not a moment: {wanted!r}")
    seen = _moment(found)
    return seen is not None and abs(seen - aim) <= allowed


def json_subset(found: object, wanted: object, *, match: Matcher = exact) -> bool:
    """Whether everything wanted is in what is found: keys of dicts may be more, lists are of equal length and order.

    Args:
        found: Data, or a text that is JSON (also inside a fenced block).
        wanted: Data; a leaf is compared with `match`.
        match: How leaves are compared.
    """
    if isinstance(found, (str, bytes)) and not isinstance(wanted, str):
        try:
            found = json.loads(_unfenced(found))
        except (ValueError, RecursionError):
            return False
    return _within(found, wanted, match)


def _within(found: object, wanted: object, match: Matcher) -> bool:
    if isinstance(wanted, Mapping):
        if not isinstance(found, Mapping):
            return False
        others = {_key(key): value for key, value in found.items()}
        return all(_key(key) in others and _within(others[_key(key)], value, match) for key, value in wanted.items())
    if isinstance(wanted, (list, tuple)):
        if not isinstance(found, (list, tuple)) or len(found) != len(wanted):
            return False
        return all(_within(one, other, match) for one, other in zip(found, wanted, strict=True))
    return match(found, wanted)


# -- spellings --------------------------------------------------------------------------------------------------------


def _text(text: str) -> str:
    return unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n")


def _squeezed(text: str, case: bool) -> str:
    joined = " ".join(_text(text).split())
    return joined if case else unicodedata.normalize("NFC", joined.casefold())


def _key(key: object) -> object:
    return _text(key) if isinstance(key, str) else key


def _unfenced(text: str | bytes) -> str | bytes:
    fenced = re.fullmatch(r"\s*```(?:json)?\s*\n(.*)\n\s*```\s*", text, re.DOTALL) if isinstance(text, str) else None
    return fenced[1] if fenced else text


def _equal(one: float | Decimal, other: float | Decimal) -> bool:
    try:
        return Fraction(one) == Fraction(other)
    except (ValueError, OverflowError):  # not finite
        return one == other


def _numbers(value: object) -> set[Fraction]:
    """The different numbers that something says."""
    if isinstance(value, bool):
        return set()
    if isinstance(value, (int, float, Decimal)):
        try:
            return {_as_written(value)}
        except (ValueError, OverflowError):  # not finite
            return set()
    if not isinstance(value, str) or len(value) > _LONGEST:
        return set()
    return {
        _fraction(found["digits"], found["sign"])
        for found in _NUMBER.finditer(value)
        if len(found["digits"]) <= _DIGITS
    }


def _as_written(value: float | Decimal) -> Fraction:
    """A float as the decimal number that it is written as: 0.03 is three hundredths."""
    return Fraction(float.__repr__(float(value))) if isinstance(value, float) else Fraction(value)


def _fraction(digits: str, sign: str | None) -> Fraction:
    plain = re.sub(r"['\u2019\u00a0\u2009\u202f]", "", digits)
    if re.fullmatch(r"\d{1,3}(,\d{3})+(\.\d+)?", plain):
        plain = plain.replace(",", "")
    elif "," in plain:
        plain = plain.replace(".", "").replace(",", ".")
    value = Fraction(Decimal(plain))
    return -value if sign in ("-", "\u2212") else value


def _moment(value: object) -> datetime | None:
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    if not isinstance(value, str):
        return None
    text = value.strip()
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            return _moment(parse(text))
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
    return None
