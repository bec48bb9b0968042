"""PostgreSQL of a world, and beside it a server of the same programs started by hand."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator

from bench.database import Bench
from bench.figure import Figure
from terrarium.capability.postgres.binaries import find
from terrarium.capability.postgres.postgres import Postgres


def run(quick: bool, loaded: bool) -> Iterator[Figure]:
    """See `Bench.run`."""
    yield from Bench(Postgres, 150.0, 30.0, 4096.0, "the same programs: initdb, pg_ctl start, psql", _plain).run(
        quick, loaded
    )


def _plain(repeats: int) -> list[float]:
    """A server of the same programs by hand; as somebody else where this is root, whom they refuse."""
    programs, times = find().host, []
    for _ in range(repeats):
        place = tempfile.mkdtemp(dir="/tmp", prefix="plain-")
        script = (
            f"{programs}/initdb -D {place}/data -U postgres --auth=trust --no-sync >{place}/out && "
            f"{programs}/pg_ctl -D {place}/data -w -l {place}/log -o '-h \"\" -k {place}' start >{place}/out && "
            f"{programs}/psql -h {place} -U postgres -c 'SELECT 1' >{place}/out"
        )
        user = []
        if os.geteuid() == 0:
            shutil.chown(place, "nobody")
            user = ["runuser", "-u", "nobody", "--"]
        try:
            began = time.perf_counter()
            done = subprocess.run([*user, "sh", "-c", script], cwd="/", timeout=120, capture_output=True, check=False)
            if done.returncode == 0:
                times.append(1e3 * (time.perf_counter() - began))
        finally:
            stop = [*user, f"{programs}/pg_ctl", "-D", f"{place}/data", "-m", "immediate", "stop"]
            subprocess.run(stop, cwd="/", timeout=60, capture_output=True, check=False)
            shutil.rmtree(place, ignore_errors=True)
    return times
