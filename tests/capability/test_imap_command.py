"""The grammar: what can be said, and that nothing at all makes it raise anything but a typed error."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from terrarium.capability.imap.command import parse_command, tag_of
from terrarium.capability.imap.criteria import (
    All,
    BadCharset,
    Day,
    Either,
    Flagged,
    Header,
    Not,
    Numbers,
    TooManyTexts,
    Words,
)
from terrarium.capability.imap.request import (
    Append,
    Command,
    Fetch,
    Listing,
    Login,
    Named,
    Search,
    Status,
    Store,
    Thread,
)
from terrarium.capability.imap.scanner import BadCommand
from terrarium.capability.imap.section import Item, Items, Section
from terrarium.capability.imap.sequence import STAR, SequenceSet, compact

WORDS = [
    b"a ", b"LOGIN", b"UID", b"FETCH", b"SEARCH", b"STORE", b"LIST", b"STATUS", b"APPEND",
    b"SORT", b"THREAD", b"SELECT", b"RETURN", b"CHARSET", b"UTF-8", b"NOT", b"OR", b"BODY",
    b"BODY[", b"BODY.PEEK[", b"HEADER.FIELDS", b".MIME", b"<0.1>", b"FLAGS", b"+FLAGS.SILENT", b"\\Seen", b"INBOX",
    b"SINCE", b"1-Jan-2030", b"1:*", b"4294967295", b"REFERENCES", b"REVERSE", b"SUBJECT", b"(", b")",
    b"[", b"]", b"<", b">", b"{", b"}", b'"', b"\\", b" ",
    b",", b":", b"*", b"%", b"&-", b"&AAA-", b"~", b"\x00", b"\xff",
    b"\r", b"NIL", b"ID", b"ENABLE", b'" 1-Jan-2030 00:00:00 +0000"', b"AUTHENTICATE", b"PLAIN", b"=", b"0",
]  # fmt: skip
TEXT = st.lists(st.sampled_from(WORDS) | st.binary(max_size=6), max_size=25).map(b"".join)
SPACED = st.lists(st.sampled_from(WORDS), max_size=15).map(b" ".join)
PARTS = st.tuples(st.just(b"a "), TEXT | SPACED, st.lists(st.tuples(st.binary(max_size=8), TEXT), max_size=3))


@settings(max_examples=1500)
@given(PARTS)
@example((b"", b"", []))
@example((b"a ", b"SEARCH " + b"(" * 5000, []))
@example((b"a ", b"SEARCH " + b"NOT " * 5000 + b"ALL", []))
@example((b"a ", b"FETCH 1 BODY[" + b"1." * 5000 + b"]", []))
@example((b"a ", b"FETCH " + b"9" * 5000 + b" FLAGS", []))
@example((b"a ", b'APPEND x "31-Dec-9999 23:59:59 -9999" ', [(b"", b"")]))
@example((b"a ", b'APPEND x " 1-Jan-0001 00:00:00 +1400" ', [(b"", b"")]))
def test_a_command_raises_nothing_but_the_typed_errors(said):
    start, text, rest = said
    parts = (start + text, *(piece for pair in rest for piece in pair))
    try:
        command = parse_command(parts)
    except (BadCommand, BadCharset, TooManyTexts):
        return
    assert command.tag == tag_of(parts)


def parsed(text: bytes, *rest: bytes) -> Command:
    return parse_command((b"t1 " + text, *rest))


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        (b'LOGIN "a b\\"c" pw', Login(b'a b"c', b"pw")),
        (b"SELECT inbox", Named("INBOX")),
        (b"SELECT inbox/Later", Named("INBOX/Later")),
        (b'SELECT "Entw&APw-rfe"', Named("Entwürfe")),
        (b'LIST "" %', Listing("", "%")),
        (b"STATUS x (MESSAGES UIDNEXT)", Status("x", ("MESSAGES", "UIDNEXT"))),
        (
            b"STORE 1:* -FLAGS.SILENT (\\Seen $Work)",
            Store(SequenceSet(((1, STAR),)), "remove", True, ("\\Seen", "$Work")),
        ),
        (b"STORE 1,3 FLAGS \\Seen Work", Store(SequenceSet(((1, 1), (3, 3))), "replace", False, ("\\Seen", "Work"))),
        (b"THREAD REFERENCES UTF-8 ALL", Thread("REFERENCES", All((All(()),)))),
        (
            b"SORT (REVERSE DATE SUBJECT) UTF-8 SEEN",
            Search(All((Flagged("\\seen"),)), None, (("DATE", True), ("SUBJECT", False))),
        ),
        (
            b'SEARCH RETURN (MIN COUNT) OR FROM "A" (NOT TEXT b SENTON 4-Mar-2030) 2:4',
            Search(
                All(
                    (
                        Either(
                            Header("from", "a"),
                            All((Not(Words("anywhere", "b")), Day("sent", "on", date(2030, 3, 4)))),
                        ),
                        Numbers(SequenceSet(((2, 4),)), False),
                    )
                ),
                ("MIN", "COUNT"),
            ),
        ),
        (
            b'FETCH 2 (FLAGS BODY.PEEK[1.2.HEADER.FIELDS (From "x")]<5.10> RFC822)',
            Fetch(
                SequenceSet(((2, 2),)),
                Items(
                    (
                        Item("FLAGS"),
                        Item("BODY", Section((1, 2), "HEADER.FIELDS", (b"From", b"x"), (5, 10))),
                        Item("RFC822", Section(), True),
                    )
                ),
            ),
        ),
    ],
)
def test_what_commands_mean(text, request_):
    assert parsed(text).request == request_


def test_append_takes_flags_a_date_and_an_empty_message():
    zone = timezone(timedelta(hours=-5))
    found = parsed(b'APPEND Sent (\\Seen) " 7-Mar-2025 23:30:00 -0500" ', b"", b"").request
    assert found == Append("Sent", ("\\Seen",), datetime(2025, 3, 7, 23, 30, tzinfo=zone), b"")
    assert parsed(b"APPEND Sent ", b"x", b"").request == Append("Sent", (), None, b"x")
    assert datetime(2025, 3, 8, 4, 30, tzinfo=UTC) == found.received


@pytest.mark.parametrize(
    "text",
    [
        b"", b"NOOP x", b"LOGIN a", b"LOGIN a b c", b"FETCH 0 FLAGS", b"FETCH 4294967296 FLAGS", b"FETCH 1",
        b"FETCH 1 NONE",
        b"FETCH 1 BODY[0]", b"FETCH 1 BODY[MIME]", b"FETCH 1 BODY[]<1>", b"SEARCH NONSENSE", b"SEARCH", b"SEARCH (ALL",
        b"SEARCH SINCE 31-Feb-2030", b"SEARCH SINCE 2030-01-01", b"STORE 1 LABELS (x)", b"UID NOOP", b"STATUS x ()",
        b"STATUS x (SPAM)", b"SORT (SPAM) UTF-8 ALL", b"THREAD SPAM UTF-8 ALL", b"SELECT &AA-", b'SELECT "a', b"LIST %",
        b"SEARCH RETURN (SAVE) ALL", b'APPEND x "nonsense" ',
    ],
)  # fmt: skip
def test_what_nobody_can_read(text):
    with pytest.raises(BadCommand):
        parsed(text)


def test_charsets():
    found = parsed(b"SEARCH CHARSET utf-8 SUBJECT ", "Größe".encode(), b"").request
    assert found == Search(All((Header("subject", "grösse"),)))
    assert parsed(b"SEARCH CHARSET ISO-8859-1 SUBJECT ", "Größe".encode("latin-1"), b"").request == found
    assert parsed(b"SEARCH SUBJECT ", "Größe".encode("latin-1"), b"").request == found
    for broken in (b"SEARCH CHARSET X-NOPE ALL", b"SORT (DATE) KOI8-R ALL"):
        with pytest.raises(BadCharset):
            parsed(broken)
    with pytest.raises(BadCharset):
        parsed(b"SEARCH CHARSET US-ASCII SUBJECT ", b"\xff", b"")


def test_a_search_looks_for_so_many_texts():
    hundred = b"SEARCH " + b"NOT TEXT a " * 50 + b"OR SUBJECT b HEADER X-C d " * 25
    assert len(parsed(hundred[:-1]).request.criteria.of) == 75
    for one_more in (b"BODY e", b"NOT (CC e)"):
        with pytest.raises(TooManyTexts, match="may look for 100 texts; make several of it"):
            parsed(hundred + one_more)


def test_a_sort_key_that_comes_again_is_left_out():
    found = parsed(b"SORT (DATE REVERSE DATE " + b"REVERSE SUBJECT " * 5000 + b"DATE) UTF-8 ALL").request
    assert found.keys == (("DATE", False), ("SUBJECT", True))


NUMBERS = st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30) | st.just(STAR)), min_size=1, max_size=5)


@given(NUMBERS, st.sets(st.integers(1, 30)))
def test_a_set_picks_what_it_names(ranges, uids):
    held = sorted(uids)
    top = held[-1] if held else 0
    named = [(first, top if last == STAR else last) for first, last in ranges]
    wanted = [n for n in held if any(min(pair) <= n <= max(pair) for pair in named)]
    assert [held[index] for index in SequenceSet(tuple(ranges)).pick(held)] == wanted


def test_huge_sets_are_not_counted_through():
    huge = parsed(b"UID FETCH 1:4294967295,4294967295:1,*:1 FLAGS").request
    assert huge.numbers.pick([5, 70, 4_000_000_000]) == [0, 1, 2]


@given(st.lists(st.integers(1, 50)))
def test_numbers_as_a_set_name_the_same_numbers(numbers):
    found = []
    for part in compact(numbers).split(",") if numbers else []:
        low, _, high = part.partition(":")
        found += range(int(low), int(high or low) + 1)
    assert found == numbers
