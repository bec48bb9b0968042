"""PostgreSQL for agents: tools, psql and psycopg in a sandbox, roles, requests on the wire."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from database import Database, database, needs_postgres, run

from terrarium.capability.postgres.wire import Answers, writes
from terrarium.core.errors import NotFound, Refused
from terrarium.core.network import Caller

pytestmark = needs_postgres
needs_psql = pytest.mark.skipif(shutil.which("psql") is None, reason="no psql here (Debian: postgresql-client)")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with database(tmp_path_factory.mktemp("agents")) as found:
        found.postgres.execute(
            "CREATE TABLE orders (id serial PRIMARY KEY, name text NOT NULL DEFAULT 'x', note bytea)"
        )
        found.postgres.execute(
            "COMMENT ON TABLE orders IS 'what was ordered'; CREATE VIEW few AS SELECT id FROM orders"
        )
        yield found


# -- tools ------------------------------------------------------------------------------------------------------------


def test_query_shows_some_rows_and_cannot_write(shared: Database) -> None:
    found = shared.use("query", sql="SELECT g, repeat('y', 30000) AS y FROM generate_series(1, 1000000) g", max_rows=2)
    assert [row["g"] for row in found["rows"]] == [1, 2]
    assert found["more"]
    assert "[cut: 10000 more characters]" in found["rows"][0]["y"]
    for sql in (
        "INSERT INTO orders DEFAULT VALUES",
        "SELECT setval('orders_id_seq', 50)",
        "SELECT 1; DROP TABLE orders",
    ):
        with pytest.raises(Refused):
            shared.use("query", sql=sql)
    for sql in ("COMMIT", "SET TRANSACTION READ WRITE", "DO $$BEGIN SET TRANSACTION READ WRITE; END$$"):
        try:
            shared.use("query", sql=sql)
        except Refused:
            pass
    assert shared.use("query", sql="SELECT count(*) FROM orders")["rows"] == [{"count": 0}]


def test_execute_says_what_was_done(shared: Database) -> None:
    shared.changes.clear()
    found = shared.use(
        "execute", sql="INSERT INTO orders (name) VALUES ('a'), ('b') RETURNING name; DELETE FROM orders"
    )
    assert found == {"done": ["INSERT 0 2", "DELETE 2"], "rows": [{"name": "a"}, {"name": "b"}], "more": False}
    assert [change.after and change.after["done"] for change in shared.changes] == [["INSERT 0 2", "DELETE 2"]]
    with pytest.raises(Refused, match="left open"):
        shared.use("execute", sql="BEGIN; INSERT INTO orders DEFAULT VALUES")
    shared.use("execute", sql="SET statement_timeout = 1; CREATE TEMP TABLE gone (x int)")
    with pytest.raises(Refused, match="gone"):  # each call stands for itself
        shared.use("execute", sql="INSERT INTO gone VALUES (1)")
    assert shared.postgres.query("SELECT * FROM orders") == []


def test_schema_shows_tables_and_one_of_them(shared: Database) -> None:
    tables = shared.use("schema")["tables"]
    assert {"name": "public.orders", "kind": "table", "comment": "what was ordered"} in tables
    assert {"name": "public.few", "kind": "view", "comment": None} in tables
    one = shared.use("schema", table="orders")
    assert [column["column"] for column in one["columns"]] == ["id", "name", "note"]
    assert one["constraints"]["orders_pkey"] == "PRIMARY KEY (id)"
    with pytest.raises(NotFound):
        shared.use("schema", table="nowhere")
    with pytest.raises((NotFound, Refused)):
        shared.use("schema", table="x' OR 1=1 --")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT repeat('x', 40000000)",
        "DELETE FROM orders\0 WHERE false",
        "SELECT '\ud800'",
        " ",
        "SELECT " + "(" * 50_000,
        "SELECT pg_terminate_backend(pg_backend_pid())",
        "COPY orders FROM STDIN",
    ],
)
def test_nonsense_is_refused(shared: Database, sql: str) -> None:
    for verb in ("query", "execute"):
        with pytest.raises(Refused):
            shared.use(verb, sql=sql)
    assert shared.use("query", sql="SELECT 1 AS x") == {"rows": [{"x": 1}], "more": False}


# -- clients in a sandbox ---------------------------------------------------------------------------------------------

CLIENT = """
import datetime, decimal, os, psycopg
with psycopg.connect() as c:
    c.execute("CREATE TABLE made (id int PRIMARY KEY, t timestamptz DEFAULT now(), n numeric)")
    with c.cursor() as cur:
        cur.executemany("INSERT INTO made (id, n) VALUES (%s, %s)", [(i, decimal.Decimal(i) / 4) for i in range(50)])
    with c.cursor().copy("COPY made (id) FROM STDIN") as copy:
        for i in range(50, 5000):
            copy.write_row((i,))
with psycopg.connect(os.environ["DATABASE_URL"]) as c:
    print(c.execute("SELECT count(*), sum(n), max(t) FROM made").fetchone())
    with c.pipeline():
        print([c.execute("SELECT %s", (i,)).fetchone()[0] for i in range(3)])
try:
    psycopg.connect(password="wrong")
except psycopg.OperationalError as error:
    print("password" in str(error))
