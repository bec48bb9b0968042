"""Text as it stands in mail headers and bodies: charsets, encoded words, parameters, addresses, dates.

Reading never fails: what cannot be understood is shown as well as it can be. Sources: RFC 5322, 2047, 2231, 6532.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from terrarium.capability.address import Address, parse_addresses, plain_text
from terrarium.core.errors import Refused

_WORD = re.compile(r"=\?([^?\s]{1,60})\?([bBqQ])\?([^?\r\n]*)\?=")
_BETWEEN = re.compile(r"(\?=)[ \t]+(=\?[^?\s]{1,60}\?[bBqQ]\?)")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\x85\u2028\u2029]")
_FOLD = re.compile(rb"\r*\n(?=[ \t])")
_CHARSET = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:+-]{0,39}")
_NO_CHARSETS = frozenset({"idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined", "utf-7"})
_PARAMETER = re.compile(r';\s*([^\s=;"]{1,80})\s*=\s*("(?:[^"\\]|\\.)*"?|[^;]*)')
_PIECE = re.compile(r"(.+?)(?:\*(\d{1,3}))?(\*)?")
# Each alternative takes what it began with, closed or not, so that reading takes linear time whatever there is.
_ADDRESS = re.compile(r'"(?:[^"\\]|\\.)*"?|\((?:[^()\\]|\\.)*\)?|<[^<>]*>?|[,;]|[^"(<,;]+', re.DOTALL)
_LONGEST_VALUE = 256 * 1024  # bytes of one header that are looked at
_LONGEST_PARAMETERS = 4096


def decoded(data: bytes, charset: str = "") -> str:
    """Bytes as text: in `charset` where they are, else in UTF-8, else with replacements."""
    name = _known(charset)
    for candidate in (name, "utf-8"):
        try:
            return plain_text("text", data.decode(candidate))
        except (UnicodeError, ValueError):
            continue
    fallback = "cp1252" if name in ("ascii", "utf-8") else name
    return plain_text("text", data.decode(fallback, "replace"))


def unfolded(value: bytes) -> str:
    """A header's value on one line, with its encoded words as they are."""
    return decoded(_FOLD.sub(b"", value[:_LONGEST_VALUE])).strip()


def header_value(value: bytes) -> str:
    """A header's value as a person reads it; control characters become spaces."""
    return words_decoded(unfolded(value))


def words_decoded(text: str) -> str:
    """A text whose encoded words (RFC 2047) are decoded; those that cannot be stay as they are."""
    if "=?" in text:
        text = _WORD.sub(_word, _BETWEEN.sub(r"\1\2", text))
    return _CONTROL.sub(" ", text).strip()


def words_encoded(text: str) -> str:
    """A text as encoded words where a header could not hold it as it is."""
    if text.isascii() and "=?" not in text and max(map(len, text.split(" "))) < 900:
        return text
    words, data, start = [], text.encode(), 0
    while start < len(data):
        end = min(start + 45, len(data))
        while end < len(data) and data[end] & 0xC0 == 0x80:
            end -= 1  # never inside a character
        words.append(f"=?utf-8?b?{base64.b64encode(data[start:end]).decode()}?=")
        start = end
    return " ".join(words)


def parameters(value: bytes) -> tuple[str, dict[str, str]]:
    """A structured value, such as that of Content-Type: the word before the parameters, and those, RFC 2231 decoded."""
    text = unfolded(value[:_LONGEST_PARAMETERS])
    head, pieces = text.partition(";")[0].strip().lower(), dict[str, dict[int, tuple[bool, str]]]()
    for match in _PARAMETER.finditer(text):
        value_text = match[2].strip()
        if len(value_text) > 1 and value_text[0] == value_text[-1] == '"':
            value_text = re.sub(r"\\(.)", r"\1", value_text[1:-1])
        name = _PIECE.fullmatch(match[1].lower())
        if name is not None:
            numbers = pieces.setdefault(name[1], {})
            numbers.setdefault(int(name[2] or 0), (name[3] is not None, value_text))
    return head, {name: _joined(numbers) for name, numbers in pieces.items()}


def addresses(value: bytes) -> tuple[str, list[Address]]:
    """The addresses in a header, and its text in our own spelling; as it stands where not all could be read."""
    text = unfolded(value)
    found, whole = [], True
    for entry in _entries(text):
        try:
            found += parse_addresses(entry)
        except Refused:
            whole = False
    return (", ".join(map(str, found)) if whole and found else words_decoded(text)), found


def moment(value: bytes) -> datetime | None:
    """The moment of a Date header, or None where it cannot be understood."""
    try:
        found = parsedate_to_datetime(unfolded(value[:200]))
        offset = found.utcoffset()
        if offset is None:
            found = found.replace(tzinfo=UTC)
        elif offset % timedelta(minutes=1):
            found = found.astimezone(UTC)
        return datetime.fromisoformat(found.isoformat()) if 1900 <= found.year < 9999 else None
    except Exception:  # of whatever kind: the standard library raises several on bad dates
        return None


def _known(charset: str) -> str:
    """The name of a charset that Python decodes text with; ascii for others."""
    if not _CHARSET.fullmatch(charset):
        return "ascii"
    try:
        name = codecs.lookup(charset).name
        "".encode(name)  # refuses codecs that are not of text
    except (LookupError, ValueError, TypeError):
        return "ascii"
    return "ascii" if name.replace("_", "-") in _NO_CHARSETS else name


def _word(match: re.Match[str]) -> str:
    charset, kind, text = match[1].partition("*")[0], match[2].lower(), match[3].replace(" ", "")
    if kind == "q":
        return decoded(binascii.a2b_qp(match[3].encode(), header=True), charset)
    try:
        return decoded(base64.b64decode(text + "=" * (-len(text) % 4)), charset)
    except ValueError:
        return match[0]


def _joined(numbers: dict[int, tuple[bool, str]]) -> str:
    """The pieces of a parameter, percent-decoded where they say so."""
    if not any(encoded for encoded, _ in numbers.values()):
        return words_decoded("".join(numbers[number][1] for number in sorted(numbers)))
    charset, data = "", b""
    for number in sorted(numbers):
        encoded, text = numbers[number]
        if encoded and number == 0 and text.count("'") >= 2:
            charset, _, text = text.split("'", 2)
        piece = text.encode()
        data += re.sub(rb"%([0-9A-Fa-f]{2})", lambda m: bytes([int(m[1], 16)]), piece) if encoded else piece
    return _CONTROL.sub(" ", decoded(data, charset))


def _entries(text: str) -> Iterable[str]:
    """The addresses of a list, one by one, in the spelling of `parse_address`: no comments, groups or encoded words."""
    name: list[str] = []
    spec: str | None = None
    for token in [*_ADDRESS.findall(text), ","]:
        if token in ",;":
            entry = _entry(name, spec)
            if entry:
                yield entry
            name, spec = [], None
        elif token.startswith("<"):
            spec = token[1:].removesuffix(">").strip()
        elif not token.startswith("("):  # a comment
            if spec is None and not _quoted(token) and token.count(":") == 1 and "@" not in token.partition(":")[0]:
                token = token.partition(":")[2]  # the name of a group
            name.append(token)


def _entry(name: Sequence[str], spec: str | None) -> str:
    if spec is None:
        return "".join(name).strip()
    shown = "".join(re.sub(r"\\(.)", r"\1", part[1:-1]) if _quoted(part) else part for part in name)
    shown = words_decoded(" ".join(shown.split()))
    return str(Address(shown, spec))


def _quoted(token: str) -> bool:
    return len(token) > 1 and token[0] == token[-1] == '"'
