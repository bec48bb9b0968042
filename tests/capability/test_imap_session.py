"""What an IMAP client says and what it is answered, folder by folder and message by message."""

from __future__ import annotations

import base64
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from imap_talk import Talk
from loopback import LiveMail

ANN = "agent@world.example"
RAW = b"Subject: hello\r\nDate: nonsense\r\n\r\nline one\r\nline two\r\n"


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveMail]:
    with LiveMail(tmp_path) as live:
        yield live
        assert live.failures == []


@pytest.fixture
def talk(live: LiveMail) -> Iterator[Talk]:
    with Talk(live.connect(143)) as talk:
        yield talk.login()


def code(lines: list[bytes]) -> str:
    """The status and the code of an answer: `NO NONEXISTENT`."""
    found = re.match(rb"(OK|NO|BAD) (?:\[([A-Z-]+))?", lines[-1])
    assert found is not None
    return (found[1] + b" " + (found[2] or b"")).decode().strip()


def listed(talk: Talk, command: str) -> dict[str, str]:
    """Names and attributes."""
    found = {}
    for line in talk.ok(command):
        parts = re.fullmatch(rb'\* (?:LIST|LSUB) \((.*)\) "/" "(.*)"', line)
        assert parts is not None
        found[parts[2].decode()] = parts[1].decode()
    return found


def number(lines: list[bytes], word: str) -> int:
    found = re.search(rf"{word} (\d+)".encode(), b"\n".join(lines))
    assert found is not None
    return int(found[1])


# -- logging in ---------------------------------------------------------------------------------------------------


def test_before_and_after_login(live):
    with Talk(live.connect(143)) as talk:
        assert talk.greeting.startswith(b"* OK [CAPABILITY IMAP4rev1 ")
        assert b"LOGINDISABLED" not in talk.greeting
        assert code(talk.say("SELECT INBOX")) == "BAD"
        assert b" IDLE " in talk.ok("CAPABILITY")[0]
        assert talk.ok('ID ("name" "x")') == [b'* ID ("name" "Terrarium")']
        assert code(talk.say("STARTTLS")) == "BAD"
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


# -- folders ------------------------------------------------------------------------------------------------------


def test_every_mailbox_has_the_standard_folders(talk):
    assert listed(talk, 'LIST "" *') == {
        "INBOX": "\\HasNoChildren",
        "Archive": "\\HasNoChildren \\Archive",
        "Drafts": "\\HasNoChildren \\Drafts",
        "Junk": "\\HasNoChildren \\Junk",
        "Sent": "\\HasNoChildren \\Sent",
        "Trash": "\\HasNoChildren \\Trash",
    }
    assert talk.ok('LIST "" ""') == [b'* LIST (\\Noselect) "/" ""']


def test_folders_in_folders(talk):
    talk.ok("CREATE Projects/2030/")
    talk.ok("CREATE inbox/Later")
    assert listed(talk, 'LIST "" Pro%') == {"Projects": "\\Noselect \\HasChildren"}
    assert listed(talk, 'LIST "Projects/" %') == {"Projects/2030": "\\HasNoChildren"}
    assert listed(talk, 'LIST "" "INBOX*"') == {"INBOX": "\\HasChildren", "INBOX/Later": "\\HasNoChildren"}
    assert code(talk.say("SELECT Projects")) == "NO NONEXISTENT"
    talk.ok("CREATE Projects")
    talk.ok("DELETE Projects")
    assert listed(talk, 'LIST "" Pro*') == {
        "Projects": "\\Noselect \\HasChildren",
        "Projects/2030": "\\HasNoChildren",
    }


def test_what_cannot_be_done_to_folders(talk):
    talk.ok("CREATE Work")
    said = {
        "CREATE work": "NO ALREADYEXISTS",
        "CREATE INBOX": "NO ALREADYEXISTS",
        'CREATE "a//b"': "NO CANNOT",
        'CREATE "a%b"': "NO CANNOT",
        "DELETE INBOX": "NO CANNOT",
        "DELETE Sent": "NO CANNOT",
        "DELETE None": "NO NONEXISTENT",
        "RENAME Trash Bin": "NO CANNOT",
        "RENAME None Other": "NO NONEXISTENT",
        "RENAME Work Sent": "NO ALREADYEXISTS",
        "RENAME Work Work": "NO ALREADYEXISTS",
        "RENAME INBOX Work": "NO ALREADYEXISTS",
        "SELECT None": "NO NONEXISTENT",
        "STATUS None (MESSAGES)": "NO NONEXISTENT",
        "SUBSCRIBE None": "NO NONEXISTENT",
    }
    assert {command: code(talk.say(command)) for command in said} == said
    assert code(talk.say("APPEND None", b"x")) == "NO TRYCREATE"


