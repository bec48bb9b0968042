import asyncio
import imaplib
import poplib
import shutil
import smtplib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from loopback import LiveMail
from mail_site import MailSite

from terrarium.core.errors import ConfigError, NotFound
from terrarium.core.network import Caller

ME = "agent@world.example"


def ports(live: LiveMail) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for service in live.network.services():
        found.setdefault(service.host, set()).add(service.port)
    return found


def test_where_the_servers_are(tmp_path: Path) -> None:
    with LiveMail(tmp_path) as live:
        assert live.ask(lambda: live.email.connection_info) == {
            "smtp_host": "mail.world", "smtp_port": 25, "imap_host": "mail.world", "imap_port": 143,
            "pop3_host": "mail.world", "pop3_port": 110, "smtps_port": 465, "imaps_port": 993, "pop3s_port": 995,
        }  # fmt: skip
        assert {25, 587, 110} <= ports(live)["mail.world"]
        assert "mail.world" in live.boxes["agent"].hosts


def test_an_instance_and_a_configuration_have_places_of_their_own(tmp_path: Path) -> None:
    config = {"smtp_port": 3025, "imap_port": 3143, "pop3_port": 3110, "image": "somebody/mail:1"}
    with LiveMail(tmp_path, config=config, name="email:work_2") as live:
        info = live.ask(lambda: live.email.connection_info)
        assert (info["smtp_host"], info["smtp_port"], info["imap_port"]) == ("work-2.mail.world", 3025, 3143)
        assert {3025, 587, 3110} <= ports(live)["work-2.mail.world"]
        assert not {25, 110} & ports(live)["work-2.mail.world"]
    with LiveMail(tmp_path / "2", config={"host": "MX.corp.example"}) as live:
        assert set(ports(live)) == {"mx.corp.example"}


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"smtp_port": "25"}, "smtp_port"),
        ({"pop3_port": 0}, "pop3_port"),
        ({"imap_port": True}, "imap_port"),
        ({"smtp_port": 110}, "cannot both be 110"),
        ({"host": "no host"}, "host"),
        ({"host": 5}, "host"),
        ({"smpt_port": 25}, "did you mean 'smtp_port'"),
    ],
)
def test_bad_places(tmp_path: Path, config: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        MailSite(tmp_path, config=config)


def test_closing_ends_connections_and_frees_the_ports(tmp_path: Path) -> None:
    with LiveMail(tmp_path) as live, live.connect(25) as one, live.connect(110) as other:
        assert one.recv(100).startswith(b"220")
        assert other.recv(100).startswith(b"+OK")
        live.run(live.email.close())
        live.run(live.email.close())
        assert one.recv(100) == other.recv(100) == b""
        assert live.network.services() == []

        async def connect() -> None:
            live.network.connect("mail.world", 25, Caller("agent"))

        with pytest.raises(NotFound):
            live.run(connect())


def test_a_copy_of_the_world_has_the_same_mail_byte_for_byte(tmp_path: Path) -> None:
    raw = b"Subject: \xff\r\nMessage-ID: <1@x>\r\nDate: Mon, 7 Jan 2030 08:00:00 +0000\r\n\r\n\xfe\r\n"
    with LiveMail(tmp_path / "one") as live:
        with live.smtp() as client:
            client.sendmail("boss@x", [ME], raw)
            client.sendmail("boss@x", [ME], b"Subject: second\r\n\r\n")
        live.ask(live.email.delete_message, ME, 0)
        with live.smtp() as client:
            client.sendmail("boss@x", [ME], raw)
        with live.pop3(user=ME) as fetch:
            before = fetch.uidl()[1]
        live.run(live.email.save(tmp_path / "saved"))
        rows = live.ask(lambda: list(live.email.rows()))
    shutil.copytree(tmp_path / "saved", tmp_path / "two" / "email")
    with LiveMail(tmp_path / "two", seed=99) as live:
        assert live.ask(lambda: list(live.email.rows())) == rows
        with live.pop3(user=ME) as fetch:
            assert fetch.uidl()[1] == before
            assert b"\r\n".join(fetch.retr(2)[1]) + b"\r\n" == raw
        assert [mail["uid"] for mail in live.ask(live.email.list_inbox, ME)] == [2, 3]


def test_nothing_is_imported_or_written_before_the_first_connection(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import sys, terrarium.capability.email; print(*sys.modules)"],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert not {"terrarium.capability.smtp", "terrarium.capability.pop3", "smtplib"} & set(done.stdout.split())
    here = MailSite(tmp_path)
    asyncio.run(here.email.close())
    assert not here.site.folder.exists()


def test_every_port_can_be_encrypted(tmp_path: Path) -> None:
    with LiveMail(tmp_path) as live:
        trusting = live.network.authority.client()
        trusting.check_hostname = False  # here the host is an address of the machine
        with live.smtp() as client:
            client.starttls(context=trusting)
            client.ehlo()
            assert "starttls" not in client.esmtp_features
            client.sendmail("boss@x", [ME], b"Subject: secret\r\n\r\n")
        with smtplib.SMTP_SSL("127.0.0.1", live.port(465), context=trusting, timeout=30) as client:
            client.ehlo()
            assert "starttls" not in client.esmtp_features
            client.sendmail("boss@x", [ME], b"Subject: secret\r\n\r\n")
        begun = poplib.POP3("127.0.0.1", live.port(110), timeout=30)
        begun.stls(context=trusting)
        for fetch in (begun, poplib.POP3_SSL("127.0.0.1", live.port(995), context=trusting, timeout=30)):
            assert "STLS" not in fetch.capa()
            fetch.user(ME)
            fetch.pass_("x")
            assert fetch.stat()[0] == 2
            fetch.quit()
        begun_too = live.imap()
        begun_too.starttls(trusting)
        for keep in (begun_too, imaplib.IMAP4_SSL("127.0.0.1", live.port(993), ssl_context=trusting, timeout=30)):
            assert "STARTTLS" not in keep.capabilities
            keep.login(ME, "x")
            assert keep.select()[1] == [b"2"]
            keep.logout()
        assert not live.failures


def test_what_is_said_before_the_encryption_is_forgotten(tmp_path: Path) -> None:
    with LiveMail(tmp_path) as live:
        trusting = live.network.authority.client()
        with live.connect(25) as plain:
            plain.sendall(b"EHLO x\r\nSTARTTLS\r\nMAIL FROM:<injected@x>\r\n")
            said = b""
            while b"220 2.0.0" not in said:
                said += plain.recv(1000)
            with trusting.wrap_socket(plain, server_hostname="mail.world") as secure:
                secure.sendall(b"EHLO x\r\nRCPT TO:<b@x>\r\nQUIT\r\n")
                said = b""
                while more := secure.recv(1000):
                    said += more
        assert b"\r\n503 " in said
        assert not live.failures


def test_who_does_not_encrypt_where_it_must_is_not_served(tmp_path: Path) -> None:
    with LiveMail(tmp_path) as live:
        for port in (465, 993, 995):
            assert b"+OK" not in (said := live.say(port, b"EHLO x\r\na LOGIN ann any\r\n"))
            assert b"250" not in said
        with live.smtp() as client:
            assert client.noop()[0] == 250
        assert not live.failures
