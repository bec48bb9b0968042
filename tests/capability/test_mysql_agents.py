"""MariaDB for agents: tools, PyMySQL in a sandbox, users, requests on the wire."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from database import Database, database, needs_mysql, run

from terrarium.capability.mysql.statement import keywords, writes
from terrarium.capability.mysql.wire import Conversation
from terrarium.core.errors import NotFound, Refused
from terrarium.core.network import Caller

pytestmark = needs_mysql
needs_client = pytest.mark.skipif(
    shutil.which("mariadb") is None, reason="no mariadb here (Debian: mariadb-client-core)"
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with database(tmp_path_factory.mktemp("agents"), name="mysql") as found:
        found.mysql.execute(
            "CREATE TABLE orders (id int PRIMARY KEY AUTO_INCREMENT, name varchar(50) NOT NULL DEFAULT 'x') "
            "COMMENT 'what was ordered'; CREATE VIEW few AS SELECT id FROM orders; CREATE SEQUENCE steps"
        )
        found.mysql.execute("CREATE PROCEDURE sneak() INSERT INTO orders (name) VALUES ('sneaked')")
        found.mysql.execute(
            "CREATE FUNCTION sneaks() RETURNS int BEGIN INSERT INTO orders (name) VALUES ('s'); RETURN 1; END"
        )
        yield found


# -- tools ------------------------------------------------------------------------------------------------------------


def test_query_shows_some_rows_and_cannot_write(shared: Database) -> None:
    found = shared.use("query", sql="SELECT seq, repeat('y', 30000) AS y FROM seq_1_to_1000000", max_rows=2)
    assert [row["seq"] for row in found["rows"]] == [1, 2]
    assert found["more"]
    assert "[cut: 10000 more characters]" in found["rows"][0]["y"]
    for sql in (
        "INSERT INTO orders () VALUES ()",
        "SELECT 1; DROP TABLE orders",
        "SELECT sneaks()",
        "CALL sneak()",
        "ANALYZE UPDATE orders SET name = 'z'",
        "WITH x AS (SELECT 1) DELETE FROM orders",
        "/*! DELETE FROM orders */",
        "BEGIN NOT ATOMIC COMMIT; DELETE FROM orders; END",
        "SELECT 1 INTO OUTFILE '/tmp/x'",
        "COMMIT",
    ):
        with pytest.raises(Refused):
            shared.use("query", sql=sql)
    assert shared.use("query", sql="SHOW TABLES")["rows"]
    assert shared.use("query", sql="EXPLAIN SELECT * FROM orders")["rows"]
    assert shared.use("query", sql="(SELECT 1 AS x) UNION (SELECT 2)")["rows"] == [{"x": 1}, {"x": 2}]
    assert shared.use("query", sql="SELECT count(*) AS n FROM orders")["rows"] == [{"n": 0}]


def test_execute_says_what_was_done(shared: Database) -> None:
    shared.changes.clear()
    found = shared.use("execute", sql="INSERT INTO orders (name) VALUES ('a'), ('b'); SELECT name FROM orders")
    assert found == {"done": ["INSERT 2"], "rows": [{"name": "a"}, {"name": "b"}], "more": False}
    assert shared.use("execute", sql="DELETE FROM orders") == {"done": ["DELETE 2"]}
    assert [change.after and change.after["done"] for change in shared.changes] == [["INSERT 2"], ["DELETE 2"]]
    with pytest.raises(Refused, match="left open"):
        shared.use("execute", sql="BEGIN; INSERT INTO orders () VALUES ()")
    shared.use("execute", sql="SET SESSION sql_mode = ''; CREATE TEMPORARY TABLE gone (x int); SET @x = 7; USE mysql")
    with pytest.raises(Refused, match="gone"):  # each call stands for itself
        shared.use("execute", sql="INSERT INTO gone VALUES (1)")
    assert shared.use("query", sql="SELECT @x AS x, DATABASE() AS d")["rows"] == [{"x": None, "d": "main"}]
    assert shared.mysql.query("SELECT * FROM orders") == []


def test_schema_shows_tables_and_one_of_them(shared: Database) -> None:
    tables = shared.use("schema")["tables"]
    assert {"name": "orders", "kind": "table", "comment": "what was ordered"} in tables
    assert {"name": "few", "kind": "view", "comment": ""} in tables
    for name in ("orders", "main.orders"):
        one = shared.use("schema", table=name)
        assert [column["column"] for column in one["columns"]] == ["id", "name"]
        assert "PRIMARY KEY (`id`)" in one["definition"]
    for name in ("nowhere", "x' OR 1=1 --", "a`b.c`d"):
        with pytest.raises(NotFound):
            shared.use("schema", table=name)


@pytest.mark.parametrize(
    "sql",
    ["SELECT repeat('x', 40000000)", "DELETE FROM orders\0 WHERE false", "SELECT '\ud800'", " ",
     "SELECT " + "(" * 50_000, "SELECT 'a", "/*", "SELECT 1 FROM", "KILL CONNECTION_ID()"],
)  # fmt: skip
def test_nonsense_is_refused(shared: Database, sql: str) -> None:
    for verb in ("query", "execute"):
        with pytest.raises(Refused):
            shared.use(verb, sql=sql)
    assert shared.use("query", sql="SELECT 1 AS x") == {"rows": [{"x": 1}], "more": False}


# -- clients in a sandbox ---------------------------------------------------------------------------------------------

CLIENT = """
import decimal, os, pymysql, pymysql.cursors
from urllib.parse import urlsplit
url = urlsplit(os.environ["MYSQL_URL"])
def connect(**words):
    return pymysql.connect(host=url.hostname, port=url.port, user=url.username, database=url.path[1:],
                           **{"password": url.password, "autocommit": True, **words})