def test_a_folder_that_is_made_again_has_a_greater_uidvalidity(talk):
    seen = []
    for _ in range(2):
        talk.ok("CREATE Work")
        talk.ok("APPEND Work", RAW)
        seen.append(number(talk.ok("STATUS Work (UIDVALIDITY)"), "UIDVALIDITY"))
        talk.ok("DELETE Work")
    talk.ok("CREATE Other")
    talk.ok("APPEND Other", RAW)
    talk.ok("RENAME Other Work")
    seen.append(number(talk.ok("STATUS Work (UIDVALIDITY)"), "UIDVALIDITY"))
    assert seen == sorted(set(seen))
    assert number(talk.ok("STATUS Work (UIDNEXT)"), "UIDNEXT") == 2


def test_a_renamed_folder_takes_its_own_folders_along(talk):
    for name in ("a", "a/b", "a/b/c", "ab"):
        talk.ok(f"CREATE {name}")
        talk.ok(f"APPEND {name}", RAW)
    talk.ok("RENAME a z/y")
    assert set(listed(talk, 'LIST "" *')) >= {"ab", "z", "z/y", "z/y/b", "z/y/b/c"}
    assert "a" not in listed(talk, 'LIST "" *')
    assert number(talk.ok("STATUS z/y/b/c (MESSAGES)"), "MESSAGES") == 1
    talk.ok("RENAME z x")
    assert number(talk.ok("STATUS x/y/b (MESSAGES)"), "MESSAGES") == 1


def test_renaming_the_inbox_moves_its_mails(talk):
    talk.ok("APPEND INBOX (\\Seen)", RAW)
    before = talk.ok("STATUS INBOX (UIDVALIDITY UIDNEXT)")
    told = talk.ok("RENAME INBOX Old")
    assert b"* 1 EXPUNGE" in told
    assert number(talk.ok("STATUS Old (MESSAGES)"), "MESSAGES") == 1
    assert talk.ok("STATUS INBOX (UIDVALIDITY UIDNEXT)") == before
    assert number(talk.ok("STATUS INBOX (MESSAGES)"), "MESSAGES") == 0


def test_subscriptions_are_kept(live, talk):
    assert set(listed(talk, 'LSUB "" *')) == {"INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash"}
    talk.ok("CREATE a/b")
    talk.ok("SUBSCRIBE a/b")
    talk.ok("UNSUBSCRIBE Junk")
    talk.ok("DELETE a/b")
    with Talk(live.connect(143)) as other:
        other.login()
        assert listed(other, 'LSUB "" %') == {
            "INBOX": "", "Archive": "", "Drafts": "", "Sent": "", "Trash": "", "a": "\\Noselect",
        }  # fmt: skip
        assert listed(other, 'LSUB "" a/*') == {"a/b": ""}
        other.ok("UNSUBSCRIBE a/b")
        assert listed(other, 'LSUB "" a*') == {}


def test_a_selected_folder_that_is_deleted(live, talk):
    talk.ok("CREATE Work")
    talk.ok("APPEND Work", RAW)
    talk.ok("SELECT Work")
    with Talk(live.connect(143)) as other:
        other.login()
        other.ok("DELETE Work")
        other.ok("CREATE Work")
        other.ok("APPEND Work", RAW)
    assert talk.ok("NOOP") == [b"* 1 EXPUNGE"]
    assert code(talk.say("FETCH 1:* FLAGS")) == "NO NONEXISTENT"
    assert code(talk.say("UID STORE 1 +FLAGS (\\Deleted)")) == "NO NONEXISTENT"
    talk.ok("CLOSE")
    assert number(talk.ok("STATUS Work (MESSAGES)"), "MESSAGES") == 1


# -- messages -----------------------------------------------------------------------------------------------------


def test_selecting_says_what_there_is(talk):
    talk.ok("APPEND INBOX (\\Seen)", RAW)
    talk.ok("APPEND INBOX ($Work)", RAW)
    told = talk.say("SELECT INBOX")
    assert code(told) == "OK READ-WRITE"
    assert b"* 2 EXISTS" in told
    assert b"* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft $Work)" in told
    assert any(b"PERMANENTFLAGS" in line and b"\\*" in line for line in told)
    assert number(told, "UNSEEN") == 2
    assert number(told, "UIDNEXT") == 3
    assert code(talk.say("EXAMINE INBOX")) == "OK READ-ONLY"


