"""Connections that behave badly end at most themselves; those that wait are told at once."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from imap_talk import Talk
from loopback import LiveMail

from terrarium.capability.imap.server import APPEND_LIMIT, ImapServer, Waits
from terrarium.capability.mail_account import accounts_of
from terrarium.capability.post_office import PostOffice
from terrarium.core.capability import Site
from terrarium.core.clock import Clock
from terrarium.core.network import Caller, Network
from terrarium.core.seeds import Rng

ANN = "agent@world.example"
LARGE = b"Subject: large\r\n\r\n" + b"0123456789abcdef" * 100 * 1024 + b"\r\n"  # 1.6 MB


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveMail]:
    with LiveMail(tmp_path) as live:
        with Talk(live.connect(143)) as witness:
            witness.login()
            yield live
            witness.ok("NOOP")  # whatever happened happened to nobody else
        assert live.failures == []


def closed(talk: Talk) -> bool:
    """Whether nothing more comes."""
    try:
        while True:
            talk.line()
    except (EOFError, ConnectionError):
        return True


# -- what is sent ---------------------------------------------------------------------------------------


def test_long_things_are_refused_and_the_connection_goes_on(live):
    with Talk(live.connect(143)) as talk:
        talk.login()
        assert talk.say("SEARCH TEXT " + "x" * 2_000_000)[-1].startswith(b"BAD")
        assert talk.say("SEARCH TEXT " + "x" * 900_000)[-1].startswith(b"OK")
        assert talk.say("SEARCH TEXT {4294967296}")[-1].startswith(b"NO [TOOBIG]")
        assert talk.say(f"APPEND INBOX {{{APPEND_LIMIT + 1}}}")[-1].startswith(b"NO [TOOBIG]")
        assert talk.say("SEARCH " + "(" * 100_000)[-1].startswith(b"BAD")
        assert talk.say("FETCH 1:4294967295,4294967295:1 FLAGS")[-1].startswith(b"OK")
        assert talk.say("SEARCH " + "NOT " * 5000 + "ALL")[-1].startswith(b"BAD")
        assert talk.say("SEARCH " + "OR ALL " * 50 + "ALL")[-1].startswith(b"OK")
        assert talk.say(b"\xff\xfe\x00")[-1].startswith(b"BAD")
        assert talk.say("LIST " + "*a" * 400 + " " + "%*" * 400)[-1].startswith(b"OK")
        talk.send(b"\r\n\r\nnonsense\r\n")
        assert [talk.line().partition(b"BAD")[0] for _ in range(3)] == [b"* ", b"* ", b"nonsense "]


def test_a_literal_bomb_that_does_not_wait_ends_its_connection(live):
    with Talk(live.connect(143)) as talk:
        talk.login()
        talk.send(b"x SEARCH TEXT {4294967296+}\r\n")
        assert talk.line().startswith(b"* BYE")
        assert closed(talk)


def test_a_stranger_cannot_send_a_large_literal(live):
    with Talk(live.connect(143)) as talk:
        assert talk.say("LOGIN {10000}")[-1].startswith(b"NO [TOOBIG]")
        assert talk.say("APPEND INBOX {10000}")[-1].startswith(b"NO [TOOBIG]")


def test_commands_sent_ahead_are_answered_in_order(live):
    with Talk(live.connect(143)) as talk:
        talk.login()
        talk.send(b"".join(b"p%d APPEND INBOX {9+}\r\nSubject: \r\nq%d NOOP\r\n" % (n, n) for n in range(200)))
        for n in range(200):
            assert talk.answer(f"p{n}")[-1].startswith(b"OK")
            assert talk.answer(f"q{n}")[-1].startswith(b"OK")
        assert talk.ok("SEARCH RETURN (COUNT) ALL")[0].endswith(b"COUNT 200")


def test_a_message_of_25_megabytes(live):
    with Talk(live.connect(143)) as talk:
        talk.login()
        raw = b"Subject: x\r\n\r\n" + b"y" * (25 * 1024 * 1024 - 20)
        assert b"APPENDUID" in talk.say("APPEND INBOX", raw)[-1]
        line = talk.ok("FETCH 1 BODY.PEEK[]")[0]
        assert len(line) == len(b"* 1 FETCH (BODY[] {26214394}\r\n)") + len(raw)
        assert talk.ok("FETCH 1 (RFC822.SIZE BODY.PEEK[]<26214390.100>)") == [
            b"* 1 FETCH (RFC822.SIZE 26214394 BODY[]<26214390> {4}\r\nyyyy)"
        ]


def test_messages_that_are_none(live):
    junk = [b"", b"\r\n", b"\x00\xff" * 50, b"Date: never\r\nFrom: <<>>@\r\n\r\n", b"no end", b"A:\r\n" * 3000]
    junk += [b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + b"--x\r\n" * 2000, b"\xe4: \xe4\r\n\r\n\xe4"]
    with Talk(live.connect(143)) as talk:
        talk.login()
        for raw in junk:
            assert b"APPENDUID" in talk.say("APPEND INBOX", raw)[-1]
        told = talk.ok("FETCH 1:* (FLAGS ENVELOPE BODYSTRUCTURE BODY RFC822.SIZE BODY.PEEK[1] BODY.PEEK[HEADER])")
        assert len(told) == len(junk)
        for command in (
            "SORT (DATE FROM SUBJECT SIZE) UTF-8 ALL",
            "THREAD REFERENCES UTF-8 ALL",
            "SEARCH TEXT x BODY y",
        ):
            talk.ok(command)


# -- who does not listen, or leaves ---------------------------------------------------------------------


def test_a_client_that_reads_nothing_holds_up_nobody(live):
    with Talk(live.connect(143)) as slow, Talk(live.connect(143)) as quick:
        slow.login()
        quick.login()
        quick.ok("APPEND INBOX", LARGE)
        slow.send(b"".join(b"s%d FETCH 1:* BODY.PEEK[]\r\n" % n for n in range(50)))
        began = time.monotonic()
        for _ in range(20):
            quick.ok("FETCH 1 (FLAGS ENVELOPE)")
        live.ask(live.email.send, "bob@x.example", ANN, "world goes on", "text")
        assert time.monotonic() - began < 20  # it would be forever
        for n in range(50):
            assert slow.answer(f"s{n}")[-1].startswith(b"OK")


def test_a_client_that_idles_and_reads_nothing_is_remembered_no_more_than_the_mailbox(live):
    with Talk(live.connect(143)) as deaf, Talk(live.connect(143)) as loud:
        deaf.login()
        loud.login()
        deaf.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.send(b"i IDLE\r\n")
        loud.ok("APPEND INBOX", b"x")
        for _ in range(1500):
            loud.ok("STORE 1 +FLAGS.SILENT (\\Flagged)")
            loud.ok("STORE 1 -FLAGS.SILENT (\\Flagged)")
        loud.ok("STORE 1 +FLAGS.SILENT (\\Answered)")
        deaf.send(b"DONE\r\n")
        assert b"\\Answered" in [line for line in deaf.answer("i") if b"FLAGS" in line][-1]


@pytest.mark.parametrize(
    "cut", [b"", b"x", b"x LOGIN {5}\r\n", b"x LOGIN {5+}\r\nab", b"x IDLE\r\n", b"x NOOP\r\ny NO"]
)
def test_a_client_that_goes_in_the_middle_leaves_nothing(live, cut):
    talk = Talk(live.connect(143))
    talk.login()
    talk.send(cut)
    talk.socket.shutdown(socket.SHUT_WR)
    assert closed(talk)
    talk.__exit__(None, None, None)
    torn = Talk(live.connect(143))
    torn.login()
    torn.send(cut)
    torn.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    torn.__exit__(None, None, None)


def test_a_hundred_clients_at_once_leave_nothing_behind(live):
    def tasks() -> int:
        async def count() -> int:
            return len(asyncio.all_tasks())

        return live.run(count())

    before = tasks()
    talks = [Talk(live.connect(143)) for _ in range(100)]
    for talk in talks:
        talk.login()
        talk.send(b"i IDLE\r\n")
        assert talk.line().startswith(b"+")
    live.ask(live.email.send, "bob@x.example", ANN, "to all", "text")
    for n, talk in enumerate(talks):
        assert talk.line() == b"* 1 EXISTS"
        if n % 2:
            talk.send(b"DONE\r\n")
            assert talk.answer("i")[-1].startswith(b"OK")
        talk.__exit__(None, None, None)
    for _ in range(100):
        if tasks() <= before:
            break
        time.sleep(0.05)
    assert tasks() <= before
    live.ask(live.email.send, "bob@x.example", ANN, "to nobody", "text")
    gc.collect()


# -- waiting --------------------------------------------------------------------------------------------


def test_others_connect_while_a_long_search_goes_on(live):
    word = b"=?utf-8?q?a?=\r\n "
    heavy = b"".join(b"X-%d: " % number + word * 15_000 + b"\r\n" for number in range(4)) + b"\r\nx"
    with Talk(live.connect(143)) as talk:
        talk.login()
        for _ in range(6):
            talk.ok("APPEND INBOX", heavy)
        talk.ok("NOOP")
        talk.send(b"s SEARCH TEXT nowhere\r\n")
        with Talk(live.connect(143)) as other:
            assert other.greeting.startswith(b"* OK")
            talk.socket.setblocking(False)
            with pytest.raises(BlockingIOError):
                talk.socket.recv(1)  # nothing is answered yet
            talk.socket.setblocking(True)
        assert talk.answer("s") == [b"* SEARCH", b"OK done"]


def test_idle_tells_what_others_do_at_once(live):
    with Talk(live.connect(143)) as talk, Talk(live.connect(143)) as other:
        talk.login()
        other.login()
        talk.send(b"i IDLE\r\n")
        assert talk.line().startswith(b"+")
        live.ask(live.email.send, "bob@x.example", ANN, "one", "text")
        assert [talk.line(), talk.line()] == [b"* 1 EXISTS", b"* 1 RECENT"]
        other.ok("NOOP")
        other.ok("STORE 1 +FLAGS (\\Flagged)")
        assert talk.line() == b"* 1 FETCH (UID 1 FLAGS (\\Flagged \\Recent))"
        other.ok("UID MOVE 1 Archive")
        assert talk.line() == b"* 1 EXPUNGE"
        talk.send(b"DONE\r\n")
        assert talk.answer("i") == [b"OK done"]
        talk.send(b"j IDLE\r\nNONSENSE\r\n")
        assert talk.line().startswith(b"+")
        assert talk.answer("j")[-1].startswith(b"BAD")


def test_what_another_thread_changes_is_told_too(live):
    """The task program runs on a thread of its own, and holds the baton there."""
    with Talk(live.connect(143)) as talk:
        talk.login()
        talk.send(b"i IDLE\r\n")
        assert talk.line().startswith(b"+")
        program = threading.Thread(target=live.email.send, args=("bob@x.example", ANN, "one", "text"))
        program.start()
        assert talk.line() == b"* 1 EXISTS"
        program.join()


class Alone:
    """A server of its own, with its waits and certificates as wanted."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.network = Network()
        site = Site(
            name="email", folder=folder, config={}, clock=Clock(), rng=Rng(1), agents=("agent",),
            changed=lambda change: None, actor=lambda: "agent", wait=asyncio.run, sandbox=lambda: None,  # type: ignore
        )  # fmt: skip
        self.server = ImapServer(PostOffice(site, site.rows()), accounts_of({}, ("agent",)), **settings)

    async def streams(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        await self.network.serve("mail.world", 143, self.server.serve)
        return await asyncio.open_connection(sock=self.network.connect("mail.world", 143, Caller("agent")))


@pytest.mark.parametrize("said", [b"", b"a LOGIN {3}\r\n", b"a LOGIN ann any\r\n", b"a LOGIN ann any\r\nb IDLE\r\n"])
def test_who_says_nothing_for_too_long_is_sent_away(tmp_path, said):
    async def go() -> bytes:
        one = Alone(tmp_path, waits=Waits(stranger=0.1, idle=0.1, command=0.1))
        reader, writer = await one.streams()
        writer.write(said)
        heard = await reader.read()
        writer.close()
        await one.network.close()
        return heard

    assert b"\r\n* BYE " in asyncio.run(go())


def test_who_takes_nothing_for_too_long_is_cut_off(tmp_path):
    async def go() -> int:
        one = Alone(tmp_path, waits=Waits(taking=0.2))
        _, writer = await one.streams()
        writer.write(b"a LOGIN ann any\r\nb SELECT INBOX\r\nc APPEND INBOX {%d+}\r\n%b\r\n" % (len(LARGE), LARGE))
        writer.write(b"".join(b"d FETCH 1 BODY.PEEK[]\r\n" for _ in range(30)))
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        for _ in range(100):
            await asyncio.sleep(0.05)
            if not [task for task in asyncio.all_tasks() if "Network._serve" in repr(task)]:
                break
        left = [task for task in asyncio.all_tasks() if "Network._serve" in repr(task)]
        writer.transport.abort()
        await one.network.close()
        return len(left)

    assert asyncio.run(go()) == 0


def test_tls_begins_where_there_is_a_certificate(tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=mail.world",
         "-addext", "subjectAltName=DNS:mail.world", "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(certificate, key)

    async def go() -> list[bytes]:
        one = Alone(tmp_path / "state", tls=ours)
        reader, writer = await one.streams()
        heard = [await reader.readline()]
        writer.write(b"a STARTTLS\r\nz LOGIN sent ahead\r\n")
        heard.append(await reader.readline())
        await writer.start_tls(ssl.create_default_context(cafile=str(certificate)), server_hostname="mail.world")
        writer.write(b"b CAPABILITY\r\nc STARTTLS\r\nd LOGIN ann any\r\n")
        heard += [await reader.readline() for _ in range(4)]
        writer.close()
        await one.network.close()
        return heard

    greeting, begun, told, _, again, done = asyncio.run(go())
    assert b" STARTTLS]" in greeting
    assert begun == b"a OK begin\r\n"
    assert b"STARTTLS" not in told
    assert again.startswith(b"c BAD")
    assert done.startswith(b"d OK")
