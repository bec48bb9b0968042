"""Logging in, and what is left when a session is over."""

from __future__ import annotations

import base64
import shutil

import pytest
from imap_talk import Talk, code, number
from loopback import LiveMail

ANN = "agent@world.example"
RAW = b"Subject: hello\r\nDate: nonsense\r\n\r\nline one\r\nline two\r\n"


def test_before_and_after_login(live):
    with Talk(live.connect(143)) as talk:
        assert talk.greeting.startswith(b"* OK [CAPABILITY IMAP4rev1 ")
        assert b"LOGINDISABLED" not in talk.greeting
        assert code(talk.say("SELECT INBOX")) == "BAD"
        assert b" IDLE " in talk.ok("CAPABILITY")[0]
        assert talk.ok('ID ("name" "x")') == [b'* ID ("name" "Terrarium")']
        assert talk.greeting.endswith(b" STARTTLS] mail.world IMAP4rev1 is ready")
        talk.ok("LOGIN agent any")
        assert live.ask(live.email.mailboxes) == [ANN]
        assert code(talk.say("LOGIN agent any")) == "BAD"
        assert code(talk.say("FETCH 1 FLAGS")) == "BAD"
        assert talk.ok("NAMESPACE") == [b'* NAMESPACE (("" "/")) NIL NIL']
        assert talk.ok("ENABLE CONDSTORE") == [b"* ENABLED"]
        assert talk.ok("LOGOUT") == [b"* BYE good bye"]
        with pytest.raises(EOFError):
            talk.line()


def test_plain_authentication(live):
    answer = base64.b64encode(b"\0agent\0pw")
    with Talk(live.connect(143)) as talk:
        assert code(talk.say("AUTHENTICATE CRAM-MD5")) == "NO CANNOT"
        assert code(talk.say(b"AUTHENTICATE PLAIN nonsense!")) == "BAD"
        assert code(talk.say(b"AUTHENTICATE PLAIN " + base64.b64encode(b"bob\0agent\0pw"))) == "NO AUTHORIZATIONFAILED"
        talk.send(b"x AUTHENTICATE PLAIN\r\n")
        assert talk.line() == b"+ "
        talk.send(b"*\r\n")
        assert talk.line().startswith(b"x BAD")
        talk.send(b"y AUTHENTICATE PLAIN\r\n")
        assert talk.line() == b"+ "
        talk.send(answer + b"\r\n")
        assert talk.line().startswith(b"y OK")
    with Talk(live.connect(143)) as talk:
        talk.ok(b"AUTHENTICATE PLAIN " + answer)
        talk.ok("SELECT INBOX")


def test_passwords_confine(tmp_path):
    config = {"accounts": {"agent": {"password": "secret"}, "boss": {"address": "boss@x.example", "password": "s2"}}}
    with LiveMail(tmp_path, config=config) as live, Talk(live.connect(143)) as talk:
        for _ in range(9):
            assert code(talk.say("LOGIN boss@x.example secret")) == "NO AUTHENTICATIONFAILED"
        assert code(talk.say("LOGIN nobody@x.example secret")) == "NO AUTHENTICATIONFAILED"
        with pytest.raises(EOFError):
            talk.line()
        with Talk(live.connect(143)) as again:
            again.ok("LOGIN agent secret")
        assert live.ask(live.email.mailboxes) == [ANN]


def chat(live: LiveMail) -> None:
    with Talk(live.connect(143)) as talk:
        talk.login()
        for raw in (RAW, b"x", b""):
            talk.ok("APPEND INBOX (\\Seen $Work)", raw)
        live.ask(live.email.send, "bob@x.example", ANN, "a", "text")
        talk.ok("CREATE Work/Done")
        talk.ok("UID MOVE 1 Work/Done")
        talk.ok("COPY 1 Sent")
        talk.ok("RENAME Work/Done Done")
        talk.ok("SUBSCRIBE Done")
        talk.ok("FETCH 1:* BODY[]")


def test_the_same_dialogue_leaves_the_same_rows(tmp_path):
    found = []
    for place in ("one", "two"):
        with LiveMail(tmp_path / place) as live:
            chat(live)
            found.append(list(live.ask(lambda live=live: list(live.email.rows()))))
            assert {change.actor for change in live.changes} == {"agent", "task"}
    assert found[0] == found[1]


def test_uids_survive_saving_and_forking(tmp_path):
    asked = ("SELECT INBOX", "UID FETCH 1:* (FLAGS RFC822.SIZE INTERNALDATE)", "STATUS Done (UIDVALIDITY UIDNEXT)")

    def told(live: LiveMail) -> list[bytes]:
        with Talk(live.connect(143)) as talk:
            talk.ok(f"LOGIN {ANN} any")
            lines = [line for command in asked for line in talk.ok(command) if b"RECENT" not in line]
            return [line.replace(b" \\Recent", b"") for line in lines]

    with LiveMail(tmp_path / "one") as live:
        chat(live)
        before = told(live)
        live.run(live.email.save(tmp_path / "saved" / "email"))
    for fork in ("left", "right"):
        shutil.copytree(tmp_path / "saved", tmp_path / fork)
        with LiveMail(tmp_path / fork, seed=99) as live:
            assert told(live) == before
            with Talk(live.connect(143)) as talk:
                assert b"APPENDUID" in talk.login().say("APPEND INBOX", fork.encode())[-1]
                assert number(talk.ok("STATUS INBOX (UIDNEXT)"), "UIDNEXT") == number(before, "UIDNEXT") + 1
