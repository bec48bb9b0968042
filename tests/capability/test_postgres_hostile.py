"""What a hostile agent does to the database: it harms itself, and neither the engine nor anything outside."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from database import Database, database, needs_postgres, run

from terrarium.core.errors import CapabilityFault, Refused

pytestmark = needs_postgres

LOOK = r"""COPY found FROM PROGRAM $$
echo "id $(id -u)"; for path in /etc/shadow /root/.ssh /work /home/*; do [ -e $path ] && echo "sees $path"; done
grep -c . /proc/net/route | sed 's/^/routes /'; ls /sys/class/net 2>/dev/null | sed 's/^/net /'
(exec 3<>/dev/tcp/1.1.1.1/80) 2>/dev/null && echo "out"
(exec 3<>/dev/tcp/127.77.0.1/5432) 2>/dev/null && echo "world"
touch /usr/bin/x 2>/dev/null && echo "writes"; grep CapEff /proc/self/status | cut -f2 | sed 's/^/CapEff: /'
ls -d /proc/[0-9]* | wc -l | sed 's/^/procs /'
unshare -Ur true 2>/dev/null && echo "namespaces"; env | grep -i -E "token|secret|key" | sed 's/^/env /'
$$"""


@pytest.fixture
def it(tmp_path: Path) -> Iterator[Database]:
    with database(tmp_path) as found:
        yield found


def settled(it: Database) -> bool:
    """Whether the program can work with it."""
    for _ in range(3):
        try:
            return it.postgres.query("SELECT 1 AS x") == [{"x": 1}]
        except CapabilityFault:
            time.sleep(0.2)
    return False


def test_a_command_of_the_server_finds_nothing(it: Database) -> None:
    it.postgres.execute("CREATE TABLE found (line text)")
    it.use("execute", sql=LOOK)
    lines = [row["line"] for row in it.postgres.query("SELECT line FROM found")]
    assert "id 26" in lines
    assert "CapEff: 0000000000000000" in lines
    for word in ("sees", "out", "world", "writes", "namespaces", "env"):
        assert not [line for line in lines if line.startswith(word)], lines
    [count] = [int(line.split()[1]) for line in lines if line.startswith("procs ")]
    assert count < 40


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()",
        "COPY (SELECT 1) TO PROGRAM 'kill -9 -1'",
        "COPY (SELECT 1) TO PROGRAM 'pkill -9 postgres; sleep 1'",
        "COPY (SELECT 1) TO PROGRAM 'rm -rf /run/postgresql; pkill postgres'",
        "DO $$BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); END$$",
    ],
)
def test_it_is_there_again_after_it_was_killed(it: Database, sql: str) -> None:
    it.postgres.execute("CREATE TABLE kept AS SELECT 7 AS x")
    try:
        it.use("execute", sql=sql)
    except Refused:
        pass
    assert settled(it)
    assert it.postgres.query("SELECT x FROM kept") == [{"x": 7}]
    assert it.use("query", sql="SELECT x FROM kept")["rows"] == [{"x": 7}]
    assert it.content("kept") == [{"x": 7}]


def test_the_programs_statement_that_was_cut_off_is_a_fault(it: Database) -> None:
    with pytest.raises(CapabilityFault) as caught:
        it.postgres.execute("COPY (SELECT 1) TO PROGRAM 'kill -9 -1'")
    assert type(caught.value) not in (Refused,)
    assert settled(it)


@pytest.mark.parametrize(
    "sql",
    [
        "WITH RECURSIVE r AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM r) SELECT count(*) FROM r",
        "SELECT array_agg(repeat('x', 1000000) || g) FROM generate_series(1, 100000) g",
        "SELECT pg_sleep(100000)",
    ],
)
def test_a_statement_without_end_ends(it: Database, sql: str) -> None:
    it.site.command_timeout = 2.0
    with pytest.raises(Refused):
        it.use("query", sql=sql)
    with pytest.raises((Refused, CapabilityFault)):
        it.postgres.query(sql)
    it.site.command_timeout = 20.0
    assert settled(it)


FILL = """CREATE TABLE filled_{} AS SELECT repeat(md5(g::text), 30) AS t FROM generate_series(1, 10000) g"""


def test_a_full_disk_leaves_it_readable(tmp_path: Path) -> None:
    with database(tmp_path, resources={"storage": "60m"}) as it:
        it.postgres.execute("CREATE TABLE kept AS SELECT 7 AS x")
        fill = [partial(it.use, "execute", sql=FILL.format(number)) for number in range(100)]
        with pytest.raises(Refused):
            [go() for go in fill]
        assert settled(it)
        assert it.postgres.query("SELECT x FROM kept") == [{"x": 7}]
        with pytest.raises(Refused, match="read-only"):
            it.use("execute", sql="INSERT INTO kept VALUES (8)")
        it.postgres.execute("SET default_transaction_read_only = off")
        it.postgres.execute("DROP TABLE filled_0")
        assert it.content("kept") == [{"x": 7}]


CROWD = """
import psycopg, sys
held, refused = [], ""
for _ in range(300):
    try:
        held.append(psycopg.connect())
    except psycopg.OperationalError as error:
        refused = str(error)
        break
print(len(held), "too many clients" in refused)
"""


def test_connections_of_one_caller_are_counted(it: Database) -> None:
    it.postgres.query("SELECT 1")
    assert it.command('python3 -c "$CROWD"', CROWD=CROWD).stdout == "40 True\n"
    assert settled(it)
    assert it.command("psql -Atc 'SELECT 1' || python3 -c 'print(1)'", agent="other").stdout == "1\n"


def test_an_agent_can_lock_everybody_out(it: Database, tmp_path: Path) -> None:
    it.use("execute", sql="ALTER ROLE postgres NOLOGIN")
    assert it.postgres.query("SELECT 1 AS x") == [{"x": 1}]  # the program's session goes on
    run(it.postgres._house.drop("main"))
    with pytest.raises(Refused):
        it.postgres.query("SELECT 1")
    assert [row.table for row in it.rows()] == ["database"]
    run(it.postgres.save(tmp_path / "saved"))


def test_one_that_cannot_come_up_says_so_at_once(it: Database) -> None:
    with pytest.raises(Refused):
        it.use("execute", sql="COPY (SELECT 1) TO PROGRAM 'rm -rf /var/lib/postgresql/data; kill -9 -1'")
    for _ in range(3):
        with pytest.raises(Refused, match="does not come up"):
            it.postgres.query("SELECT 1")
    assert [row.table for row in it.rows()] == ["database"]