"""


def test_psycopg_in_a_sandbox(shared: Database) -> None:
    shared.changes.clear()
    done = shared.command('python3 -c "$CLIENT"', CLIENT=CLIENT)
    assert done.exit_code == 0, done
    count, pipelined, refused = done.stdout.splitlines()
    assert count.startswith("(5000, Decimal('306.25"), count
    assert "2030, 1, 7, 9, 0" in count
    assert (pipelined, refused) == ("[0, 1, 2]", "True")
    assert {change.actor for change in shared.changes} == {"agent"}
    told = [line for change in shared.changes if change.after for line in change.after["done"]]
    assert "CREATE TABLE" in told
    assert "COPY 4950" in told


@needs_psql
def test_psql_in_a_sandbox(shared: Database) -> None:
    script = "CREATE TABLE ps (x int);\n\\copy ps FROM STDIN\n1\n2\n\\.\nSELECT sum(x), now()::date FROM ps;\n\\d ps\n"
    done = shared.command("psql -At -v ON_ERROR_STOP=1", stdin=script.encode())
    assert "3|2030-01-07" in done.stdout, done
    assert shared.command("psql -c 'SELECT 1/0'").exit_code == 1
    # Ctrl-C: a cancel request comes on a connection of its own.
    done = shared.command("timeout -s INT 1 psql -c 'SELECT pg_sleep(600)'; true")
    assert "canceling statement due to user request" in done.stderr


def test_roles_keep_agents_apart(tmp_path: Path) -> None:
    people = {"ann": {"name": "Ann", "address": "ann@corp.example", "password": "anns-own-%@:/", "agent": "agent"}}
    roles = {"ann": "analyst", "other": {"role": "clerk", "superuser": False}}
    with database(tmp_path, people=people, roles=roles) as it:
        it.postgres.execute("CREATE TABLE open (x int); CREATE TABLE shut (x int); GRANT SELECT ON open TO analyst")
        assert it.use("query", sql="SELECT current_user::text AS u, count(*) FROM open GROUP BY 1")["rows"] == []
        with pytest.raises(Refused) as caught:
            it.use("query", sql="SELECT * FROM shut")
        assert caught.value.code == "42501"
        for sql in ("RESET ROLE; DROP TABLE shut", "SET ROLE postgres", "COPY open FROM PROGRAM 'id'", "CREATE ROLE x"):
            with pytest.raises(Refused):
                it.use("execute", sql=sql)
        mine, theirs = (it.postgres.equipment(agent).env for agent in ("agent", "other"))
        assert (mine["PGUSER"], mine["PGPASSWORD"], theirs["PGUSER"]) == ("analyst", "anns-own-%@:/", "clerk")
        who = "import psycopg; print(psycopg.connect().execute('SELECT current_user').fetchone()[0])"
        assert it.command(f'python3 -c "{who}"').stdout == "analyst\n"
        assert "password" in it.command(f'python3 -c "{who}"', PGUSER="postgres", PGPASSWORD="terrarium").stderr
        assert it.rows()
        assert not [row for row in it.rows() if row.table == "role"]
        it.postgres.execute("ALTER ROLE analyst CREATEDB")
        assert [row.key for row in it.rows() if row.table == "role"] == ["analyst"]


def test_two_worlds_never_meet(tmp_path: Path) -> None:
    with database(tmp_path / "a") as one, database(tmp_path / "b") as two:
        for it in (one, two):
            it.postgres.execute("CREATE TABLE t (x int)")

        def write(it: Database, x: int) -> None:
            for _ in range(50):
                it.postgres.execute("INSERT INTO t VALUES (%s)", [x])

        threads = [threading.Thread(target=write, args=(it, x)) for x, it in enumerate((one, two))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for x, it in enumerate((one, two)):
            assert it.postgres.query("SELECT x, count(*) FROM t GROUP BY 1") == [{"x": x, "count": 50}]


# -- the wire ---------------------------------------------------------------------------------------------------------


def test_what_the_server_says_is_read_in_pieces_of_any_size() -> None:
    def message(kind: bytes, body: bytes) -> bytes:
        return kind + struct.pack("!I", len(body) + 4) + body

    said = message(b"T", b"x" * 300) + message(b"D", b"\0" * 5000) + message(b"C", b"INSERT 0 3\0")
    said += message(b"I", b"") + message(b"C", b"SELECT 5\0") + message(b"Z", b"I")
    for size in (1, 3, 7, 5000, len(said)):
        answers = Answers()
        ended = [answers.feed(said[at : at + size]) for at in range(0, len(said), size)]
        assert ended == [False] * (len(ended) - 1) + [True]
        assert answers.tags == ["INSERT 0 3"]


@pytest.mark.parametrize(
    ("tag", "writing"),
    [("INSERT 0 1", True), ("UPDATE 0", False), ("CREATE TABLE", True), ("SELECT 5", False), ("COPY 3", True),
     ("DO", True), ("BEGIN", False), ("", False)],
)  # fmt: skip
def test_what_a_tag_tells(tag: str, writing: bool) -> None:
    assert writes(tag) == writing


@pytest.mark.parametrize(
    "said",
    [b"", b"GET / HTTP/1.0\r\n\r\n", b"\0\0\0\4", b"\x7f\xff\xff\xff\0\3\0\0", struct.pack("!II", 8, 80877103) * 9,
     struct.pack("!II", 9, 196608), struct.pack("!II", 8, 131072), struct.pack("!III", 16, 80877102, 1)],
)  # fmt: skip
def test_nonsense_on_the_wire_ends_that_connection_only(shared: Database, said: bytes) -> None:
    async def talk() -> bytes:
        loop = asyncio.get_running_loop()
        wire = shared.network.connect("db.world", 5432, Caller("agent"))
        await loop.sock_sendall(wire, said)
        wire.shutdown(socket.SHUT_WR)
        answer = b""
        with wire, contextlib.suppress(ConnectionResetError):
            async with asyncio.timeout(10):
                while part := await loop.sock_recv(wire, 1000):
                    answer += part
        return answer

    assert b"Traceback" not in run(talk())
    assert shared.use("query", sql="SELECT 1 AS x")["rows"] == [{"x": 1}]
