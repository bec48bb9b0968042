from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from mail_site import MailSite

from terrarium.capability.address import parse_address
from terrarium.capability.letter import compose
from terrarium.capability.post_office import Posted, PostOffice
from terrarium.core.errors import NotFound, Refused

ANN, BOB = "ann@corp.example", "bob@corp.example"


@pytest.fixture
def here(tmp_path: Path) -> MailSite:
    return MailSite(tmp_path)


@pytest.fixture
def office(here: MailSite) -> PostOffice:
    return PostOffice(here.site, here.site.rows())


def post(office: PostOffice, sender: str, to: Any, subject: str = "Hi", body: str = "text", **parts: Any) -> str:
    return office.post(compose(parse_address(sender), to, subject, body, **parts)).message_id


def test_a_letter_is_written_once_however_many_copies_there_are(office: PostOffice) -> None:
    to = [f"p{n}@x" for n in range(50)]
    id = post(office, ANN, to, body="b" * 100_000, attachments=[("a.bin", b"\xff" * 1000)])
    assert office.store.count("message") == 1
    assert office.store.count("copy") == 51
    assert len(list(office.store.blobs.folder.iterdir())) == 2
    assert len(str(office.store.get("message", id))) < 10_000
    assert office.content(office.find("p7@x", id))["body"] == "b" * 100_000


def test_message_ids_are_ascii_and_of_the_senders_domain(office: PostOffice) -> None:
    assert post(office, "Ann <ann@Corp.example>", BOB).endswith("@corp.example>")
    for domain, known in (
        ("bücher.Example", "xn--bcher-kva.example"),
        ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
        ("ex\uff1eample.é", "unknown.invalid"),  # the domain would have an angle bracket
        (f"{'ü' * 70}.example", "unknown.invalid"),
    ):
        id = post(office, f"jörg@{domain}", BOB)
        assert id.endswith(f"@{known}>")
        assert office.find(BOB, id).message == id


def test_threads_follow_answers_in_order_of_arrival(here: MailSite, office: PostOffice) -> None:
    first = post(office, ANN, BOB, "Plan")
    other = post(office, ANN, BOB, "Other")
    here.pass_time(60)
    second = post(office, BOB, ANN, "Re: Plan", in_reply_to=first)
    third = post(office, ANN, BOB, "Re: Plan", in_reply_to=second)  # at the same moment
    branch = post(office, ANN, BOB, "Re: Plan", in_reply_to=first)
    for address in (ANN, BOB):
        for start in (first, second, third, branch):
            assert [copy.message for copy in office.thread(address, start)] == [first, second, third, branch]
    assert [copy.message for copy in office.thread(BOB, other)] == [other]
    letter = office.letter(office.find(BOB, third))
    assert (letter["in_reply_to"], letter["references"]) == (second, [first, second])


def test_a_thread_holds_together_around_a_mail_one_does_not_have(office: PostOffice) -> None:
    unseen = post(office, ANN, "carol@x", "Plan")
    answers = [post(office, "carol@x", BOB, "Re: Plan", in_reply_to=unseen) for _ in range(2)]
    assert [copy.message for copy in office.thread(BOB, answers[1])] == answers
    with pytest.raises(NotFound):
        office.thread(BOB, unseen)


def test_a_very_long_thread_stays_one(office: PostOffice) -> None:
    ids = [post(office, ANN, BOB)]
    for _ in range(60):
        ids.append(post(office, ANN, BOB, in_reply_to=ids[-1]))
    assert [copy.message for copy in office.thread(BOB, ids[30])] == ids


def test_a_mail_to_oneself_stands_once_in_its_thread(office: PostOffice) -> None:
    id = post(office, ANN, [ANN, BOB])
    assert [copy.folder for copy in office.thread(ANN, id)] == ["INBOX"]


