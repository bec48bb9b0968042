"""Names of mailboxes on the wire: modified UTF-7 (RFC 3501, 5.1.3) and the patterns of LIST (6.3.8)."""

from __future__ import annotations

import base64
import binascii
import re

from terrarium.capability.imap.scanner import ASTRING, PATTERN, BadCommand, Scanner

NAME_LIMIT = 1000  # bytes on the wire

_SHIFTED = re.compile(rb"&([A-Za-z0-9+,]*)-")


def decode_name(raw: bytes) -> str:
    """The name behind its form on the wire; names in UTF-8 are understood too.

    Raises:
        BadCommand: It is neither, or too long.
    """
    if len(raw) > NAME_LIMIT:
        raise BadCommand("the name of a mailbox is too long")
    try:
        if not raw.isascii():
            return raw.decode()
        parts, at = [], 0
        for shifted in _SHIFTED.finditer(raw):
            parts.append(raw[at : shifted.start()].decode("ascii"))
            parts.append(_unshift(shifted[1]))
            at = shifted.end()
        return "".join([*parts, raw[at:].decode("ascii")])
    except (UnicodeDecodeError, binascii.Error):
        raise BadCommand("the name of a mailbox must be modified UTF-7") from None


def encode_name(name: str) -> bytes:
    """The name in modified UTF-7."""
    found, waiting = bytearray(), ""
    for character in [*name, ""]:
        if character and not " " <= character <= "~":
            waiting += character
            continue
        if waiting:
            coded = base64.b64encode(waiting.encode("utf-16-be", "surrogatepass"), b"+,").rstrip(b"=")
            found += b"&" + coded + b"-"
            waiting = ""
        found += b"&-" if character == "&" else character.encode("ascii")
    return bytes(found)


def scan_name(scanner: Scanner) -> str:
    """The name of a mailbox that comes next; the one INBOX in its usual spelling.

    Raises:
        BadCommand: None does.
    """
    return tidy(decode_name(scanner.astring("the name of a mailbox", ASTRING)))


def scan_pattern(scanner: Scanner) -> str:
    """A pattern of LIST.

    Raises:
        BadCommand: There is none.
    """
    return decode_name(scanner.astring("a pattern", PATTERN))


def tidy(name: str) -> str:
    """A name without slash at its end, and with INBOX in capital letters."""
    name = name.rstrip("/")
    first, slash, rest = name.partition("/")
    return f"INBOX{slash}{rest}" if first.lower() == "inbox" else name


def tidy_pattern(pattern: str) -> str:
    """A pattern with INBOX in capital letters."""
    return "INBOX" + pattern[5:] if re.match(r"inbox(?![^/*%])", pattern, re.IGNORECASE) else pattern


def matches(pattern: str, reference: str, name: str) -> bool:
    """Whether a name fits a pattern of LIST. Takes time linear in both, times the number of wildcards."""
    return _match(tidy_pattern(reference + pattern), name)


def _match(pattern: str, name: str) -> bool:
    """Dynamic programming over the pattern: no backtracking, however many wildcards somebody sends."""
    at = {0}
    for character in re.sub(r"[*%]*\*[*%]*", "*", re.sub("%+", "%", pattern)):
        if character == "*":
            at = set(range(min(at), len(name) + 1))
        elif character == "%":
            reached: set[int] = set()
            for start in sorted(at):
                if start in reached:
                    continue
                end = name.find("/", start)
                reached.update(range(start, (len(name) if end < 0 else end) + 1))
            at = reached
        else:
            at = {place + 1 for place in at if place < len(name) and name[place] == character}
        if not at:
            return False
    return len(name) in at


def _unshift(coded: bytes) -> str:
    if not coded:
        return "&"
    plain = base64.b64decode(coded + b"=" * (-len(coded) % 4), b"+,", validate=True)
    return plain.decode("utf-16-be")