with connect() as c, c.cursor() as cur:
    cur.execute("CREATE TABLE made (id int PRIMARY KEY, t timestamp DEFAULT now(), n decimal(9, 2))")
    cur.executemany("INSERT INTO made (id, n) VALUES (%s, %s)", [(i, decimal.Decimal(i) / 4) for i in range(50)])
with connect(client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS, autocommit=False) as c, c.cursor() as cur:
    cur.execute("INSERT INTO made (id) VALUES (50); SELECT 1; UPDATE made SET n = 0 WHERE id = 49; SELECT 2")
    while cur.nextset(): pass
    c.commit()
    cur.execute("SELECT count(*), sum(n), max(t) FROM made")
    print(cur.fetchone())
    cur.execute("SELECT repeat('x', 1000000) FROM seq_1_to_20")
    print(sum(len(row[0]) for row in cur.fetchall()))
with connect(cursorclass=pymysql.cursors.SSCursor) as c, c.cursor() as cur:
    cur.execute("PREPARE s FROM 'SELECT ? + seq FROM seq_1_to_3'")
    cur.execute("SET @a = 5")
    cur.execute("EXECUTE s USING @a")
    print([row[0] for row in cur])
open("/tmp/my.cnf", "w").write(os.environ["CNF"])
with pymysql.connect(read_default_file="/tmp/my.cnf") as c:
    c.ping()
for words in ({"password": "wrong"}, {"ssl": {"ca": "/etc/ssl/certs/ca-certificates.crt"}}):
    try:
        connect(**words)
    except pymysql.err.OperationalError as error:
        print(error.args[0])
with connect(local_infile=True) as c, c.cursor() as cur:
    try:
        cur.execute("LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE made")
    except pymysql.err.Error as error:
        print(error.args[0])
