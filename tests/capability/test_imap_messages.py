"""Commands about the messages of the selected mailbox."""

from __future__ import annotations

import re

from imap_talk import Talk, code, number

ANN = "agent@world.example"
RAW = b"Subject: hello\r\nDate: nonsense\r\n\r\nline one\r\nline two\r\n"


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
