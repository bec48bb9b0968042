"""Text of filters: collations and ways to match (RFC 4791, section 9.7.5; RFC 6352, section 10.5.4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from terrarium.capability.webdav.answer import Failed

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_COLLATIONS: dict[str, Callable[[str], str]] = {
    "i;ascii-casemap": lambda text: "".join(chr(ord(ch) + 32) if "A" <= ch <= "Z" else ch for ch in text),
    "i;octet": lambda text: text,
    "i;unicode-casemap": str.casefold,
    "default": str.casefold,
}
_MATCHES: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda text, wanted: wanted in text,
    "equals": lambda text, wanted: text == wanted,
    "starts-with": str.startswith,
    "ends-with": str.endswith,
}


def text_match(element: Element, space: str, usual: str = "i;ascii-casemap") -> Callable[[str], bool]:
    """The test of a `text-match` element.

    Args:
        element: What says it.
        space: The namespace of the protocol, in which its conditions are named.
        usual: The collation where none is named.

    Raises:
        Failed: 403 for a collation or a way that is not known.
    """
    collation = element.get("collation", usual)
    fold, compare = _COLLATIONS.get(collation), _MATCHES.get(element.get("match-type", "contains"))
    if fold is None:
        raise Failed(403, f"{{{space}}}supported-collation", f"{collation[:60]!r} is not a collation known here")
    if compare is None:
        told = "match-type is contains, equals, starts-with or ends-with"
        raise Failed(403, f"{{{space}}}supported-filter", told)
    wanted, negated = fold(element.text or ""), element.get("negate-condition", "no") == "yes"
    return lambda text: compare(fold(text), wanted) != negated