def test_search(office: PostOffice) -> None:
    old = datetime(2029, 12, 24, 8, tzinfo=UTC)
    a = post(office, "Ann Lee <ann@corp.example>", BOB, "Q3 Report", "Straße and numbers", date=old)
    b = post(office, "carol@x", BOB, "Lunch", "x" * 70_000 + " pudding", attachments=[("menu.txt", b"soup")])
    c = post(office, "carol@x", BOB, "News", "plain", html="<b>Rabatt</b>")

    def found(query: str | None = None, folder: str | None = None, **wanted: Any) -> list[str]:
        names = ("from_addr", "subject", "unread", "since", "before", "has_attachment")
        search = office.wanted(query, *(wanted.get(name) for name in names))
        return [copy.message for copy in office.search(BOB, search, folder)]

    assert found() == [a, b, c]
    assert found("STRASSE numbers") == [a]
    assert found("strasse lunch") == []
    assert found("pudding") == [b]
    assert found("menu.TXT") == [b]
    assert found("rabatt") == [c]
    assert found(from_addr="LEE") == [a]
    assert found(subject="report") == [a]
    assert found(has_attachment=True) == [b]
    assert found(has_attachment=False) == [a, c]
    assert found(before="2030-01-07") == [a]
    assert found(before=date(2029, 12, 24)) == []
    assert found(since=date(2029, 12, 24)) == [a, b, c]
    assert found(since="2030-01-07T09:00") == [b, c]
    assert found(since=datetime(2030, 1, 7, 9)) == [b, c]
    assert found(unread=False) == []
    assert found(folder="sent") == []
    with pytest.raises(NotFound):
        found(folder="Nowhere")
    for wrong in ({"since": "yesterday"}, {"before": 5}, {"since": "09:30"}, {"query": 5}, {"subject": b""}):
        with pytest.raises(Refused):
            found(**wrong)


def test_bcc_is_seen_by_the_sender_alone(office: PostOffice) -> None:
    id = post(office, ANN, BOB, bcc="Eve <eve@x>")
    assert office.content(office.find(ANN, id))["bcc"] == "Eve <eve@x>"
    for other in (BOB, "eve@x"):
        assert "eve" not in str(office.content(office.find(other, id)))


def receive(office: PostOffice, raw: bytes, sender: str | None = ANN, to: str = BOB, **named: Any) -> Posted:
    return office.receive(sender and parse_address(sender), [parse_address(a) for a in to.split()], raw, **named)


WIRE = (
    b"From: Ann <ann@corp.example>\r\nTo: bob@corp.example\r\nMessage-ID: <1@x>\r\n"
    b"Date: Mon, 7 Jan 2030 08:00:00 +0000\r\n"
)


def subjects(office: PostOffice, address: str, folder: str = "INBOX") -> list[str]:
    return [office.letter(copy)["subject"] for copy in office.mailboxes.copies(address, folder)]


def test_a_letter_that_comes_as_bytes_keeps_them(here: MailSite, office: PostOffice) -> None:
    raw = WIRE + b"Subject: \xff odd\r\nBcc: eve@x\r\n\r\nbody \xfe\r\n"
    here.holder = "agent"
    posted = receive(office, raw, to="bob@corp.example Bob@corp.example eve@x")
    assert (posted.message_id, posted.recipients) == ("<1@x>", [BOB, "eve@x"])
    for address in (BOB, "eve@x"):
        [copy] = office.mailboxes.copies(address, "INBOX")
        assert (office.raw(copy), office.size(copy), copy.unread) == (raw, len(raw), True)
        assert "bcc" not in office.content(copy)
    assert posted.copy is not None
    assert (posted.copy.folder, posted.copy.unread, office.raw(posted.copy)) == ("Sent", False, raw)
    letter = office.letter(posted.copy)
    assert (letter["by"], letter["sender"], letter["bcc"]) == ("agent", ANN, "eve@x")
    assert office.content(posted.copy)["date"] == "Mon, 07 Jan 2030 08:00:00 +0000"


def test_what_is_missing_is_put_in_front(office: PostOffice) -> None:
    posted = receive(office, b"Subject: Hi\r\n\r\ntext\r\n")
    raw = office.raw(office.find(BOB, posted.message_id))
    assert raw.endswith(b"+0000\r\nSubject: Hi\r\n\r\ntext\r\n")
    assert raw.startswith(f"Message-ID: {posted.message_id}\r\nDate: Mon, 07 Jan 2030 09:00:00".encode())
    assert receive(office, b"Subject: Hi\r\n\r\ntext\r\n").message_id != posted.message_id


def test_mail_from_outside_is_not_filed_as_sent(office: PostOffice) -> None:
    assert receive(office, WIRE + b"\r\n", submitted=False).copy is None
    assert receive(office, WIRE + b"\r\n", sender=None).copy is None
    assert not office.mailboxes.exists(ANN)


def test_a_message_id_that_comes_twice_replaces_nothing(here: MailSite, office: PostOffice) -> None:
    real = post(office, ANN, BOB, "real")
    forged = WIRE.replace(b"<1@x>", real.encode()) + b"Subject: forged\r\n\r\n"
    here.holder = "agent"
    for _ in range(3):
        assert receive(office, forged).message_id == real
    assert subjects(office, BOB) == ["real", "forged", "forged", "forged"]
    assert office.letter(office.find(BOB, real))["by"] == "task"
    here.holder = "other"
    receive(office, forged)
    letters = [office.letter(copy) for copy in office.mailboxes.copies(BOB, "INBOX")]
    assert [letter["by"] for letter in letters] == ["task", "agent", "agent", "agent", "other"]
    assert office.store.count("message") == 3
    assert {copy.message_id for copy in office.thread(BOB, real)} == {real}
    assert len(office.thread(BOB, real)) == 3


