from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from terrarium.capability.address import parse_address
from terrarium.capability.letter import REFERENCES_LIMIT, SIZE_LIMIT, Letter, answering, compose, message_id
from terrarium.core.errors import Refused

ANN = parse_address("Ann <ann@corp.example>")


def letter(**parts: Any) -> Letter:
    return compose(**{"sender": ANN, "to": "bob@x", "subject": "Hi", "body": "text"} | parts)


@pytest.mark.parametrize(
    "parts",
    [
        {"to": []},
        {"to": None},
        {"to": "nobody"},
        {"subject": "Hi\r\nBcc: eve@x"},
        {"subject": "Hi\nthere"},
        {"subject": "Hi\x85"},
        {"subject": None},
        {"body": b"bytes"},
        {"html": 5},
        {"date": "2030-01-01"},
        {"in_reply_to": "no id"},
        {"in_reply_to": "<a@x>\r\nX: y"},
        {"attachments": "file"},
        {"attachments": ["file"]},
        {"attachments": [("file",)]},
        {"attachments": [("", b"")]},
        {"attachments": [("a\nb", b"")]},
        {"attachments": [("a" * 256, b"")]},
        {"attachments": [("a", 5)]},
        {"headers": ["X"]},
        {"headers": {"X Y": "z"}},
        {"headers": {"X:": "z"}},
        {"headers": {"X-A": "a\r\nBcc: eve@x"}},
        {"headers": {"bcc": "eve@x"}},
        {"headers": {"Content-Type": "text/html"}},
        {"headers": {"Reply-To": "nobody"}},
        {"headers": {"Reply-To": ""}},
    ],
)
def test_refuses_bad_parts(parts: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        letter(**parts)


def test_the_limit_is_25_megabytes_of_everything() -> None:
    room = SIZE_LIMIT - letter().size
    assert letter(attachments=[("a", bytes(room - 1))]).size == SIZE_LIMIT
    for parts in ({"attachments": [("a", bytes(room))]}, {"body": "ü" * (room // 2 + 5)}):
        with pytest.raises(Refused, match="25 MB"):
            letter(**parts)


def test_line_ends_become_lf() -> None:
    assert letter(body="a\r\nb\rc\nd", html="<p>\r\n</p>").body == "a\nb\nc\nd"


def test_bcc_alone_is_enough() -> None:
    assert letter(to=[], bcc="eve@x").bcc[0].spec == "eve@x"


def test_dates_keep_offsets_that_a_header_can_hold() -> None:
    whole = timezone(timedelta(hours=5, minutes=30))
    assert letter(date=datetime(2030, 1, 1)).date == datetime(2030, 1, 1, tzinfo=UTC)
    kept = letter(date=datetime(2030, 1, 1, tzinfo=whole)).date
    assert kept is not None
    assert kept.utcoffset() == timedelta(hours=5, minutes=30)
    odd = datetime(1890, 1, 1, tzinfo=timezone(timedelta(minutes=53, seconds=28)))
    moved = letter(date=odd).date
    assert moved == odd
    assert moved is not None
    assert moved.tzinfo is UTC


def test_message_ids_get_their_brackets() -> None:
    assert message_id("a@x") == message_id(" <a@x> ") == "<a@x>"


def test_references_of_long_threads_are_shortened() -> None:
    chain: list[str] = []
    for number in range(50):
        chain = answering(f"<{number}@x>", {"references": chain})
    assert len(chain) == REFERENCES_LIMIT
    assert (chain[0], chain[1], chain[-1]) == ("<0@x>", "<31@x>", "<49@x>")
    assert answering("<a@x>", None) == ["<a@x>"]
