"""Wildcards and POSIX regular expressions, both over text."""

from __future__ import annotations

import math
import re
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass

PATTERN_LIMIT = 1000  # characters
_NESTING_LIMIT = 50
_REPEAT_LIMIT = 1000
_STEPS_LIMIT = 300_000_000  # of one match, at worst; some seconds

Wild = Sequence[tuple[str, bool]]
"""The characters of a wildcard pattern, each with whether `*` and `?` are active in it."""

_CLASSES = {
    "alnum": "a-zA-Z0-9",
    "alpha": "a-zA-Z",
    "blank": r" \t",
    "digit": "0-9",
    "lower": "a-z",
    "punct": re.escape(string.punctuation).replace("~", r"\~"),
    "space": r" \t\n\r\f\v",
    "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}


class BadPattern(Exception):
    """A pattern that is malformed or not supported; never leaves the sandbox."""


def wild(text: str) -> Wild:
    """The pattern in `text`; a backslash makes the next character a plain one."""
    pattern: list[tuple[str, bool]] = []
    escaped = False
    for char in text:
        if char == "\\" and not escaped:
            escaped = True
            continue
        pattern.append((char, char in "*?" and not escaped))
        escaped = False
    return pattern


def wild_match(pattern: Wild, name: str) -> bool:
    """Whether the whole name fits; at most len(pattern) * len(name) steps."""
    here = at = 0
    star: int | None = None
    mark = 0
    while at < len(name):
        if here < len(pattern) and pattern[here] == ("*", True):
            star, mark = here, at
            here += 1
        elif here < len(pattern) and (pattern[here] == ("?", True) or pattern[here] == (name[at], False)):
            here += 1
            at += 1
        elif star is not None:
            mark += 1
            here, at = star + 1, mark
        else:
            return False
    return all(part == ("*", True) for part in pattern[here:])


@dataclass(frozen=True)
class Regex:
    """A pattern that is only tried on text on which it cannot take for ever.

    Python's expressions cannot be interrupted, and would hold up the whole engine. With `repeats` repeats, each of
    which may end at any character, n characters cost at worst about n^(repeats + 1) / (repeats + 1)! steps.
    """

    compiled: re.Pattern[str]
    repeats: int = 0

    @property
    def groups(self) -> int:
        """How many groups it has."""
        return self.compiled.groups

    def search(self, text: str) -> re.Match[str] | None:
        """Its first match.

        Raises:
            BadPattern: It could take for ever on a text of this length.
        """
        self._bound(text)
        return self.compiled.search(text)

    def sub(self, put: Callable[[re.Match[str]], str], text: str, count: int = 0) -> str:
        """The text with its matches replaced.

        Raises:
            BadPattern: It could take for ever on a text of this length.
        """
        self._bound(text)
        return self.compiled.sub(put, text, count=count)

    def _bound(self, text: str) -> None:
        power = self.repeats + 1
        if self.repeats and len(text) ** power > _STEPS_LIMIT * math.factorial(power):
            raise BadPattern(
                f"a pattern with {self.repeats} repeats can take for ever on a line of {len(text)} characters, which "
                "the memory sandbox does not try: use fewer repeats, or -F for plain text"
            )


def regex(pattern: str, *, extended: bool, fixed: bool = False, ignore_case: bool = False) -> Regex:
    r"""A POSIX pattern as one of Python's.

    Args:
        pattern: At most 1,000 characters.
        extended: `a+(b|c)` instead of `a\+\(b\|c\)`.
        fixed: Plain text.
        ignore_case: As it says.

    Raises:
        BadPattern: It is malformed, too long, has back-references, or repeats a group that repeats something itself
            (such patterns can take for ever).
    """
    if len(pattern) > PATTERN_LIMIT:
        raise BadPattern(f"the pattern is longer than {PATTERN_LIMIT} characters")
    translator = _Translator(pattern, extended)
    translated = re.escape(pattern) if fixed else translator.run()
    try:
        return Regex(re.compile(translated, re.IGNORECASE if ignore_case else 0), translator.repeats)
    except (re.error, OverflowError) as error:
        raise BadPattern(f"bad pattern {pattern!r}: {error}") from None


class _Translator:
    def __init__(self, pattern: str, extended: bool) -> None:
        self.pattern = pattern
        self.extended = extended
        self.at = 0
        self.out: list[str] = []
        self.repeats = 0  # that can end at more than one place
        self.groups: list[bool] = []  # of each open group: whether it holds a repeat
        self.atom: str | None = None  # the last atom: "plain", "repeating" group, "repeated"; None: nothing to repeat

    def run(self) -> str:
        while self.at < len(self.pattern):
            char = self.pattern[self.at]
            self.at += 1
            if char == "\\":
                self._escape()
            elif char == "[":
                self._put(self._bracket())
            elif char == "*" or (self.extended and char in "(){}|+?"):
                self._operator(char)
            elif char == ".":
                self._put(".")
            elif char in "^$" and self._anchors(char):
                self.out.append(char)
                self.atom = None
            else:
                self._put(re.escape(char))
        if self.groups:
            raise BadPattern(f"bad pattern {self.pattern!r}: a group is not closed")
        return "".join(self.out)

    def _put(self, text: str) -> None:
        self.out.append(text)
        self.atom = "plain"

    def _escape(self) -> None:
        if self.at == len(self.pattern):
            raise BadPattern(f"bad pattern {self.pattern!r}: it ends with a backslash")
        char = self.pattern[self.at]
        self.at += 1
        if char in "(){}|+?" and not self.extended:
            self._operator(char)
        elif char in "123456789":
            raise BadPattern("back-references in a pattern are not supported by the memory sandbox")
        elif char in "<>bB":
            self.out.append(r"\B" if char == "B" else r"\b")
            self.atom = None
        elif char in "wWsS":
            self._put("\\" + char)
        else:
            self._put(re.escape({"n": "\n", "t": "\t"}.get(char, char)))

    def _anchors(self, char: str) -> bool:
        """Whether `^` or `$` is an anchor here: always in extended patterns, else only at an edge."""
        if self.extended:
            return True
        if char == "^":
            return not self.out or self.out[-1] in ("(", "|")
        return self.at == len(self.pattern) or self.pattern.startswith(("\\)", "\\|"), self.at)

    def _operator(self, char: str) -> None:
        if char == "(":
            self.groups.append(False)
            if len(self.groups) > _NESTING_LIMIT:
                raise BadPattern(f"groups are nested more than {_NESTING_LIMIT} deep")
            self.out.append("(")
            self.atom = None
        elif char == ")":
            if not self.groups:
                raise BadPattern(f"bad pattern {self.pattern!r}: a group is closed that is not open")
            repeating = self.groups.pop()
            self.out.append(")")
            self.atom = "repeating" if repeating else "plain"
            if repeating and self.groups:
                self.groups[-1] = True
        elif char == "|":
            self.out.append("|")
            self.atom = None
        elif char == "}" or self._is_plain(char):
            self._put(re.escape(char))
        else:
            self._repeat(char)

    def _is_plain(self, char: str) -> bool:
        """Whether a sign of repetition stands for itself: `{` before no digit, `*` at the start of a basic pattern."""
        if self.extended:
            return char == "{" and not self.pattern[self.at : self.at + 1].isdigit()
        return char == "*" and self.atom is None

    def _repeat(self, char: str) -> None:
        if self.atom is None:
            raise BadPattern(f"bad pattern {self.pattern!r}: there is nothing to repeat before {char!r}")
        if self.atom == "repeated" or (self.atom == "repeating" and char != "?"):
            raise BadPattern("a repeat of a repeat is not supported by the memory sandbox: it can take for ever")
        text = char
        if char == "{":
            end = re.compile(r"(\d{1,4})(,(\d{1,4})?)?" + ("}" if self.extended else r"\\}"))
            bounds = end.match(self.pattern, self.at)
            if not bounds or max(int(bounds[1]), int(bounds[3] or 0)) > _REPEAT_LIMIT:
                raise BadPattern(f"bad pattern {self.pattern!r}: an interval is {{n}}, {{n,}} or {{n,m}} up to 1000")
            self.at = bounds.end()
            text = f"{{{bounds[1]}{bounds[2] or ''}}}"
        self.out.append(text)
        self.repeats += char != "?" and not re.fullmatch(r"\{\d+\}", text)
        self.atom = "repeated"
        if char != "?" and self.groups:
            self.groups[-1] = True

    def _bracket(self) -> str:
        """The character class after `[`; POSIX: a backslash in it is a plain character."""
        end = len(self.pattern)
        negated = self.pattern.startswith("^", self.at)
        self.at += negated
        items: list[str] = []
        first = True
        while self.at < end and (first or self.pattern[self.at] != "]"):
            first = False
            if self.pattern.startswith("[:", self.at):
                close = self.pattern.find(":]", self.at)
                name = self.pattern[self.at + 2 : close] if close > 0 else ""
                if name not in _CLASSES:
                    raise BadPattern(f"there is no character class [:{name}:]")
                items.append(_CLASSES[name])
                self.at = close + 2
                continue
            low = self.pattern[self.at]
            self.at += 1
            following = self.pattern[self.at : self.at + 2]
            if len(following) == 2 and following[0] == "-" and following[1] != "]":
                self.at += 2
                items.append(f"{_literal(low)}-{_literal(following[1])}")
            else:
                items.append(_literal(low))
        if self.at >= end:
            raise BadPattern(f"bad pattern {self.pattern!r}: '[' is not closed")
        self.at += 1
        return f"[{'^' if negated else ''}{''.join(items)}]"


def _literal(char: str) -> str:
    return char if char.isalnum() or char == " " or ord(char) > 127 else f"\\{char}"
