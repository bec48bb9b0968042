"""Mail addresses: `ann@corp.example` or `Ann Lee <ann@corp.example>`, read strictly and compared without case.

The grammar is our own, because the standard library's differs between versions of Python in what it lets pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from terrarium.core.errors import Refused

_ATOM = r"[^\s@<>()\[\],;:\\\".\x00-\x1f\x7f\ufffd]+"
_DOMAIN = r"[^\s@<>()\[\],;:\\\"./\x00-\x1f\x7f\ufffd]+"
_SPEC = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@{_DOMAIN}(?:\.{_DOMAIN})*")
_PART = r'(?:"(?:[^"\\]|\\.)*"|[^,"])+'
_LIST = re.compile(rf"{_PART}(?:,{_PART})*")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_UNSAFE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\x85\u2028\u2029]")
_SPECIAL = re.compile(r'[][\\()<>@,:;".]')
_LONGEST = 320


@dataclass(frozen=True, slots=True)
class Address:
    """One mail address and the name shown with it, as they were written."""

    name: str
    spec: str

    @property
    def key(self) -> str:
        """The address in lower case: whose mailbox it is."""
        return self.spec.lower()

    def __str__(self) -> str:
        if not self.name:
            return self.spec
        if _SPECIAL.search(self.name):
            escaped = self.name.replace("\\", "\\\\").replace('"', '\\"')
            return f'"{escaped}" <{self.spec}>'
        return f"{self.name} <{self.spec}>"


def plain_text(what: str, value: object) -> str:
    """`value` as text that can be encoded: a lone surrogate becomes U+FFFD.

    Raises:
        Refused: It is not text.
    """
    if not isinstance(value, str):
        raise Refused(f"{what} must be text, not {type(value).__name__}")
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return value


def header_text(what: str, value: object) -> str:
    """`value` as text that fits into one header line.

    Raises:
        Refused: It is not text, or holds a line break or another control character.
    """
    text = plain_text(what, value)
    if _UNSAFE.search(text):
        raise Refused(f"{what} may not hold line breaks or control characters: {text[:80]!r}")
    return text


def parse_address(value: object) -> Address:
    """The one address in `value`.

    Raises:
        Refused: It is not exactly one address.
    """
    found = parse_addresses(value)
    if len(found) != 1:
        raise Refused(f"one mail address is needed, not {value!r}"[:200])
    return found[0]


def parse_addresses(value: object) -> list[Address]:
    """The addresses in a text separated by commas, or in a list of such texts; None and blank text hold none.

    Raises:
        Refused: Something in it is not an address.
    """
    if value is None:
        return []
    if isinstance(value, (list, tuple)):
        return [address for item in value for address in parse_addresses(item)]
    text = header_text("a mail address", value).strip()
    if not text:
        return []
    if not _LIST.fullmatch(text):
        raise Refused(f"{text[:80]!r} is not a list of mail addresses")
    return [_parse(part) for part in re.findall(_PART, text)]


def distinct(addresses: Iterable[Address], besides: Sequence[str] = ()) -> list[Address]:
    """The addresses without repetitions and without those whose key is in `besides`, in their order."""
    found: dict[str, Address] = {}
    for address in addresses:
        if address.key not in besides:
            found.setdefault(address.key, address)
    return list(found.values())


def _parse(part: str) -> Address:
    text, name, spec = part.strip(), "", part.strip()
    if text.endswith(">"):
        name, _, spec = text[:-1].rpartition("<")
        name, spec = name.strip(), spec.strip()
        quoted = _QUOTED.fullmatch(name)
        if quoted:
            name = re.sub(r"\\(.)", r"\1", quoted[1])
        elif re.search(r'[<>@;"\\]', name):
            raise Refused(f"{text[:80]!r} is not a mail address: put the name in double quotes")
    if len(spec) > _LONGEST or not _SPEC.fullmatch(spec):
        raise Refused(f"{text[:80]!r} is not a mail address; write 'ann@corp.example' or 'Ann <ann@corp.example>'")
    return Address(name, spec)
