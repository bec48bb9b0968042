"""What a search may look at."""

from __future__ import annotations

from imap_talk import code

ANN = "agent@world.example"
FULL = [b"NO [LIMIT] this is too much to look at in one search; name fewer messages or texts"]


def heavy(word: bytes = b"needle") -> bytes:
    return b"Subject: big\r\nX-Kind: hay\r\n\r\n" + b"hay and more hay\r\n" * 1_200_000 + word + b"\r\n"


def test_heavy_mails_are_searched_for_some_texts_but_not_for_a_hundred(talk):
    talk.ok("APPEND INBOX", heavy())
    talk.ok("APPEND INBOX", b"Subject: small\r\n\r\nneedle\r\n")
    talk.ok("NOOP")
    assert talk.ok("SEARCH TEXT needle NOT BODY straw NOT TEXT wheat") == [b"* SEARCH 1 2"]
    many = " ".join(f"NOT TEXT straw{n}" for n in range(100))
    assert talk.say(f"SEARCH {many}") == FULL
    assert code(talk.say(f"SORT (SUBJECT) UTF-8 {many}")) == "NO LIMIT"
    assert code(talk.say(f"THREAD REFERENCES UTF-8 {many}")) == "NO LIMIT"
    assert talk.ok(f"SEARCH 2 {many}") == [b"* SEARCH 2"]
    assert code(talk.say(f"SEARCH {many} NOT TEXT straw")) == "NO LIMIT"


def test_copies_of_a_heavy_mail_are_no_way_around(talk):
    talk.ok("APPEND INBOX", heavy())
    for _ in range(5):
        talk.ok("NOOP")
        talk.ok("COPY 1:* INBOX")
    talk.ok("NOOP")
    assert talk.say("SEARCH BODY straw") == FULL
    assert talk.ok("SEARCH 30:32 BODY needle") == [b"* SEARCH 30 31 32"]
    headers = " ".join(f"NOT HEADER X-{n} straw" for n in range(10))
    assert talk.say(f"SEARCH {headers}") == FULL
    assert len(talk.ok('SEARCH SUBJECT big FROM "" HEADER Message-ID @')) == 1  # which rows tell


def test_many_criteria_times_many_messages_have_a_limit(live, talk):
    def fill() -> None:
        live.email.send("bob@x.example", ANN, "a", "text")
        [copy] = live.email._mailboxes.copies(ANN, "INBOX")
        for _ in range(4_999):
            live.email._mailboxes.put(ANN, "INBOX", copy.message)

    live.ask(fill)
    talk.ok("NOOP")
    assert len(talk.ok("SEARCH " + "UNSEEN " * 1_000 + "ALL")[0].split()) == 5_002
    assert talk.say("SEARCH " + "UNSEEN " * 2_400 + "ALL") == FULL