def test_a_mail_sent_in_two_transactions_is_one_letter(office: PostOffice) -> None:
    raw = WIRE + b"Subject: Hi\r\n\r\n"
    receive(office, raw, to=BOB)
    receive(office, raw, to="carol@x")
    assert office.store.count("message") == 1
    assert office.letter(office.find("carol@x", "<1@x>"))["recipients"] == [BOB, "carol@x"]


def test_a_client_may_file_what_it_sent_itself_before_or_after(office: PostOffice) -> None:
    raw = WIRE + b"Subject: Hi\r\n\r\ntext\r\n"
    for order in ("after", "before"):
        mine = raw.replace(b"<1@x>", f"<{order}@x>".encode())
        with_bcc = b"Bcc: eve@x\r\n" + mine
        if order == "after":
            sent = receive(office, mine, to=f"{BOB} eve@x").copy
            filed = office.append(ANN, "Sent", with_bcc, ["\\Flagged"])
            assert sent is not None
            assert (filed.uid, filed.flags) == (sent.uid, ("\\Flagged", "\\Seen"))
        else:
            office.append(ANN, "Sent", with_bcc)
            receive(office, mine, to=f"{BOB} eve@x")
        copies = [copy for copy in office.mailboxes.copies(ANN, "Sent") if copy.message_id == f"<{order}@x>"]
        assert [office.raw(copy) for copy in copies] == [mine]
        assert all(office.was_sent(copy) for copy in copies)


def test_what_is_only_put_into_sent_was_not_sent(here: MailSite) -> None:
    office = here.email._office
    receive(office, WIRE + b"Subject: Real\r\n\r\n")
    office.append(ANN, "Sent", WIRE + b"Subject: Pretended, under the same id\r\n\r\n")
    office.append(ANN, "Sent", WIRE.replace(b"<1@x>", b"<2@x>") + b"Subject: Pretended\r\n\r\n")
    assert len(here.email.list_folder(ANN, "Sent")) == 3
    assert [mail["subject"] for mail in here.email.sent(ANN)] == ["Real"]


def test_appended_messages_are_kept_as_they_are(here: MailSite, office: PostOffice) -> None:
    received = datetime(2029, 1, 1, tzinfo=UTC)
    for raw in (b"", b"no header", b"Subject: a\n\nlf only\n", b"\xff\x00", WIRE):
        copy = office.append(ANN, "Drafts", raw, ["\\draft", "$Work"], received)
        assert (office.raw(copy), office.size(copy)) == (raw, len(raw))
        assert (copy.flags, copy.received) == (("$Work", "\\Draft"), received)
        assert copy.message_id.isascii()
    with pytest.raises(Refused):
        office.append(ANN, "Drafts", WIRE, ["\\Bogus"])
    assert office.mailboxes.count(BOB, "INBOX") == 0


def test_a_posted_letter_is_rendered_with_the_bcc_for_its_sender_alone(office: PostOffice) -> None:
    id = post(office, ANN, BOB, "Grüße", "größe", bcc="eve@x", attachments=[("a.bin", b"\xff")])
    for address, told in ((ANN, True), (BOB, False), ("eve@x", False)):
        copy = office.find(address, id)
        assert (b"Bcc: eve@x\r\n" in office.raw(copy)) == told
        assert office.size(copy) == len(office.raw(copy))


def test_much_rendered_mail_stays_the_same(office: PostOffice) -> None:
    ids = [post(office, ANN, BOB, str(n), "x" * 1_000_000) for n in range(9)]
    first = [office.raw(office.find(BOB, id)) for id in ids]
    assert [office.raw(office.find(BOB, id)) for id in ids] == first


def test_unreadable_headers_do_not_stop_an_answer(here: MailSite) -> None:
    office, me = here.email._office, "agent@world.example"
    receive(office, b"From: nonsense\r\nTo: ,,x,, bob@corp.example\r\nSubject: a\x00\x07b\r\n\r\n?", to=me)
    here.use("reply", id="INBOX/1", body="What?", reply_all=True)
    assert subjects(office, ANN) == ["Re: a  b"]
    assert subjects(office, BOB) == ["Re: a  b"]
    receive(office, b"\xff\xfe", sender=None, to=me)
    with pytest.raises(Refused, match="whom to answer"):
        here.use("reply", id="INBOX/2", body="What?")
    here.use("forward", id="INBOX/2", to=[BOB])
