"""Mail over sockets: deliveries a second into a whole world, beside a bare aiosmtpd, and what IMAP clients wait for."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Iterator

from bench.figure import Figure, at_least, at_most, median, spread
from bench.world import serving
from terrarium.capability.email import Email

DELIVERIES = 600.0  # mails a second over SMTP

SENDER = """
import smtplib, sys, time
port, count = int(sys.argv[1]), int(sys.argv[2])
body = "Numbers for the quarter.\\r\\n" * 20
with smtplib.SMTP("127.0.0.1", port, "client.world") as client:
    client.ehlo()
    began = time.perf_counter()
    for number in range(count):
        head = f"From: ann@corp.example\\r\\nTo: bob@corp.example\\r\\nSubject: Mail {number}\\r\\n"
        head += f"Message-ID: <{number}@x>\\r\\n"
        client.sendmail("ann@corp.example", ["bob@corp.example"], head + "\\r\\n" + body)
    print(time.perf_counter() - began)
"""
FETCHER = """
import poplib, sys, time
began = time.perf_counter()
client = poplib.POP3("127.0.0.1", int(sys.argv[1]))
client.user("bob@corp.example"); client.pass_("x")
count = client.stat()[0]
for number in range(count):
    client.retr(number + 1)
client.quit()
assert count == int(sys.argv[2]), count
print(time.perf_counter() - began)
"""
IMAP = """
import imaplib, json, socket, statistics, sys, time
port, count, rounds = map(int, sys.argv[1:])

def took(job):
    spent = []
    for _ in range(rounds):
        began = time.perf_counter()
        job()
        spent.append(time.perf_counter() - began)
    return 1000 * statistics.median(spent)

def enter(folder):
    client = imaplib.IMAP4("127.0.0.1", port)
    clients.append(client)
    return lambda: (client.login("bob@corp.example", "x"), client.select(folder))

clients, found = [], {}
for folder in ("INBOX", "Archive"):
    jobs = iter([enter(folder) for _ in range(rounds)])
    found["select " + folder] = took(lambda: next(jobs)())
client = clients[0]
assert client.select()[1] == [b"%d" % count], client.select()
for name, criteria in {
    "subject": ("SUBJECT", "Mail"), "body": ("BODY", "quarter"), "text": ("TEXT", "quarter"), "none": ("BODY", "zebra")
}.items():
    began = time.perf_counter()
    client.search(None, *criteria)
    found["first " + name] = 1000 * (time.perf_counter() - began)
    found["search " + name] = took(lambda: client.search(None, *criteria))
found["fetch"] = took(lambda: client.fetch("1:*", "(UID FLAGS RFC822.SIZE ENVELOPE BODYSTRUCTURE)"))
found["thread"] = took(lambda: client.thread("REFERENCES", "UTF-8", "ALL"))
idler = clients[1]
idler.select()
idler.send(b"i IDLE\\r\\n")
idler.readline()
flags = iter(range(10 ** 6))

def push():
    client.send(b"p STORE 1 %b ($Work)\\r\\n" % (b"-FLAGS.SILENT" if next(flags) % 2 else b"+FLAGS.SILENT"))
    while b"FETCH" not in idler.readline():
        pass

client.store("1", "+FLAGS", "$Work")
idler.readline(), idler.readline()
client.store("1", "-FLAGS", "$Work")
idler.readline()
found["push"] = 0.0
spent = []
for _ in range(rounds):
    began = time.perf_counter()
    push()
    spent.append(time.perf_counter() - began)
    client.readline()
found["push"] = 1000 * statistics.median(spent)
print(json.dumps(found))
"""
IMAP_FIGURES = {
    "select Archive": ("IMAP, LOGIN and SELECT, an empty folder", 2.0),
    "select INBOX": ("IMAP, LOGIN and SELECT, {count} mails", 2.0),
    "first body": ("IMAP, the first SEARCH BODY of {count} mails", 10.0),
    "search subject": ("IMAP, SEARCH SUBJECT of {count} mails", 10.0),
    "search body": ("IMAP, SEARCH BODY of {count} mails", 10.0),
    "search text": ("IMAP, SEARCH TEXT of {count} mails", 10.0),
    "search none": ("IMAP, SEARCH BODY that finds nothing", 10.0),
    "fetch": ("IMAP, FETCH envelope and structure of {count} mails", None),
    "thread": ("IMAP, THREAD of {count} mails", None),
    "push": ("IMAP, STORE to the line at who is in IDLE", 2.0),
}  # fmt: skip


def run(quick: bool, loaded: bool) -> Iterator[Figure]:
    """SMTP deliveries, the same into a sink, and fetching by POP3; clients are processes of their own."""
    yield from asyncio.run(_wire(*((20, 1) if quick else (2000, 3))))
    yield from asyncio.run(_imap(*((20, 3) if quick else (500, 30))))


async def _wire(count: int, repeats: int) -> list[Figure]:
    delivered, sunk, fetched = [], [], []
    for _ in range(repeats):
        async with serving("email", Email) as (_, port):
            delivered.append(count / await _client(SENDER, port(25), count))
            fetched.append(count / await _client(FETCHER, port(110), count))
        sunk.append(count / await _sink(count))
    return [
        Figure(f"SMTP, {count:,} mails", median(delivered), "mails/s", at_least(DELIVERIES), spread(delivered)),
        Figure("SMTP into a bare aiosmtpd sink", median(sunk), "mails/s", None, f"the same client; {spread(sunk)}"),
        Figure("SMTP, of that", 100 * median(delivered) / median(sunk), "%"),
        Figure("POP3, the same mails fetched", median(fetched), "mails/s", None, spread(fetched)),
    ]


async def _imap(count: int, rounds: int) -> list[Figure]:
    async with serving("email", Email) as (_, port):
        await _client(SENDER, port(25), count)
        found = json.loads(await _said(IMAP, port(143), count, rounds))
    return [
        Figure(what.format(count=count), found[key], "ms", None if most is None else at_most(most), "median")
        for key, (what, most) in IMAP_FIGURES.items()
    ]


async def _sink(count: int) -> float:
    from aiosmtpd.handlers import Sink
    from aiosmtpd.smtp import SMTP

    logging.getLogger("mail.log").disabled = True
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Sink(), hostname="sink", loop=loop), "127.0.0.1", 0)
    async with server:
        return await _client(SENDER, server.sockets[0].getsockname()[1], count)


async def _client(program: str, port: int, count: int) -> float:
    """The seconds that a client says it took."""
    return float(await _said(program, port, count))


async def _said(program: str, *arguments: int) -> bytes:
    """What a client in a process of its own prints."""
    argv = [sys.executable, "-I", "-c", program, *map(str, arguments)]
    client = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)
    async with asyncio.timeout(120):
        said, _ = await client.communicate()
    if client.returncode:
        raise RuntimeError("the mail client failed")
    return said
