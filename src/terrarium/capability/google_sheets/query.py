"""The search language of Drive's `files.list`: `name = 'x' and mimeType != '…' and 'folder' in parents`."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from terrarium.capability.google_sheets.fault import Fault

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")|(?P<word>[A-Za-z]+)|(?P<sign><=|>=|!=|=|<|>|\(|\)))",
    re.DOTALL,
)
_LENGTH, _DEPTH = 4000, 30

Test = Callable[[dict[str, Any]], bool]


def parse(text: str) -> Test:
    """A test of files, as Drive has them, with `permissions` and `parents`.

    Raises:
        Fault: It is none.
    """
    if not text.strip():
        return lambda file: True
    if len(text) > _LENGTH:
        raise _invalid()
    tokens, place = [], 0
    text = text.rstrip()
    while place < len(text):
        found = _TOKEN.match(text, place)
        if not found:
            raise _invalid()
        tokens.append((found.lastgroup or "", found[found.lastgroup or 0]))
        place = found.end()
    reading = _Reading([*tokens, ("end", "")])
    test = reading.either(0)
    if reading.next()[0] != "end":
        raise _invalid()
    return test


def _invalid() -> Fault:
    return Fault(400, "Invalid Value", "invalid")


class _Reading:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._place = 0

    def peek(self) -> tuple[str, str]:
        return self._tokens[self._place]

    def next(self) -> tuple[str, str]:
        token = self._tokens[self._place]
        self._place = min(self._place + 1, len(self._tokens) - 1)
        return token

    def either(self, depth: int) -> Test:
        tests = [self.both(depth)]
        while self.peek() == ("word", "or"):
            self.next()
            tests.append(self.both(depth))
        return tests[0] if len(tests) == 1 else lambda file: any(test(file) for test in tests)

    def both(self, depth: int) -> Test:
        tests = [self.one(depth)]
        while self.peek() == ("word", "and"):
            self.next()
            tests.append(self.one(depth))
        return tests[0] if len(tests) == 1 else lambda file: all(test(file) for test in tests)

    def one(self, depth: int) -> Test:
        if depth > _DEPTH:
            raise _invalid()
        kind, word = self.next()
        if (kind, word) == ("word", "not"):
            test = self.one(depth + 1)
            return lambda file: not test(file)
        if word == "(" and kind == "sign":
            test = self.either(depth + 1)
            if self.next() != ("sign", ")"):
                raise _invalid()
            return test
        if kind == "text":
            if self.next() != ("word", "in"):
                raise _invalid()
            return _member(_plain(word), self.next()[1])
        sign = self.next()[1]
        if sign == "in":  # gspread writes it this way round
            kind, value = self.next()
            if kind != "text":
                raise _invalid()
            return _member(_plain(value), word)
        return _compared(word, sign, self.next())


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)


def _member(value: str, field: str) -> Test:
    if field == "parents":
        return lambda file: value in file["parents"]
    if field in ("owners", "writers", "readers"):
        roles = {"owners": ("owner",), "writers": ("owner", "writer")}.get(field)
        return lambda file: any(
            one.get("emailAddress") == value and (roles is None or one["role"] in roles) for one in file["permissions"]
        )
    raise _invalid()


def _compared(field: str, sign: str, told: tuple[str, str]) -> Test:
    kind, word = told
    if field in ("trashed", "sharedWithMe", "starred"):
        if kind != "word" or word not in ("true", "false") or sign not in ("=", "!="):
            raise _invalid()
        wanted = (word == "true") == (sign == "=")
        return lambda file: bool(file.get(field)) == wanted
    if kind != "text":
        raise _invalid()
    value = _plain(word)
    if field in ("modifiedTime", "createdTime"):
        return _time(field, sign, value)
    if field not in ("name", "mimeType", "fullText", "title"):
        raise _invalid()
    key = "name" if field in ("title", "fullText") else field
    low = value.casefold()
    if sign == "=":
        return lambda file: file[key] == value
    if sign == "!=":
        return lambda file: file[key] != value
    if sign == "contains":
        # Drive looks at the beginnings of words; mime types are looked at from their own.
        return lambda file: any(
            file[key].casefold().startswith(low, place)
            for place in (found.start() for found in re.finditer(r"(?<!\w)\w|^", file[key].casefold()))
        )
    raise _invalid()


def _time(field: str, sign: str, value: str) -> Test:
    try:
        moment = datetime.fromisoformat(value)
        wanted = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise _invalid() from None
    tests: dict[str, Callable[[datetime], bool]] = {
        "=": lambda at: at == wanted,
        "!=": lambda at: at != wanted,
        "<": lambda at: at < wanted,
        "<=": lambda at: at <= wanted,
        ">": lambda at: at > wanted,
        ">=": lambda at: at >= wanted,
    }
    if sign not in tests:
        raise _invalid()
    return lambda file: tests[sign](datetime.fromisoformat(file[field]))
