"""`batchUpdate`: many requests at once, all of them done or none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from terrarium.capability.google_sheets import cells_request, range_request, sheet_request
from terrarium.capability.google_sheets.book import Book
from terrarium.capability.google_sheets.fault import Fault, bad
from terrarium.capability.google_sheets.shape import read

REQUESTS_LIMIT = 5_000

Do = Callable[[Book, dict[str, Any]], dict[str, Any] | None]

KINDS: Mapping[str, tuple[Any, Do]] = {**sheet_request.KINDS, **cells_request.KINDS, **range_request.KINDS}


def run(book: Book, requests: Any) -> list[dict[str, Any]]:
    """Do requests in order and give their replies.

    Raises:
        Fault: One of them cannot be done; then none of them may be kept.
    """
    if not isinstance(requests, list) or not requests:
        raise bad("Must specify at least one request.")
    if len(requests) > REQUESTS_LIMIT:
        raise bad(f"Too many requests: at most {REQUESTS_LIMIT} at once.")
    replies = []
    for place, request in enumerate(requests):
        where = f"requests[{place}]"
        if not isinstance(request, dict) or len(request) != 1:
            raise bad(f"Invalid value at '{where}': it must have exactly one kind")
        [(kind, told)] = request.items()
        if kind not in KINDS:
            raise Fault(
                400, f"Invalid JSON payload received. Unknown name \"{kind[:100]}\" at '{where}': Cannot find field."
            )
        shape, do = KINDS[kind]
        told = read({} if told is None else told, shape, f"{where}.{_snake(kind)}")
        try:
            replies.append({kind: reply} if (reply := do(book, told)) else {})
        except Fault as fault:
            raise Fault(fault.code, f"Invalid {where}.{kind}: {fault.message}", fault.reason) from None
    book.desk.touch(book.id)
    return replies


def _snake(kind: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in kind)
