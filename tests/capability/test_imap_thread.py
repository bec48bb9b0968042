"""Orders and threads (RFC 5256), over the wire."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from imap_talk import Talk
from loopback import LiveMail

from terrarium.capability.imap.subject import base_subject


def mail(number: int, subject: str, *, refs: str = "", day: int | None = None, sender: str = "a@x") -> bytes:
    date = datetime(2030, 1, 1, tzinfo=UTC) + timedelta(days=number if day is None else day)
    lines = [f"Message-ID: <{number}@x>", f"From: {sender}", f"Subject: {subject}"]
    lines += [f"Date: {date:%d %b %Y %H:%M:%S} +0000", *([f"References: {refs}"] if refs else []), "", "text", ""]
    return "\r\n".join(lines).encode()


def told(folder: Path, mails: list[bytes], *commands: str) -> list[bytes]:
    with LiveMail(folder) as live, Talk(live.connect(143)) as talk:
        talk.login()
        for raw in mails:
            talk.ok("APPEND INBOX", raw)
        return [talk.ok(command)[0] for command in commands]


@pytest.mark.parametrize(
    ("subject", "base"),
    [
        ("Hello", ("hello", False)),
        ("Re: Hello", ("hello", True)),
        ("  RE :  [list] re[2]: Hello  World (fwd)", ("hello world", True)),
        ("[list] Hello", ("hello", False)),
        ("[Fwd: [list] Hello]", ("hello", True)),
        ("[x]", ("[x]", False)),
        ("Re:", ("", True)),
        ("[a] [b] Re: [c] Fwd: x", ("x", True)),
    ],
)
def test_base_subjects(subject, base):
    assert base_subject(subject) == base


def test_a_subject_of_an_attacker_takes_no_time():
    assert base_subject("re:" * 100_000)[1]
    assert base_subject("[" * 100_000)[0]
    assert base_subject("[x]" * 100_000 + "(fwd)" * 100_000)[0]


def test_orders(tmp_path):
    mails = [
        mail(1, "Re: pears", day=5, sender="Zoe <b@x>"),
        mail(2, "apples", day=9, sender="Ann <z@x>"),
        mail(3, "Pears", day=1, sender="m@x"),
    ]
    assert told(
        tmp_path,
        mails,
        "SORT (DATE) UTF-8 ALL",
        "SORT (REVERSE DATE) UTF-8 ALL",
        "SORT (SUBJECT REVERSE DATE) UTF-8 ALL",
        "SORT (FROM) UTF-8 ALL",
        "SORT (DISPLAYFROM) UTF-8 ALL",
        "SORT (ARRIVAL) UTF-8 NOT 2",
        "UID SORT RETURN (COUNT ALL) (DATE) UTF-8 ALL",
    ) == [
        b"* SORT 3 1 2",
        b"* SORT 2 1 3",
        b"* SORT 2 1 3",
        b"* SORT 1 3 2",
        b"* SORT 2 3 1",
        b"* SORT 1 3",
        b'* ESEARCH (TAG "t12") UID ALL 3,1:2 COUNT 3',
    ]


def test_answers_stand_below_what_they_answer(tmp_path):
    mails = [
        mail(1, "one"),
        mail(2, "Re: one", refs="<1@x>"),
        mail(3, "Re: one", refs="<1@x> <2@x>"),
        mail(4, "other", refs="<1@x>"),
        mail(5, "alone"),
    ]
    assert told(tmp_path, mails, "THREAD REFERENCES UTF-8 ALL", "UID THREAD REFERENCES UTF-8 3:5") == [
        b"* THREAD (1 (2 3)(4))(5)",
        b"* THREAD ((3)(4))(5)",
    ]


def test_answers_to_a_mail_that_is_not_there_stand_together(tmp_path):
    mails = [mail(1, "x", refs="<0@x>"), mail(2, "y", refs="<0@x>"), mail(3, "z", refs="<9@x> <8@x>")]
    assert told(tmp_path, mails, "THREAD REFERENCES UTF-8 ALL") == [b"* THREAD ((1)(2))(3)"]


def test_threads_of_one_subject_are_joined(tmp_path):
    mails = [mail(1, "Lunch"), mail(2, "Re: Lunch"), mail(3, "lunch"), mail(4, "Dinner")]
    assert told(tmp_path, mails, "THREAD REFERENCES UTF-8 ALL", "THREAD ORDEREDSUBJECT UTF-8 ALL") == [
        b"* THREAD ((1 2)(3))(4)",
        b"* THREAD (1 (2)(3))(4)",
    ]


def test_mails_that_answer_one_another_in_a_circle_are_still_shown_once(tmp_path):
    mails = [mail(1, "a", refs="<2@x>"), mail(2, "b", refs="<1@x>"), mail(3, "c", refs="<3@x>")]
    (found,) = told(tmp_path, mails, "THREAD REFERENCES UTF-8 ALL")
    assert sorted(letter for letter in found.decode() if letter.isdigit()) == ["1", "2", "3"]


def test_a_long_chain_is_no_recursion(tmp_path):
    mails = [mail(n, "deep", refs=f"<{n - 1}@x>") for n in range(1, 1500)]
    (found,) = told(tmp_path, mails, "THREAD REFERENCES UTF-8 ALL")
    assert found == b"* THREAD (" + b" ".join(b"%d" % n for n in range(1, 1500)) + b")"
