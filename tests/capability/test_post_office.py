from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from mail_site import MailSite

from terrarium.capability.address import parse_address
from terrarium.capability.letter import compose
from terrarium.capability.post_office import PostOffice
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
    id = post(office, "jörg@größe.de", BOB)
    assert id.isascii()
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
