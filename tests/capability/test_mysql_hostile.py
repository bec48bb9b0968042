"""What a hostile agent does to MariaDB: it harms itself, and neither the engine nor anything outside."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from database import Database, database, needs_mysql, run

from terrarium.core.errors import CapabilityFault, Refused

pytestmark = needs_mysql


@pytest.fixture
def it(tmp_path: Path) -> Iterator[Database]:
    with database(tmp_path, name="mysql") as found:
        yield found


def settled(it: Database) -> bool:
    """Whether the program can work with it."""
    for _ in range(3):
        try:
            return it.mysql.query("SELECT 1 AS x") == [{"x": 1}]
        except CapabilityFault:
            time.sleep(0.2)
    return False


@pytest.mark.parametrize(
    "sql",
    [
        "SHUTDOWN",
        "BEGIN NOT ATOMIC FOR i IN 1..50 DO BEGIN DECLARE CONTINUE HANDLER FOR 1094 SET @x = 1; KILL i; END; "
        "END FOR; END",
    ],
)
def test_it_is_there_again_after_it_was_killed(it: Database, sql: str) -> None:
    it.mysql.execute("CREATE TABLE kept AS SELECT 7 AS x")
    try:
        it.use("execute", sql=sql)
    except Refused:
        pass
    assert settled(it)
    assert it.mysql.query("SELECT x FROM kept") == [{"x": 7}]
    assert it.use("query", sql="SELECT x FROM kept")["rows"] == [{"x": 7}]
    assert it.content("kept") == [{"x": 7}]


def test_what_was_committed_outlives_a_kill(it: Database) -> None:
    it.mysql.execute("CREATE TABLE kept (x int)")
    it.mysql.executemany("INSERT INTO kept VALUES (%s)", [[1], [2]])
    it.mysql.execute("INSERT INTO kept VALUES (3)")
    run(it.mysql._house._server._box.exec("kill -9 -1", timeout=10))  # type: ignore[union-attr]
    assert it.mysql.query("SELECT x FROM kept ORDER BY x") == [{"x": 1}, {"x": 2}, {"x": 3}]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT BENCHMARK(1000000000000, MD5('x'))",
        "SELECT SLEEP(100000)",
        "SELECT count(*) FROM seq_1_to_1000000 a, seq_1_to_1000000 b",
    ],
)
def test_a_statement_without_end_ends(it: Database, sql: str) -> None:
    it.site.command_timeout = 2.0
    for ask in (lambda: it.use("query", sql=sql), lambda: it.mysql.query(sql)):
        with contextlib.suppress(Refused, CapabilityFault):
            assert ask() is None  # SLEEP says 1 when it was cut off; nothing else comes back
    it.site.command_timeout = 20.0
    running = "SELECT count(*) AS n FROM information_schema.PROCESSLIST WHERE COMMAND = 'Query'"
    assert settled(it)
    assert it.mysql.query(running) == [{"n": 1}]


def test_files_are_out_of_reach(it: Database) -> None:
    it.mysql.execute("CREATE TABLE t (x text)")
    for sql in (
        "LOAD DATA INFILE '/etc/passwd' INTO TABLE t",
        "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE t",
        "SELECT 1 INTO OUTFILE '/var/lib/mysql/x'",
        "SELECT 1 INTO DUMPFILE '/usr/lib/x.so'",
        "INSTALL SONAME '../x'",
        "CREATE FUNCTION sys_exec RETURNS int SONAME 'x.so'",
        "SET GLOBAL secure_file_priv = ''",
    ):
        with pytest.raises(Refused):
            it.use("execute", sql=sql)
    assert it.use("query", sql="SELECT LOAD_FILE('/etc/passwd') AS x")["rows"] == [{"x": None}]


def test_a_full_disk_leaves_it_readable(tmp_path: Path) -> None:
    fill = "CREATE TABLE filled_{} AS SELECT repeat(md5(seq), 30) AS t FROM seq_1_to_10000"
    with database(tmp_path, name="mysql", resources={"storage": "80m"}) as it:
        it.mysql.execute("CREATE TABLE kept AS SELECT 7 AS x")
        steps = [partial(it.use, "execute", sql=fill.format(number)) for number in range(100)]
        with pytest.raises(Refused):
            [go() for go in steps]
        assert settled(it)
        assert it.mysql.query("SELECT x FROM kept") == [{"x": 7}]
        with pytest.raises(Refused):
            it.use("execute", sql="INSERT INTO kept VALUES (8)")
        it.mysql.execute("SET SESSION TRANSACTION READ WRITE")
        it.mysql.execute("DROP TABLE filled_0")
        assert it.content("kept") == [{"x": 7}]


CROWD = """
import os, pymysql
held, refused = [], 0
for _ in range(300):
    try:
        held.append(pymysql.connect(host=os.environ["MYSQL_HOST"], user="root", password=os.environ["MYSQL_PWD"]))
    except pymysql.err.OperationalError as error:
        refused = error.args[0]
        break
print(len(held), refused)
"""
HOLD = """
import os, pymysql, time
held = pymysql.connect(host=os.environ["MYSQL_HOST"], user="root", password=os.environ["MYSQL_PWD"], database="main")
held.cursor().execute("LOCK TABLES held WRITE")
print("now", flush=True)
time.sleep(60)
"""


def test_connections_of_one_caller_are_counted(it: Database) -> None:
    it.mysql.query("SELECT 1")
    assert it.command('python3 -c "$CROWD"', CROWD=CROWD).stdout == "40 1040\n"
    assert settled(it)


def test_what_an_agent_has_locked_is_passed_over(it: Database) -> None:
    it.mysql.execute("CREATE TABLE free (x int); CREATE TABLE held (x int)")
    it.command('python3 -c "$HOLD" >/tmp/out & until [ -s /tmp/out ]; do sleep 0.05; done', HOLD=HOLD)
    assert it.content("held") == [{"locked": True}]
    assert [row.key for row in it.rows() if row.table == "table"] == ["main.free"]


def test_an_agent_can_lock_everybody_out(it: Database, tmp_path: Path) -> None:
    it.use("execute", sql="SET PASSWORD FOR root@localhost = PASSWORD('mine')")
    assert it.mysql.query("SELECT 1 AS x") == [{"x": 1}]  # the program's session goes on
    run(it.mysql._house.drop("main"))
    with pytest.raises(Refused):
        it.mysql.query("SELECT 1")
    assert [row.table for row in it.rows()] == ["database"]
    run(it.mysql.save(tmp_path / "saved"))
