"""Sections, envelopes and structures of messages, the broken ones too."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terrarium.capability.imap.address_list import Mailbox, read_addresses
from terrarium.capability.imap.scanner import BadCommand, Scanner
from terrarium.capability.imap.section import ITEMS_LIMIT, Section, scan_items, select
from terrarium.capability.imap.structure import envelope, structure
from terrarium.capability.mime_part import part_of

NESTED = b"""From: Ann <ann@x>
Subject: outer
Content-Type: multipart/mixed; boundary=A

preamble
--A
Content-Type: text/plain

first
--A
Content-Type: message/rfc822
Content-Description: inside

Subject: inner
X-Fold: one
 two
Content-Type: multipart/alternative; boundary="B"

--B

plain
--B
Content-Type: text/html

<b>html</b>
--B--
--A
Content-Type: message/rfc822

Subject: single

just text
--A--
epilogue
""".replace(b"\n", b"\r\n")


def cut(spec: str, raw: bytes = NESTED) -> bytes | None:
    items = scan_items(Scanner((spec.encode(),))).items
    assert items[0].section is not None
    return items[0].section.of(part_of(raw))


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ("BODY[]", NESTED),
        ("BODY[]<0.4>", b"From"),
        ("BODY[]<99999.4>", b""),
        ("BODY[1]", b"first"),
        ("BODY[1.1]", None),
        ("BODY[1.HEADER]", None),
        ("BODY[1.MIME]", b"Content-Type: text/plain\r\n\r\n"),
        ("BODY[2.HEADER.FIELDS (subject)]", b"Subject: inner\r\n\r\n"),
        ("BODY[2.HEADER.FIELDS.NOT (Subject Content-Type)]", b"X-Fold: one\r\n two\r\n\r\n"),
        ("BODY[2.1]", b"plain"),
        ("BODY[2.2]", b"<b>html</b>"),
        ("BODY[2.2.MIME]", b"Content-Type: text/html\r\n\r\n"),
        ("BODY[2.3]", None),
        ("BODY[3]", b"Subject: single\r\n\r\njust text"),
        ("BODY[3.1]", b"just text"),
        ("BODY[3.TEXT]", b"just text"),
        ("BODY[4]", None),
        ("BODY[HEADER.FIELDS (X-None)]", b"\r\n"),
    ],
)
def test_sections(spec, found):
    assert cut(spec) == found


def test_a_message_without_parts_is_its_own_first_part():
    raw = b"Subject: x\r\n\r\nhello\r\n"
    assert cut("BODY[1]", raw) == b"hello\r\n"
    assert cut("BODY[TEXT]", raw) == b"hello\r\n"
    assert cut("BODY[HEADER]", raw) == b"Subject: x\r\n\r\n"
    assert cut("BODY[2]", raw) is None


def test_the_structure_of_a_message_in_a_message():
    inner = NESTED[
        NESTED.index(b"Subject: inner") : NESTED.index(b"\r\n--A\r\nContent-Type: message/rfc822\r\n\r\nSubj")
    ]
    text = b'("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" %d 0)'
    html = b'("text" "html" ("charset" "us-ascii") NIL NIL "7bit" 11 0)'
    subject = b'(NIL "%b" NIL NIL NIL NIL NIL NIL NIL NIL)'
    size, lines = len(inner), inner.count(b"\n")
    assert structure(part_of(NESTED), extended=False) == b"".join(
        [
            b"(" + text % 5,
            b'("message" "rfc822" NIL NIL "inside" "7bit" %d ' % size + subject % b"inner" + b" ",
            b"(" + text % 5 + html + b' "alternative") %d)' % lines,
            b'("message" "rfc822" NIL NIL NIL "7bit" %d ' % len(b"Subject: single\r\n\r\njust text"),
            subject % b"single" + b" " + text % 9 + b" 2)",
            b' "mixed")',
        ]
    )


def test_an_envelope_shows_groups_names_and_what_is_missing():
    raw = 'Date: whenever\nFrom: "A \\"B\\" C" <a@x>\nTo: Team: b@x, C <c@x>;, d@x\nCc:\nSubject: Grüße\n\n'.encode()
    told = envelope(part_of(raw))
    person = b'(("A \\"B\\" C" NIL "a" "x"))'
    group = b'((NIL NIL "Team" NIL)(NIL NIL "b" "x")("C" NIL "c" "x")(NIL NIL NIL NIL)(NIL NIL "d" "x"))'
    senders = b" ".join([person] * 3)
    assert told == b'("whenever" {7}\r\n' + "Grüße".encode() + b" " + senders + b" " + group + b" NIL NIL NIL NIL)"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"", []),
        (b"a@x, b@y", [Mailbox(None, b"a", b"x"), Mailbox(None, b"b", b"y")]),
        (b"<@r,@s:u@v>", [Mailbox(None, b"u", b"v")]),
        (b"c@z (Carl)", [Mailbox(b"Carl", b"c", b"z")]),
        (b"nonsense", [Mailbox(None, b"nonsense", b"")]),
        (b"undisclosed-recipients:;", [Mailbox(None, b"undisclosed-recipients", None), Mailbox(None, None, None)]),
        (b'"x, y" <a@x>', [Mailbox(b"x, y", b"a", b"x")]),
        (b"<@r , @s:u@v>, < @r:b@y>", [Mailbox(None, b"u", b"v"), Mailbox(None, b"b", b"y")]),
        (b'a@x, "open <b@y>', [Mailbox(None, b"a", b"x"), Mailbox(None, b"open <b@y>", b"")]),
        (b"a@[1.2.3.4], b@[5", [Mailbox(None, b"a", b"[1.2.3.4]"), Mailbox(None, b"b", b"[5")]),
    ],
)
def test_addresses(text, found):
    assert read_addresses(text) == found


JUNK = st.lists(
    st.sampled_from(
        [b"\r\n", b"\n", b"\r", b"--A", b"--A--", b"Content-Type: ", b"multipart/mixed; boundary=A", b"message/rfc822",
         b" ", b"From: ", b'"', b"(", b"<", b">", b"@", b":", b";", b",", b"\\", b"\xff", b"\x00",
         b"Subject: x", b"text/plain"]
    )
    | st.binary(max_size=5),
    max_size=40,
).map(b"".join)  # fmt: skip


@given(JUNK)
def test_any_bytes_have_an_envelope_and_a_structure(raw):
    message = part_of(raw)
    for told in (envelope(message), structure(message, extended=True), structure(message, extended=False)):
        # Nothing that would end a response too early: every line break is that in front of a literal.
        assert (told[:1], told[-1:]) == (b"(", b")")
        rest = told
        while b"\r" in rest or b"\n" in rest or b"\0" in rest:
            head, _, rest = rest.partition(b"\r\n")
            assert head.endswith(b"}")
            assert b"\n" not in head
            rest = rest[int(head[head.rindex(b"{") + 1 : -1]) :]
    assert Section((1,)).of(message) is not None


@pytest.mark.parametrize("unit", [b'"\\', b"[", b",@a", b"(", b"<", b"a:", b"\\", b"a,"])
def test_reading_takes_linear_time_whatever_stands_there(unit):
    """With time by the square of the length, each of these would take minutes."""
    line = (b"<@a" if unit == b",@a" else b"") + unit * (250_000 // len(unit))
    for name in (b"From", b"Content-Type", b"Content-Type: text/plain; a"):
        message = part_of(name + b": " + line + b"\r\n\r\nx")
        assert envelope(message).startswith(b"(")
        assert structure(message, extended=True).startswith(b"(")


def test_a_long_line_that_is_no_header_is_passed_over_at_once():
    header = b"Subject: x\r\n" + b"a" * 250_000 + b"\r\nTo: y\r\n\tz\r\n\r\n"
    assert select(header, frozenset({"to"})) == b"To: y\r\n\tz\r\n\r\n"
    assert select(header, frozenset({"to"}), without=True) == b"Subject: x\r\n\r\n"


def test_a_message_of_very_many_parts_is_taken_apart_only_so_far():
    within = b"Content-Type: multipart/mixed; boundary=B\n\n" + b"--B\n\n" * 1000
    told = structure(
        part_of(b"Content-Type: multipart/mixed; boundary=A\n\n" + (b"--A\n" + within) * 1000), extended=True
    )
    assert 1000 < told.count(b'"text"') < 5000
    assert told.endswith(b'"mixed" ("boundary" "A") NIL NIL NIL)')


def test_messages_in_a_message_have_their_addresses_read_only_so_far():
    inner = b"Content-Type: message/rfc822\n\nTo: " + b"a@x," * 25_000 + b"\n\nhello\n"
    told = structure(
        part_of(b"Content-Type: multipart/mixed; boundary=A\n\n" + (b"--A\n" + inner) * 100), extended=True
    )
    assert 25_000 < told.count(b'(NIL NIL "a" "x")') < 50_000


def test_what_one_fetch_asks_for_is_limited():
    asked = " ".join(f"BODY[{number}]" for number in range(1, ITEMS_LIMIT + 2))
    with pytest.raises(BadCommand, match="at most"):
        scan_items(Scanner([f"({asked})".encode()]))
