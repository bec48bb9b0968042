"""Conditions of requests: If-Match and If-None-Match (RFC 9110, section 13)."""

from __future__ import annotations

from collections.abc import Mapping

from terrarium.capability.webdav.answer import Failed


def check(headers: Mapping[str, str], etag: str | None) -> None:
    """Whether a write may go on.

    Args:
        headers: Of the request, names in small letters.
        etag: Of what is there, quoted; None: nothing is.

    Raises:
        Failed: 412 where a condition does not hold.
    """
    wanted, unwanted = headers.get("if-match"), headers.get("if-none-match")
    if wanted is not None and (etag is None or not _lists(wanted, etag, weak=False)):
        raise Failed(412, message="it has changed since, or is not there (If-Match)")
    if unwanted is not None and etag is not None and _lists(unwanted, etag):
        raise Failed(412, message="it is there already (If-None-Match)")


def not_modified(headers: Mapping[str, str], etag: str | None) -> bool:
    """Whether a reader has it already, as If-None-Match says."""
    given = headers.get("if-none-match")
    return given is not None and etag is not None and _lists(given, etag)


def _lists(given: str, etag: str, weak: bool = True) -> bool:
    tags = [entry.strip() for entry in given.split(",")]
    return "*" in tags or etag in ([entry.removeprefix("W/") for entry in tags] if weak else tags)