def test_times_are_world_time(live, talk):
    live.ask(live.email.send, "bob@x.example", ANN, "a", "text")
    live.clock.move(live.clock.micros + 3600 * 10**6)
    talk.ok('APPEND INBOX " 7-Mar-2025 23:30:00 -0500"', RAW)
    talk.ok("APPEND INBOX", RAW)
    dates = [re.search(rb'"(.*)"', line)[1] for line in talk.ok("FETCH 1:* INTERNALDATE")]
    assert dates == [b" 7-Jan-2030 09:00:00 +0000", b" 7-Mar-2025 23:30:00 -0500", b" 7-Jan-2030 10:00:00 +0000"]
    assert talk.ok("SEARCH YOUNGER 1800") == [b"* SEARCH 3"]
    assert talk.ok("SEARCH OLDER 1801") == [b"* SEARCH 1 2"]
    assert talk.ok("SEARCH ON 7-Mar-2025") == [b"* SEARCH 2"]


def test_reading_sets_seen_and_peeking_does_not(live, talk):
    talk.ok("APPEND INBOX", RAW)
    talk.ok("FETCH 1 (BODY.PEEK[] RFC822.HEADER ENVELOPE BODYSTRUCTURE)")
    assert live.ask(live.email.list_inbox, ANN)[0]["flags"] == []
    talk.ok("EXAMINE INBOX")
    talk.ok("FETCH 1 BODY[]")
    assert live.ask(live.email.list_inbox, ANN)[0]["flags"] == []
    talk.ok("SELECT INBOX")
    told = talk.ok("FETCH 1 BODY[TEXT]<5.4>")
    assert told == [b"* 1 FETCH (BODY[TEXT]<5> {4}\r\none\r FLAGS (\\Seen))"]
    assert talk.ok("FETCH 1 BODY[TEXT]<0.1>") == [b"* 1 FETCH (BODY[TEXT]<0> {1}\r\nl)"]
    assert live.ask(live.email.list_inbox, ANN)[0]["flags"] == ["\\Seen"]


def test_the_size_is_that_of_the_bytes(live, talk):
    live.ask(
        live.email.send, "bob@x.example", ANN, "Größe", "Ä\nü\n", "<b>", attachments=[("ü.bin", bytes(range(256)))]
    )
    talk.ok("APPEND INBOX", b"")
    talk.ok("APPEND INBOX", b"\xff\x00junk\nno header\r\n")
    for line in talk.ok("FETCH 1:* (RFC822.SIZE BODY.PEEK[])"):
        found = re.match(rb"\* \d FETCH \(RFC822.SIZE (\d+) BODY\[\] \{(\d+)\}\r\n(.*)\)\Z", line, re.DOTALL)
        assert int(found[1]) == int(found[2]) == len(found[3])


def test_a_copy_says_its_uids(talk):
    for _ in range(3):
        talk.ok("APPEND INBOX (\\Flagged)", RAW)
    talk.ok("CREATE Work")
    validity = number(talk.ok("STATUS Work (UIDVALIDITY)"), "UIDVALIDITY")
    assert f"[COPYUID {validity} 1:3 1:3]".encode() in talk.say("COPY 1:3 Work")[-1]
    told = talk.say("UID MOVE 2:3 Work")
    assert told[:3] == [f"* OK [COPYUID {validity} 2:3 4:5] moved".encode(), b"* 3 EXPUNGE", b"* 2 EXPUNGE"]
    assert code(talk.say("UID COPY 99 Work")) == "OK"
    assert code(talk.say("COPY 1 None")) == "NO TRYCREATE"
    talk.ok("SELECT Work")
    assert talk.ok("FETCH 5 (UID FLAGS)") == [b"* 5 FETCH (UID 5 FLAGS (\\Flagged \\Recent))"]


def test_expunging(live, talk):
    for _ in range(4):
        talk.ok("APPEND INBOX", RAW)
    talk.ok("STORE 1:3 +FLAGS.SILENT (\\Deleted)")
    assert talk.ok("UID EXPUNGE 2,4") == [b"* 2 EXPUNGE"]
    talk.ok("EXAMINE INBOX")
    assert code(talk.say("EXPUNGE")) == "NO READ-ONLY"
    talk.ok("CLOSE")
    assert live.ask(live.email.count_inbox, ANN) == 3
    talk.ok("SELECT INBOX")
    talk.ok("UNSELECT")
    assert live.ask(live.email.count_inbox, ANN) == 3
    talk.ok("SELECT INBOX")
    assert talk.ok("CLOSE") == []
    assert [mail["uid"] for mail in live.ask(live.email.list_inbox, ANN)] == [4]


