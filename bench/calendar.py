"""Calendars over CalDAV: PUT and REPORT in a whole world, beside Radicale; what one adds to opening a world."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.figure import Figure, at_most, median, spread
from bench.world import serving
from terrarium.capability.calendar.calendar import Calendar

PUT, REPORT, OPEN = 3.0, 10.0, 2.0  # milliseconds
RADICALE = "3.9.0"

CLIENT = """
import base64, json, socket, statistics, sys, time
port, count, repeats = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
wire = socket.create_connection(("127.0.0.1", port))
wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
login = base64.b64encode(b"ann:x").decode()
def take(size):
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)  # a server that writes twice is not made to wait
    return wire.recv(size)
def ask(method, path, body="", kind="application/xml"):
    global wire
    data = body.encode()
    head = f"{method} {path} HTTP/1.1\\r\\nHost: localhost\\r\\nAuthorization: Basic {login}\\r\\nDepth: 1\\r\\n"
    wire.sendall((head + f"Content-Type: {kind}\\r\\nContent-Length: {len(data)}\\r\\n\\r\\n").encode() + data)
    got = b""
    while b"\\r\\n\\r\\n" not in got:
        got += take(65536)
    head, _, rest = got.partition(b"\\r\\n\\r\\n")
    fields = dict(line.lower().split(": ", 1) for line in head.decode("latin-1").split("\\r\\n")[1:])
    length = int(fields.get("content-length", 0))
    while len(rest) < length:
        rest += take(1 << 20)
    if fields.get("connection") == "close" or head.startswith(b"HTTP/1.0"):
        wire.close()
        wire = socket.create_connection(("127.0.0.1", port))
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return int(head.split()[1]), rest
EVENT = "\\r\\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//B//EN", "BEGIN:VEVENT", "UID:{0}@x",
    "DTSTAMP:20300101T000000Z", "DTSTART;TZID=Europe/Berlin:203001{1:02}T100000",
    "DTEND;TZID=Europe/Berlin:203001{1:02}T110000", "SUMMARY:Event {0}", "DESCRIPTION:What it is about.",
    "END:VEVENT", "END:VCALENDAR", ""])
QUERY = ('<C:calendar-query xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:prop><D:getetag/>'
    '<C:calendar-data/></D:prop><C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT"><C:time-range '
    'start="20300101T000000Z" end="20300201T000000Z"/></C:comp-filter></C:comp-filter></C:filter></C:calendar-query>')
assert ask("MKCALENDAR", "/ann/work/")[0] == 201
puts, reports = [], []
for number in range(count):
    began = time.perf_counter()
    status, _ = ask("PUT", f"/ann/work/{number}.ics", EVENT.format(number, number % 28 + 1), "text/calendar")
    puts.append(time.perf_counter() - began)
    assert status == 201, status
for _ in range(repeats):
    began = time.perf_counter()
    status, body = ask("REPORT", "/ann/work/", QUERY)
    reports.append(time.perf_counter() - began)
    assert status == 207 and body.count(b"BEGIN:VEVENT") == count, status
print(json.dumps([1000 * statistics.median(puts), 1000 * statistics.median(reports)]))
"""


def run(quick: bool, loaded: bool) -> Iterator[Figure]:
    """Medians of requests by one client in a process of its own, in turns with Radicale; and of opening."""
    count, repeats, rounds = (5, 2, 1) if quick else (100, 20, 3)
    ours: list[list[float]] = []
    theirs: list[list[float]] = []
    missing = ""
    for _ in range(rounds):
        ours.append(asyncio.run(_ours(count, repeats)))
        try:
            with _radicale() as port:
                theirs.append(_client(port, count, repeats))
        except _Missing as error:
            missing = str(error)
    for place, (what, target) in enumerate(((f"PUT, of {count}", PUT), (f"REPORT over {count} events", REPORT))):
        values = [round_[place] for round_ in ours]
        yield Figure(what, median(values), "ms", at_most(target), spread(values))
        peers = [round_[place] for round_ in theirs]
        yield Figure(
            f"the same by Radicale {RADICALE}", median(peers) if peers else None, "ms", None, missing or spread(peers)
        )
    times = asyncio.run(_openings(2 if quick else 50))
    yield Figure("a calendar added to a world and closed", median(times), "ms", at_most(OPEN), spread(times))


async def _ours(count: int, repeats: int) -> list[float]:
    async with serving("calendar", Calendar) as (_, port):
        return await asyncio.to_thread(_client, port(5232), count, repeats)


async def _openings(number: int) -> list[float]:
    async with serving("calendar", Calendar) as (world, _):
        times = []
        for each in range(number):
            began = time.perf_counter()
            await world.acquire(f"calendar:n{each}")
            await world.release(f"calendar:n{each}")
            times.append(1000 * (time.perf_counter() - began))
        return times


def _client(port: int, count: int, repeats: int) -> list[float]:
    argv = [sys.executable, "-I", "-c", CLIENT, str(port), str(count), str(repeats)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise RuntimeError(f"the client failed: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    return list(map(float, json.loads(done.stdout)))


class _Missing(Exception):
    """Radicale cannot be installed or started here."""


@contextmanager
def _radicale() -> Iterator[int]:
    """Radicale in a process and an environment of its own, installed once; without authentication."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "terrarium-bench" / f"radicale-{RADICALE}"
    python, env = base / "bin" / "python", {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    try:
        if not (base / "complete").exists():
            shutil.rmtree(base, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", str(base)], env=env, check=True, timeout=100)
            pip = [str(python), "-m", "pip", "install", "--quiet", f"radicale=={RADICALE}"]
            subprocess.run(pip, env=env, check=True, capture_output=True, timeout=200)
            (base / "complete").touch()
    except (OSError, subprocess.SubprocessError) as error:
        raise _Missing(f"Radicale {RADICALE} cannot be installed here: {type(error).__name__}") from error
    with tempfile.TemporaryDirectory(prefix="terrarium-bench-") as folder:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = int(free.getsockname()[1])
        config = Path(folder) / "config"
        config.write_text(
            f"[server]\nhosts = 127.0.0.1:{port}\n[auth]\ntype = none\ndelay = 0\n[logging]\nlevel = error\n"
            f"[storage]\nfilesystem_folder = {folder}/data\n"
        )
        argv = [str(python), "-m", "radicale", "--config", str(config)]
        silent = subprocess.DEVNULL
        process = subprocess.Popen(argv, env=env, stdin=silent, stdout=silent, stderr=silent)
        try:
            for _ in range(200):
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    time.sleep(0.05)
            else:
                raise _Missing(f"Radicale {RADICALE} did not start")
            yield port
        finally:
            process.terminate()
            process.wait(10)
