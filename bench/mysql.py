"""MariaDB of a world, and beside it a server of the same program started by hand."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.database import Bench
from bench.figure import Figure
from terrarium.capability.mysql.binaries import find
from terrarium.capability.mysql.mysql import Mysql

_MAKE = """cd {share} && {{ printf 'CREATE DATABASE mysql;\\nUSE mysql;\\n'
cat mysql_system_tables.sql mysql_performance_tables.sql mysql_system_tables_data.sql maria_add_gis_sp_bootstrap.sql
}} | {program} --no-defaults {user} --datadir={place} --bootstrap"""


def run(quick: bool, loaded: bool) -> Iterator[Figure]:
    """See `Bench.run`."""
    yield from Bench(Mysql, 400.0, 40.0, 6144.0, "the same program: bootstrap, start, greeting", _plain).run(
        quick, loaded
    )


def _plain(repeats: int) -> list[float]:
    """A server of the same program with its usual settings, by hand; as somebody else where this is root."""
    found, times = find(), []
    program = f"{found.host}/mariadbd"
    user = "--user=nobody" if os.geteuid() == 0 else ""
    for _ in range(repeats):
        place = tempfile.mkdtemp(dir="/tmp", prefix="plain-")
        if user:
            shutil.chown(place, "nobody")
        server = None
        try:
            began = time.perf_counter()
            make = _MAKE.format(share=found.env["SHARE"], program=program, user=user, place=place)
            subprocess.run(["sh", "-c", make], timeout=120, capture_output=True, check=False)
            words = ["--no-defaults", f"--datadir={place}", f"--socket={place}/s", "--skip-networking", *user.split()]
            server = subprocess.Popen([program, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while not Path(place, "s").exists() and server.poll() is None:
                time.sleep(0.005)
            if server.poll() is None:
                with socket.socket(socket.AF_UNIX) as link:
                    link.connect(f"{place}/s")
                    link.recv(100)
                times.append(1e3 * (time.perf_counter() - began))
        finally:
            if server is not None:
                server.kill()
                server.wait()
            shutil.rmtree(place, ignore_errors=True)
    return times
