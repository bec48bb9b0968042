import asyncio
import smtplib
from pathlib import Path
from typing import Any

import pytest
from imap_talk import Talk, code
from loopback import LiveMail
from mail_site import MailSite

from terrarium.capability.mail_quota import COPY_BYTES
from terrarium.core.errors import ConfigError, Refused

ME, BOSS = "agent@world.example", "boss@corp.example"
SMALL = {"storage": "64k"}
LETTER = b"Subject: big\r\n\r\n" + b"x" * 22_000 + b"\r\n"


def used(here: MailSite) -> int:
    return here.email._office.quota.used


def send(here: MailSite, size: int, **more: Any) -> Any:
    return here.use("send", to=[BOSS], subject="Hi", body="b" * size, **more)


def test_an_agent_is_told_how_much_room_there_is(tmp_path: Path) -> None:
    here = MailSite(tmp_path, config=SMALL)
    send(here, 40_000)
    with pytest.raises(
        Refused, match=r"takes 4\d{4} bytes and there is room for 2\d{4}: .* 65536 bytes; send less"
    ) as no:
        send(here, 40_000)
    assert no.value.code == "OVERQUOTA"
    assert len(here.email.sent(ME)) == here.email.count_inbox(BOSS) == 1
    assert send(here, 10_000)["recipients"] == [BOSS]


def test_files_and_copies_count(tmp_path: Path) -> None:
    here = MailSite(tmp_path, config=SMALL)
    before = used(here)
    send(here, 100, attachments=[{"filename": "a.txt", "content": "c" * 20_000}])
    assert 20_100 + 3 * COPY_BYTES < used(here) - before < 20_700 + 3 * COPY_BYTES
    with pytest.raises(Refused, match="to fewer people"):
        here.use("send", to=[f"p{n}@x" for n in range(60)], subject="Hi", body="")
    assert here.email.mailboxes() == [ME, BOSS]


def test_the_task_program_has_no_limit_and_takes_no_room(tmp_path: Path) -> None:
    here = MailSite(tmp_path, config=SMALL)
    for _ in range(100):
        here.email.send(BOSS, ME, "Hi", "b" * 2_000)
    assert used(here) == 0
    here.email.delete_message(ME, 0)
    here.use("delete", id="INBOX/2")
    send(here, 40_000)
    here.email.send(BOSS, ME, "Hi", "b" * 100_000)
    assert used(here) < 45_000


def test_what_is_used_is_the_same_after_a_resume(tmp_path: Path) -> None:
    here = MailSite(tmp_path / "a", config=SMALL)
    here.email.send(BOSS, ME, "Hi", "text")
    assert used(here) == 0
    send(here, 20_000, attachments=[{"filename": "ü.txt", "content": "c" * 5_000}])
    here.use("delete", id="Sent/1")
    asyncio.run(here.email.save(tmp_path / "b" / "email"))
    again = MailSite(tmp_path / "b", config=SMALL)
    assert used(again) == used(here) > 25_000
    with pytest.raises(Refused, match="there is room for"):
        send(again, 40_000)


@pytest.mark.parametrize("size", ["much", 0, -1, True, "0m"])
def test_a_cap_is_a_size(tmp_path: Path, size: object) -> None:
    with pytest.raises(ConfigError, match="is not a size; write for example '512m'"):
        MailSite(tmp_path, config={"storage": size})


def test_smtp_says_that_it_is_full_and_takes_what_fits(tmp_path: Path) -> None:
    with LiveMail(tmp_path, config=SMALL) as live, live.smtp() as client:
        assert client.sendmail(ME, [BOSS], LETTER) == {}
        with pytest.raises(smtplib.SMTPDataError) as no:
            client.sendmail(ME, [BOSS], LETTER)
        assert no.value.smtp_code == 552
        assert no.value.smtp_error.startswith(b"5.2.2 this takes 25")
        assert client.sendmail(ME, [BOSS], b"Subject: small\r\n\r\nx\r\n") == {}
        assert live.ask(live.email.count_inbox, BOSS) == 2
        assert not live.failures


def test_imap_says_overquota_and_stores_nothing(tmp_path: Path) -> None:
    with LiveMail(tmp_path, config=SMALL) as live, Talk(live.connect(143)) as talk:
        talk.login().ok("APPEND INBOX", LETTER)
        assert code(talk.say("APPEND INBOX", LETTER)) == "NO OVERQUOTA"
        doublings = 0
        while (said := code(talk.say("COPY 1:* INBOX"))) == "OK COPYUID":
            doublings += 1
            talk.ok("NOOP")
        assert (said, doublings) == ("NO OVERQUOTA", 4)
        assert live.ask(live.email.count_inbox, ME) == 16
        talk.ok("MOVE 1:* Archive")  # which takes nothing
        assert live.ask(live.email.count_inbox, ME) == 0
        assert not live.failures
