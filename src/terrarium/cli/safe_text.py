"""Text from agents and tasks, made safe for a terminal: what would steer it becomes visible instead."""

from __future__ import annotations

import re

VALUE_LINES = 200  # of one value, whatever is asked for
LINE_WIDTH = 1000  # characters of one line of a value

# C0 but newline and tab, DEL and C1; soft hyphen; marks and overrides of direction; invisible letters, line and
# paragraph separators; lone surrogates; the variation and tag letters that hide text in text.
_STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e0fff]"
)
_SHORT = {"\r": r"\r", "\x07": r"\a", "\x08": r"\b", "\x0b": r"\v", "\x0c": r"\f"}


def visible(text: str) -> str:
    """`text` with every control character, bidi override, invisible letter and lone surrogate as a visible escape."""
    return _STEERING.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    letter = match[0]
    code = ord(letter)
    if letter in _SHORT:
        return _SHORT[letter]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def one_line(text: str, width: int = 200) -> str:
    """The first line that is not empty, visible, cut to `width` characters; `…` says that something is missing."""
    lines = [line for line in text.strip().split("\n") if line.strip()]
    first = visible(lines[0].strip()).expandtabs(4) if lines else ""
    if len(first) > width:
        return first[: width - 1] + "…"
    return f"{first} …" if len(lines) > 1 else first


def clipped(text: str, lines: int) -> list[str]:
    """At most `lines` visible lines, each cut to a bearable width; the last one says how much is missing."""
    every = text.split("\n", VALUE_LINES + 1)
    lines = min(lines, VALUE_LINES)
    if len(every) > 1 and not every[-1]:
        every.pop()
    shown = [_cut(line) for line in every[:lines]]
    if len(every) > lines:
        missing = text.count("\n") + (not text.endswith("\n")) - lines
        shown.append(f"… {missing} more line{'s' if missing > 1 else ''}")
    return shown


def _cut(line: str) -> str:
    if len(line) > LINE_WIDTH:
        return f"{visible(line[:LINE_WIDTH])}… {len(line) - LINE_WIDTH} more characters"
    return visible(line)
