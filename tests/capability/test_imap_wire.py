"""Bytes become commands, in whatever pieces they come, and never more of them are held than the limits say."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terrarium.capability.imap.wire import DISCARD_LIMIT, LINE_LIMIT, SHORT, Lines, TooLong, TooMuch, Wanted, Wire
from terrarium.capability.mail_wire import Room


def heard(data: bytes, cuts: list[int] | None = None, trusted: bool = True) -> list[object]:
    wire = Wire(append_limit=5000)
    wire.trusted = trusted
    found: list[object] = []
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts or [])})
    for start, end in itertools.pairwise(places):
        wire.feed(data[start:end])
        while (one := wire.next()) is not None:
            found.append(one)
    return found


CHAT = (
    b"a NOOP\r\nb LOGIN {3}\r\nann {4+}\r\nabcd\nc APPEND INBOX {0}\r\n\r\n"
    b"d APPEND INBOX {5001}\r\ne NOOP {70000+}\r\n" + b"x" * 70000 + b"\r\n\r\nf OK\r\n"
)


@given(st.lists(st.integers(0, len(CHAT)), max_size=30))
def test_it_does_not_matter_in_which_pieces_bytes_come(cuts):
    wanted = [one for one in heard(CHAT) if not isinstance(one, Wanted)]
    assert wanted == [
        Lines((b"a NOOP",)),
        Lines((b"b LOGIN ", b"ann", b" ", b"abcd", b"")),
        Lines((b"c APPEND INBOX ", b"", b"")),
        TooLong("d", True),
        Lines((b"e NOOP ", b"x" * 70000, b"")),
        Lines((b"",)),
        Lines((b"f OK",)),
    ]
    assert [one for one in heard(CHAT, cuts) if not isinstance(one, Wanted)] == wanted


def test_a_literal_is_asked_for_unless_the_client_does_not_wait():
    assert heard(b"a LOGIN {1}\r\n") == [Wanted()]
    assert heard(b"a LOGIN {1+}\r\n") == []


def test_a_long_literal_is_refused_before_it_is_sent_or_thrown_away():
    assert heard(b"a LOGIN {4294967296}\r\nb NOOP\r\n") == [TooLong("a", True), Lines((b"b NOOP",))]
    bomb = b"a LOGIN {2000000+}\r\n" + b"x" * 2_000_000 + b" {3}\r\nb NOOP\r\n"
    assert heard(bomb) == [TooLong("a", True), Lines((b"b NOOP",))]
    with pytest.raises(TooMuch):
        heard(b"a LOGIN {4294967296+}\r\n")


def test_a_stranger_may_send_less():
    assert heard(b"a LOGIN {9000}\r\n", trusted=False) == [TooLong("a", True)]
    assert heard(b"a APPEND INBOX {9000}\r\n", trusted=False) == [TooLong("a", True)]


def test_a_long_line_is_thrown_away_and_the_next_one_is_read():
    line = b"a FETCH " + b"1," * LINE_LIMIT + b"\r\n"
    assert heard(line + b"b NOOP\r\n", [100, LINE_LIMIT]) == [TooLong("a", False), Lines((b"b NOOP",))]


def test_a_line_without_end_is_not_kept():
    wire = Wire(append_limit=5000)

    def flood() -> None:
        for _ in range(DISCARD_LIMIT // 2**20 + 10):
            wire.feed(b"x" * 2**20)
            assert wire.next() is None
            assert wire.held <= LINE_LIMIT

    with pytest.raises(TooMuch):
        flood()


def test_literals_without_end_are_refused():
    found = heard(b"a SEARCH " + b"TEXT {1+}\r\nx " * 3000 + b"\r\nb NOOP\r\n")
    assert found[-1] == Lines((b"b NOOP",))
    assert TooLong("a", True) in found or TooLong("a", False) in found


def test_connections_of_one_caller_share_a_room():
    room = Room(3 * SHORT)
    one, other = Wire(10 * SHORT, room), Wire(10 * SHORT, room)
    one.trusted = other.trusted = True
    announced = b"a APPEND INBOX {%d}\r\n" % (2 * SHORT)
    for wire in (one, other):
        wire.feed(announced)
    assert (one.next(), other.next()) == (Wanted(), TooLong("a", True))
    one.feed(b"x" * 2 * SHORT + b"\r\n")
    assert isinstance(one.next(), Lines)
    other.feed(announced)
    assert other.next() == TooLong("a", True)
    one.release()
    other.feed(announced)
    assert other.next() == Wanted()
    other.release()  # the client has left
    assert room.used == 0
