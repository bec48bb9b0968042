"""IMAP from clients that talk nonsense: every command has its one answer, and what is refused has changed nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loopback import LiveMail

from effort import examples

LOGIN = b"in LOGIN agent any\r\n"
COMMANDS = (
    "APPEND AUTHENTICATE CAPABILITY CHECK CLOSE COPY CREATE DELETE ENABLE EXAMINE EXPUNGE FETCH ID IDLE LIST LOGIN "
    "LSUB MOVE NAMESPACE NOOP RENAME SEARCH SELECT SORT STATUS STORE SUBSCRIBE THREAD UID UNSELECT UNSUBSCRIBE XYZ"
)
WORDS = (
    r"INBOX Sent nosuch * % \"\" \"a b\" \"\\\"\" () (\\Seen) (\\Deleted foo) +FLAGS -FLAGS.SILENT FLAGS 1 2 1:* *:1 0 "
    r"4294967296 99999999999999999999 1,2,3 1:2:3 $ BODY[] BODY.PEEK[HEADER.FIELDS (SUBJECT)] BODY[1.2.3]<0.10> "
    r"BODY[]<9.99999999999999> (UID FLAGS ENVELOPE BODYSTRUCTURE) RFC822.SIZE ALL NOT OR FROM TEXT SINCE 1-Jan-2030 "
    r"32-Foo-1 CHARSET UTF-8 KOI8-R REVERSE DATE REFERENCES ORDEREDSUBJECT FETCH STORE COPY EXPUNGE SEARCH RETURN "
    r"(MESSAGES UIDNEXT) &AAA- &- ../.. a/b/c/d \\Noselect NIL {3} {0+}\r\n {5+}\r\nhello {99999999999+}\r\n"
)

atoms = st.sampled_from([word.encode().decode("unicode_escape").encode("latin-1") for word in WORDS.split(" ")])
noise = st.binary(max_size=12).map(lambda data: data.replace(b"\r", b"").replace(b"\n", b""))
nested = st.integers(1, 2000).map(lambda depth: b"(" * depth + b"ALL" + b")" * depth)
words = st.lists(st.one_of(atoms, atoms, atoms, noise, nested), max_size=7).map(b" ".join)
lines = st.tuples(st.sampled_from([name.encode() for name in COMMANDS.split()]), words).map(b" ".join)


@pytest.fixture(scope="module")
def mail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveMail]:
    folder: Path = tmp_path_factory.mktemp("mail")
    with LiveMail(folder) as live:
        for number in range(3):
            live.ask(live.email.send, "boss@corp.example", "agent@world.example", f"mail {number}", "text")
        yield live


def state(mail: LiveMail) -> list[tuple[str, str, dict[str, object]]]:
    return [(row.table, row.key, dict(row.fields)) for row in mail.email.rows()]


@settings(max_examples=examples(120), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(lines, min_size=1, max_size=5), st.booleans())
def test_every_command_has_one_answer(mail: LiveMail, said: list[bytes], selected: bool) -> None:
    before = state(mail)
    tagged = [f"t{number} ".encode() + line for number, line in enumerate(said)]
    first = [LOGIN, b"sel SELECT INBOX\r\n"] if selected else [LOGIN]

    answer = mail.say(143, *first, *(line + b"\r\n" for line in tagged), b"\r\nout LOGOUT\r\n")

    assert mail.failures == []
    told = re.findall(rb"^(t\d) (OK|NO|BAD)\b", answer, re.MULTILINE)
    assert len({tag for tag, _ in told}) == len(told), answer
    if b"OK" not in {status for _, status in told}:
        assert [row for row in state(mail) if row not in before] == []
    assert b" OK " in mail.say(143, LOGIN, b"n NOOP\r\n", b"out LOGOUT\r\n").splitlines()[2]


@settings(max_examples=examples(60), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=400))
def test_bytes_that_are_no_command_end_at_most_their_connection(mail: LiveMail, data: bytes) -> None:
    before = state(mail)

    mail.say(143, data, b"\r\n", LOGIN[:-2] + b"\x00" + data)
    mail.say(143, LOGIN, b"a APPEND INBOX {400+}\r\n", data)

    assert mail.failures == []
    assert state(mail) == before or len(data) == 400
    assert mail.say(143, LOGIN, b"out LOGOUT\r\n").count(b" OK ") >= 2
