"""Names of mailboxes on the wire, and the patterns of LIST."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terrarium.capability.imap.mailbox_name import decode_name, encode_name, matches, tidy
from terrarium.capability.imap.scanner import BadCommand

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(NAMES)
def test_a_name_survives_the_wire(name):
    raw = encode_name(name)
    assert raw.isascii()
    assert decode_name(raw) == name


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("Entwürfe", b"Entw&APw-rfe"),
        ("R&D", b"R&-D"),
        ("~peter/mail/台北/日本語", b"~peter/mail/&U,BTFw-/&ZeVnLIqe-"),  # RFC 3501, 5.1.3
        ("😀", b"&2D3eAA-"),
    ],
)
def test_modified_utf_7(name, raw):
    assert encode_name(name) == raw
    assert decode_name(raw) == name


def test_names_that_cannot_be_read():
    assert decode_name("größe".encode()) == "größe"
    for raw in (b"&AA-", b"&2D0-", b"\xff", b"x" * 2000):
        with pytest.raises(BadCommand):
            decode_name(raw)


@given(st.text("ab/*%", max_size=8), st.text("ab/", max_size=10))
def test_patterns_match_as_a_regular_expression_does(pattern, name):
    parts = {"*": ".*", "%": "[^/]*"}
    wanted = "".join(parts.get(letter, re.escape(letter)) for letter in pattern)
    assert matches(pattern, "", name) == bool(re.fullmatch(wanted, name))


def test_patterns_of_an_attacker_take_no_time():
    assert not matches("*a" * 400 + "b", "", "a" * 1000)
    assert not matches("%/" * 400 + "b", "", "a/" * 500)


def test_the_inbox_has_one_name():
    assert [tidy(name) for name in ("inbox", "InBox/x", "inboxes", "a/inbox", "Work/")] == [
        "INBOX", "INBOX/x", "inboxes", "a/inbox", "Work",
    ]  # fmt: skip
    assert matches("inbox", "", "INBOX")
    assert matches("%", "InBox/", "INBOX/x")
    assert not matches("work", "", "Work")
