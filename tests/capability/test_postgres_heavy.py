"""A database that is stuffed: rows of 100 MB, thousands of connections. The engine's memory and sockets are bounded."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from database import Database, database, needs_postgres

from terrarium.core.errors import Refused

pytestmark = [needs_postgres, pytest.mark.alone]

MIB = 1024 * 1024
AT_MOST = 300 * MIB  # more than before, at the highest point


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with database(tmp_path_factory.mktemp("heavy")) as found:
        found.postgres.execute("CREATE TABLE kept AS SELECT 7 AS x")
        assert found.command("true").exit_code == 0
        yield found


def memory(what: str) -> int:
    """Bytes of this process: `VmRSS` now, `VmHWM` at the highest point."""
    told = Path("/proc/self/status").read_text()
    return int(re.search(rf"{what}:\s+(\d+) kB", told)[1]) * 1024  # type: ignore[index]


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    """The engine's memory does not grow by more than it may."""
    Path("/proc/self/clear_refs").write_text("5")  # begins the highest point anew
    before = memory("VmRSS")
    yield
    grown = memory("VmHWM") - before
    print(f"grown by {grown // MIB} MiB")
    assert grown < AT_MOST


LARGE = """python3 -c "
import psycopg
with psycopg.connect() as c:
    c.execute('CREATE TABLE large (id int PRIMARY KEY, t text)')
    with c.cursor().copy('COPY large FROM STDIN') as copy:
        copy.write(b'1\\t')
        for _ in range(100):
            copy.write(b'x' * 1_000_000)
        copy.write(b'\\n')
    c.commit()
    print(len(c.execute('SELECT t FROM large').fetchone()[0]))
"
"""


def test_a_row_of_100_megabytes(it: Database) -> None:
    with bounded():
        assert it.command(LARGE).stdout == "100000000\n"  # there and back, through the agent's own connection
        with pytest.raises(Refused, match="larger than 32 MiB"):
            it.use("query", sql="SELECT t FROM large")
        with pytest.raises(Refused, match="larger than 32 MiB"):
            it.use("execute", sql="SELECT t FROM large")
        [shown] = it.use("query", sql="SELECT left(t, 30000) AS t FROM large")["rows"]
        assert len(shown["t"]) < 21_000
        with pytest.raises(Refused, match="4,194,304 characters"):
            it.use("execute", sql="SELECT '" + "x" * (5 * MIB) + "'::text AS t")
        assert it.content("large") == [{"rows": 1, "bytes": 100_000_004}]
        it.postgres.execute("DROP TABLE large")


@pytest.mark.soak
@pytest.mark.parametrize("rows", [8, 40])
def test_small_rows_that_unpack_to_gigabytes(it: Database, rows: int) -> None:
    made = f"FROM generate_series(1, {rows}) g"
    it.site.command_timeout = 100.0  # a gigabyte takes a while
    with bounded():
        it.use("execute", sql=f"CREATE TABLE packed AS SELECT g, repeat('x', 30000000) AS t {made}")
        hidden = "jsonb_build_array(repeat('x', 100000000))"
        it.use("execute", sql=f"CREATE TABLE hidden AS SELECT {hidden} AS j FROM generate_series(1, 2)")
        it.use("execute", sql="CREATE TABLE many AS SELECT repeat('y', 1000) AS t FROM generate_series(1, 90000)")
        found = {row.table.removeprefix("main.public."): row.fields for row in it.rows() if row.table != "table"}
    assert set(found["packed"]) == ({"rows", "digest"} if rows < 30 else {"rows", "bytes"})
    assert set(found["hidden"]) == {"rows", "bytes"}
    assert set(found["many"]) == {"rows", "digest"}
    assert found["kept"] == {"x": 7}
    it.postgres.execute("DROP TABLE packed, hidden, many")


CROWD = """
import os, resource, socket
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
held, ended = [], 0
for number in range({count}):
    try:
        one = socket.create_connection((os.environ["PGHOST"], 5432), timeout=10)
    except OSError as error:
        print(type(error).__name__, error)
        break
    one.setblocking(False)
    held.append(one)
print(len(held), flush=True)
"""
WORK = """python3 -c "
import psycopg
for _ in range(5):
    with psycopg.connect() as c: print(c.execute('SELECT x FROM kept').fetchone()[0])
" """


@pytest.mark.parametrize("count", [1500, pytest.param(10_000, marks=pytest.mark.soak)])
def test_connections_without_end(it: Database, count: int) -> None:
    it.command("true", agent="other")
    before = len(list(Path("/proc/self/fd").iterdir()))
    crowd = f"python3 -c '{CROWD.format(count=count)}'".replace("'\n", "'", 1)
    hold = crowd.replace("print(len(held), flush=True)", "print(len(held), flush=True); import time; time.sleep(20)")
    it.command(f"({hold}) > held 2>&1 & for i in $(seq 200); do test -s held && break; sleep 0.1; done")
    with bounded():
        print(it.command("cat held").stdout)
        assert len(list(Path("/proc/self/fd").iterdir())) - before < 1200
        assert it.command(WORK, agent="other").stdout == "7\n" * 5
        assert it.postgres.query("SELECT x FROM kept") == [{"x": 7}]
        assert it.use("query", sql="SELECT x FROM kept")["rows"] == [{"x": 7}]