"""


def test_pymysql_in_a_sandbox(shared: Database) -> None:
    shared.changes.clear()
    config = shared.mysql.equipment("agent").files["my.cnf"].decode()
    done = shared.command('python3 -c "$CLIENT"', CLIENT=CLIENT, CNF=config)
    assert done.exit_code == 0, done
    count, large, prepared, wrong, tls, infile = done.stdout.splitlines()
    assert count.startswith("(51, Decimal('294.00'), datetime.datetime(2030, 1, 7, 9, 0"), count
    assert (large, prepared) == ("20000000", "[6, 7, 8]")
    assert (wrong, tls, infile) == ("1045", "2026", "4166")
    assert {change.actor for change in shared.changes} == {"agent"}
    told = [line for change in shared.changes if change.after for line in change.after["done"]]
    assert told == ["CREATE 0", "INSERT 50", "INSERT 1", "UPDATE 1"]


@needs_client
def test_the_command_line_in_a_sandbox(shared: Database) -> None:
    script = "CREATE TABLE cli (x int);\nINSERT INTO cli VALUES (1), (2);\nSELECT sum(x), CURDATE() FROM cli;\n"
    done = shared.command("mariadb -N", stdin=script.encode())
    assert "3\t2030-01-07" in done.stdout, done


def test_users_keep_agents_apart(tmp_path: Path) -> None:
    people = {"ann": {"name": "Ann", "address": "ann@corp.example", "password": "anns-own-%@:/", "agent": "agent"}}
    roles = {"ann": "analyst", "other": {"role": "clerk", "superuser": False}}
    with database(tmp_path, name="mysql", people=people, roles=roles) as it:
        it.mysql.execute("CREATE TABLE open (x int); CREATE TABLE shut (x int); GRANT SELECT ON open TO analyst")
        found = it.use("query", sql="SELECT CURRENT_USER() AS u, count(*) AS n FROM open")
        assert found["rows"] == [{"u": "analyst@%", "n": 0}]
        with pytest.raises(Refused) as caught:
            it.use("query", sql="SELECT * FROM shut")
        assert caught.value.code == "1142"
        for sql in ("DROP TABLE shut", "GRANT ALL ON *.* TO analyst", "CREATE USER x", "SET GLOBAL read_only = 1"):
            with pytest.raises(Refused):
                it.use("execute", sql=sql)
        assert it.use("query", agent="other", sql="SELECT 1 AS x")["rows"] == [{"x": 1}]
        mine, theirs = (it.mysql.equipment(agent).env for agent in ("agent", "other"))
        assert (mine["MYSQL_USER"], theirs["MYSQL_USER"]) == ("analyst", "clerk")
        who = """import os, pymysql
def ask(user, password):
    with pymysql.connect(host=os.environ["MYSQL_HOST"], user=user, password=password) as c, c.cursor() as cur:
        cur.execute("SELECT CURRENT_USER()")
        print(cur.fetchone()[0])
ask(os.environ["MYSQL_USER"], os.environ["MYSQL_PWD"])
for user, password in (("root", "terrarium"), ("root", ""), ("", ""), ("clerk", "")):
    try:
        ask(user, password)
    except pymysql.err.OperationalError as error:
        print(error.args[0])
