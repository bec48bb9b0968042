import poplib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loopback import LiveMail

from effort import examples
from terrarium.capability.pop3 import ERRORS_LIMIT

ME, BOSS = "agent@world.example", "boss@corp.example"


@pytest.fixture
def mail(tmp_path: Path) -> Iterator[LiveMail]:
    with LiveMail(tmp_path) as live:
        for number in range(3):
            live.ask(live.email.send, BOSS, ME, f"Mail {number}", f"line one\n.line {number}\nlast")
        yield live
        assert not live.failures


def subjects(live: LiveMail) -> list[str]:
    return [got["subject"] for got in live.ask(live.email.list_inbox, ME)]


def test_a_mailbox_is_fetched(mail: LiveMail) -> None:
    with mail.pop3(user=ME) as client:
        count, size = client.stat()
        _, lines, _ = client.retr(2)
        sizes = [int(line.split()[1]) for line in client.list()[1]]
        assert (count, size) == (3, sum(sizes))
        assert lines[-3:] == [b"line one", b".line 1", b"last"]
        assert sum(len(line) + 2 for line in lines) == sizes[1]
        assert client.list(2) == f"+OK 2 {sizes[1]}".encode()
        assert b"Subject: Mail 1" in lines
        assert client.top(2, 1)[1] == lines[:-2]
        assert client.top(2, 0)[1] == lines[:-3]
        assert client.top(2, 100)[1] == lines
        assert len({line.split()[1] for line in client.uidl()[1]}) == 3
        assert set(client.capa()) == {"USER", "TOP", "UIDL", "RESP-CODES", "PIPELINING", "UTF8", "STLS"}
        client.quit()
        assert mail.ask(mail.email.list_inbox, ME)[1]["flags"] == []


def test_what_is_deleted_goes_at_quit_and_not_before(mail: LiveMail) -> None:
    with mail.pop3(user=ME) as client:
        uids = [line.split()[1] for line in client.uidl()[1]]
        client.dele(1)
        client.dele(3)
        for gone in (client.dele, client.retr, client.list, client.uidl):
            with pytest.raises(poplib.error_proto, match="no such mail"):
                gone(1)
        assert client.stat()[0] == len(client.list()[1]) == 1
        client.rset()
        assert client.stat()[0] == 3
        client.dele(2)
        assert len(subjects(mail)) == 3
        client.quit()
        assert subjects(mail) == ["Mail 0", "Mail 2"]
    with mail.pop3(user=ME) as again:
        assert [line.split()[1] for line in again.uidl()[1]] == [uids[0], uids[2]]
        again.dele(1)
        again.close()
        assert len(subjects(mail)) == 2


def test_a_session_sees_the_inbox_as_it_was_at_login(mail: LiveMail) -> None:
    with mail.pop3(user=ME) as client:
        mail.ask(mail.email.send, BOSS, ME, "Later", "x")
        mail.ask(mail.email.delete_message, ME, 0)
        assert client.stat()[0] == 3
        assert b"Subject: Mail 0" in client.retr(1)[1]
        client.dele(1)
        client.dele(2)
        client.quit()
        assert subjects(mail) == ["Mail 2", "Later"]
        assert [change.actor for change in mail.changes if change.after is None] == ["task", "agent"]


def test_mail_that_came_as_bytes_is_given_as_those(mail: LiveMail) -> None:
    raw = b"Message-ID: <1@x>\r\nDate: Mon, 7 Jan 2030 08:00:00 +0000\r\nSubject: \xff\r\n\r\n.\r\n..a\r\n\r\n.b\r\n"
    with mail.smtp() as client:
        client.sendmail(ME, [ME], raw)
    with mail.pop3(user=ME) as client:
        fetched = client.retr(4)[1]
    assert b"\r\n".join(fetched) + b"\r\n" == raw


def test_an_unknown_mailbox_is_empty(mail: LiveMail) -> None:
    with mail.pop3(user="nobody@x") as client:
        assert client.stat() == (0, 0)
        client.quit()
        assert mail.ask(mail.email.mailboxes) == [ME, BOSS]


@pytest.mark.parametrize(
    "line",
    [b"RETR", b"RETR x", b"RETR 0", b"RETR 4", b"RETR -1", b"RETR 1 2", b"RETR " + b"9" * 5000, b"TOP 1", b"TOP 1 -1",
     b"TOP 9 1", b"LIST 9", b"UIDL x", b"DELE", b"NONSENSE", b"", b"\xff\x00", b"STLS", b"USER x", b"x" * 100_000,
     "RETR ²".encode()],
)  # fmt: skip
def test_what_cannot_be_done_is_an_error_and_no_more(mail: LiveMail, line: bytes) -> None:
    said = mail.say(110, b"USER " + ME.encode() + b"\r\nPASS x\r\n", line, b"\r\nSTAT\r\nQUIT\r\n").split(b"\r\n")
    assert said[3].startswith(b"-ERR")
    assert said[4].startswith(b"+OK 3 ")
    assert said[5:] == [b"+OK bye", b""]


def test_nothing_before_login_and_an_end_to_errors(mail: LiveMail) -> None:
    said = mail.say(110, b"STAT\r\nLIST\r\nRETR 1\r\nPASS x\r\nUSER\r\nDELE 1\r\nNOOP\r\nCAPA\r\nQUIT\r\n").split(
        b"\r\n"
    )
    assert all(line.startswith(b"-ERR") for line in said[1:8])
    assert mail.say(110, b"STAT\r\n" * 1000).count(b"-ERR") == ERRORS_LIMIT


def test_passwords(tmp_path: Path) -> None:
    config = {
        "accounts": {"agent": {"address": ME, "password": "two words"}, "ann": {"address": BOSS, "password": "b"}}
    }
    with LiveMail(tmp_path, config=config) as live:
        live.ask(live.email.send, "x@x", [ME, BOSS], "Hi", "text")
        with live.pop3(user="agent", password="two words") as client:
            assert client.stat()[0] == 1
        for user, password in ((ME, "b"), (BOSS, "two words"), (BOSS, ""), ("x@x", "two words")):
            with pytest.raises(poplib.error_proto, match="AUTH"), live.pop3(user=user, password=password):
                pass


_LINE = st.sampled_from(
    [
        *(b"USER agent", b"PASS x", b"STAT", b"LIST", b"LIST 1", b"RETR 1", b"RETR 2", b"TOP 1 1", b"UIDL", b"DELE 1"),
        *(b"DELE 2", b"RSET", b"NOOP", b"CAPA", b"QUIT", b"STLS", b"UTF8", b"", b"\xff", b" "),
    ]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=examples(60))
@given(dialogue=st.lists(st.tuples(_LINE, st.sampled_from([b"\r\n", b"\r\n", b"\n", b""])).map(b"".join), max_size=25))
def test_any_dialogue_is_answered_and_harms_nobody(mail: LiveMail, dialogue: list[bytes]) -> None:
    said = mail.say(110, *dialogue)
    assert said.startswith(b"+OK mail.world")
    with mail.pop3(user=BOSS) as client:
        assert client.stat() == (0, 0)
        client.quit()
