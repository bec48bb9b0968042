"""Commands about mailboxes as wholes."""

from __future__ import annotations

from imap_talk import Talk, code, listed, number

ANN = "agent@world.example"
RAW = b"Subject: hello\r\nDate: nonsense\r\n\r\nline one\r\nline two\r\n"


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


def test_folders_have_a_limit(talk):
    for n in range(500):
        talk.ok(f"CREATE f{n}")
    said = talk.say("CREATE more")
    assert said == [
        b"NO [LIMIT] a mailbox may have 500 folders of your own, their names 32768 bytes together; "
        b"delete some, or give shorter names"
    ]
    assert code(talk.say("RENAME INBOX more")) == "NO LIMIT"
    talk.ok("DELETE f0")
    talk.ok("CREATE more")