"""
        done = it.command('python3 -c "$WHO"', WHO=who)
        assert done.stdout.split() == ["analyst@%", "1045", "1045", "1045", "1045"], done
        rows = [row.key for row in it.rows() if row.table == "user"]
        assert rows == ["analyst@%"]  # whom the program granted something


def test_two_worlds_never_meet(tmp_path: Path) -> None:
    with database(tmp_path / "a", name="mysql") as one, database(tmp_path / "b", name="mysql") as two:
        for it in (one, two):
            it.mysql.execute("CREATE TABLE t (x int)")

        def write(it: Database, x: int) -> None:
            for _ in range(50):
                it.mysql.execute("INSERT INTO t VALUES (%s)", [x])

        threads = [threading.Thread(target=write, args=(it, x)) for x, it in enumerate((one, two))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for x, it in enumerate((one, two)):
            assert it.mysql.query("SELECT x, count(*) AS n FROM t GROUP BY 1") == [{"x": x, "n": 50}]


# -- the wire ---------------------------------------------------------------------------------------------------------


def packet(number: int, body: bytes) -> bytes:
    return len(body).to_bytes(3, "little") + bytes([number]) + body


OK, MORE, EOF, ERROR = b"\0\2\0\2\0\0\0", b"\0\1\0\x0a\0\0\0", b"\xfe\0\0\2\0", b"\xff\x28\x04#42000no"
MORE_EOF, CURSOR_EOF = b"\xfe\0\0\x0a\0", b"\xfe\0\0\x42\0"
COLUMN, TEXT = b"\3def" + b"x" * 40, b"\1a\1b"
PREPARED = b"\0\7\0\0\0\1\0\2\0\0\0\0"
TALKS = [
    (b"\3INSERT INTO t", [OK], ["INSERT 2"]),
    (b"\3UPDATE t", [ERROR], []),
    (b"\3SELECT 1", [b"\1", COLUMN, EOF, TEXT, b"\xfb", b"\xfe" + b"x" * 20, EOF], []),
    (b"\3DELETE FROM t; SELECT 1; /* x */ REPLACE INTO t", [MORE, b"\1", COLUMN, EOF, TEXT, MORE_EOF, OK],
     ["DELETE 1", "REPLACE 2"]),
    (b"\3SELECT broken", [b"\1", COLUMN, EOF, TEXT, ERROR], []),
    (b"\x16INSERT INTO t VALUES (?)", [PREPARED, COLUMN, EOF, COLUMN, COLUMN, EOF], []),
    (b"\x17\7\0\0\0\0\1\0\0\0", [OK], ["INSERT 2"]),
    (b"\x17\7\0\0\0\1\1\0\0\0", [b"\1", COLUMN, CURSOR_EOF], []),
    (b"\x1c\7\0\0\0\x0a\0\0\0", [b"\0\0x", b"\0\0y", EOF], []),
    (b"\x0e", [OK], []),
    (b"\x09", [b"Uptime: 5"], []),
    (b"\x04t\0", [COLUMN, COLUMN, EOF], []),
    (b"\x11root\0", [OK], []),
    (b"\x12binlog", [ERROR], []),
]  # fmt: skip


@pytest.mark.parametrize("size", [1, 3, 7, 5000])
def test_where_answers_end_is_read_in_pieces_of_any_size(size: int) -> None:
    talk = Conversation(lambda user: True)
    for asked, answer, done in TALKS:
        request = packet(0, asked)
        awaited = [talk.sent(request[at : at + size]) for at in range(0, len(request), size)]
        assert all(awaited), asked
        said = b"".join(packet(number + 1, body) for number, body in enumerate(answer))
        ended = [talk.feed(said[at : at + size]) for at in range(0, len(said), size)]
        assert ended == [False] * (len(ended) - 1) + [True], asked
        assert talk.tags == done
        talk.tags.clear()
    assert not talk.sent(packet(0, b"\x19\7\0\0\0"))  # a statement is closed without an answer
    for _ in range(3):  # requests that do not wait for each other
        talk.sent(packet(0, b"\x0e"))
    assert [talk.feed(packet(1, OK)) for _ in range(3)] == [False, False, True]
    with pytest.raises(OSError, match="nobody awaits"):
        talk.feed(packet(1, OK))


@pytest.mark.parametrize(
    ("sql", "words", "writing"),
    [
        ("insert into t values ('; drop')", ["INSERT"], True),
        ("  (SELECT 1)", ["SELECT"], False),
        ('-- a\n# b\n/* c; */ Update t set x = 1; select ";"', ["UPDATE", "SELECT"], True),
        ("/*!50000 DROP TABLE t */", ["STATEMENT"], True),
        ("", [], False),
        ("'" * 100_001, ["STATEMENT"], True),
        ("SET @x = 1; COMMIT", ["SET", "COMMIT"], False),
    ],
)
def test_what_first_words_tell(sql: str, words: list[str], writing: bool) -> None:
    assert keywords(sql) == words
    assert any(writes(f"{word} 1") for word in words) == writing


@pytest.mark.parametrize(
    "said",
    [b"", b"GET / HTTP/1.0\r\n\r\n", b"\0\0\0\1", b"\xff\xff\xff\1", packet(1, b"\0" * 32), packet(1, b"\xff" * 200),
     packet(1, b"\x0f\xa6\0\0" + b"\0" * 28 + b"root\0" + b"\0main\0"), packet(9, b"x" * 60) + b"\3DROP TABLE orders"],
)  # fmt: skip
def test_nonsense_on_the_wire_ends_that_connection_only(shared: Database, said: bytes) -> None:
    async def talk() -> bytes:
        loop = asyncio.get_running_loop()
        wire = shared.network.connect("mysql.world", 3306, Caller("agent"))
        await loop.sock_sendall(wire, said)
        wire.shutdown(socket.SHUT_WR)
        answer = b""
        with wire, contextlib.suppress(ConnectionResetError):
            async with asyncio.timeout(10):
                while part := await loop.sock_recv(wire, 1000):
                    answer += part
        return answer

    answer = run(talk())
    assert b"Traceback" not in answer
    assert b"MariaDB" in answer
    assert shared.use("query", sql="SELECT 1 AS x")["rows"] == [{"x": 1}]