def test_keywords_are_made_by_using_them(talk):
    talk.ok("APPEND INBOX", RAW)
    talk.ok("APPEND INBOX", RAW)
    assert talk.ok("STORE 1 +FLAGS ($Work)") == [
        b"* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft $Work)",
        b"* 1 FETCH (FLAGS ($Work \\Recent))",
    ]
    assert talk.ok("STORE 2 FLAGS ($WORK \\Recent)") == [b"* 2 FETCH (FLAGS ($Work \\Recent))"]
    assert talk.ok("SEARCH KEYWORD $work") == [b"* SEARCH 1 2"]
    assert code(talk.say("STORE 1 +FLAGS (\\Bogus)")) == "NO"


def test_recent_is_what_nobody_was_told_of(live, talk):
    talk.ok("APPEND INBOX", RAW)
    with Talk(live.connect(143)) as other:
        other.login(folder="")
        assert b"* 0 RECENT" in other.ok("EXAMINE INBOX")
        live.ask(live.email.send, "bob@x.example", ANN, "a", "text")
        assert b"* 1 RECENT" in other.ok("NOOP")
        assert b"* 2 RECENT" in talk.ok("NOOP")
        assert b"* 0 RECENT" in other.ok("SELECT INBOX")
    assert talk.ok("SEARCH NEW") == [b"* SEARCH 1 2"]
    assert b"RECENT 0" in talk.ok("STATUS INBOX (RECENT)")[0]


def test_numbers_that_no_message_has(talk):
    assert talk.ok("FETCH 1:* FLAGS") == []
    assert code(talk.say("FETCH 1 FLAGS")) == "BAD"
    talk.ok("APPEND INBOX", RAW)
    assert len(talk.ok("FETCH 7:* UID")) == 1
    assert talk.ok("UID FETCH 7 UID") == []
    assert len(talk.ok("UID FETCH 1:4294967295 UID")) == 1
    assert code(talk.say("STORE 2 FLAGS ()")) == "BAD"


def test_searches_look_at_headers_and_texts(live, talk):
    live.ask(live.email.send, "Jörg <j@x.example>", ANN, "Grüße", "Straße und mehr", headers={"X-Kind": "Test"},
             attachments=[("data.csv", b"a,needle\n")], cc="carl@x.example")  # fmt: skip
    talk.ok("APPEND INBOX", b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nX-Kind: other\r\nX-Kind: second\r\n\r\nplain\r\n")
    assert talk.ok("SEARCH CHARSET UTF-8 SUBJECT", "GRÜSSE".encode()) == [b"* SEARCH 1 2"]
    assert talk.ok("SEARCH CHARSET ISO-8859-1 BODY", "straße".encode("latin-1")) == [b"* SEARCH 1"]
    assert talk.ok('SEARCH HEADER X-Kind ""') == [b"* SEARCH 1 2"]
    assert talk.ok("SEARCH HEADER x-kind second") == [b"* SEARCH 2"]
    assert talk.ok("SEARCH BODY needle") == [b"* SEARCH 1"]
    assert talk.ok("SEARCH TEXT x-kind") == [b"* SEARCH 1 2"]
    assert talk.ok('SEARCH CC carl NOT HEADER In-Reply-To ""') == [b"* SEARCH 1"]
    assert talk.ok("SEARCH OR FROM j@x NOT ALL") == [b"* SEARCH 1"]
    assert talk.ok("SEARCH RETURN (MIN MAX COUNT ALL) ALL")[0].endswith(b" MIN 1 MAX 2 ALL 1:2 COUNT 2")
    assert talk.ok("SEARCH RETURN (MIN ALL) SUBJECT none")[0].endswith(b'")')
    assert code(talk.say("SEARCH CHARSET KOI8-R ALL")) == "NO BADCHARSET"
    assert code(talk.say("SEARCH NONSENSE")) == "BAD"


def test_a_blind_copy_is_seen_by_its_sender_only(live, talk):
    live.ask(live.email.send, ANN, "bob@x.example", "secret", "text", bcc="carl@x.example")
    talk.ok("SELECT Sent")
    assert talk.ok("SEARCH BCC carl") == [b"* SEARCH 1"]
    with Talk(live.connect(143)) as other:
        other.login("bob@x.example")
        assert other.ok("SEARCH BCC carl") == [b"* SEARCH"]
        assert b"carl" not in other.ok("FETCH 1 (BODY[] ENVELOPE)")[0]


def test_status(talk):
    talk.ok("APPEND INBOX (\\Seen)", RAW)
    talk.ok("APPEND INBOX", RAW)
    told = talk.ok("STATUS inbox (MESSAGES UNSEEN UIDNEXT SIZE)")
    assert told == [b'* STATUS "INBOX" (MESSAGES 2 UNSEEN 1 UIDNEXT 3 SIZE %d)' % (2 * len(RAW))]


# -- state --------------------------------------------------------------------------------------------------------


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
