"""PostgreSQL through the admin face: statements, values, errors, state."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
from database import Database, database, needs_postgres

from terrarium.core.clock import START, Clock
from terrarium.core.errors import ConfigError, Refused
from terrarium.core.values import decode, encode

pytestmark = needs_postgres


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """One that tests only look at, or make tables of their own in."""
    with database(tmp_path_factory.mktemp("shared")) as found:
        yield found


# -- the admin face ---------------------------------------------------------------------------------------------------


def test_what_is_written_is_read(shared: Database) -> None:
    pg = shared.postgres
    pg.execute("CREATE TABLE one (id serial PRIMARY KEY, name text, total numeric)")
    pg.execute("INSERT INTO one (name, total) VALUES (%s, %s)", ["O'Brien %", Decimal("1.50")])
    pg.execute("INSERT INTO one (name) VALUES (%(n)s)", {"n": "100%"})
    pg.executemany("INSERT INTO one (name, total) VALUES (%s, %s)", [["x", 1], ["y", 2]])
    assert pg.query("SELECT name, total FROM one WHERE id = %s", [1]) == [
        {"name": "O'Brien %", "total": Decimal("1.50")}
    ]
    assert pg.query("INSERT INTO one (name) VALUES ('z') RETURNING id") == [{"id": 5}]
    assert pg.query("SELECT count(*) FROM one WHERE name LIKE 'O%'") == [{"count": 1}]
    assert pg.query("SELECT id FROM one WHERE name IN %s ORDER BY 1", [("x", "y")]) == [{"id": 3}, {"id": 4}]
    assert pg.query("UPDATE one SET total = 0") == []
    assert pg.table_exists("one")
    assert not pg.table_exists("two")
    assert "one" in pg.list_tables()
    assert pg.list_tables("nowhere") == []


def test_a_script_is_one_transaction(shared: Database) -> None:
    with pytest.raises(Refused):
        shared.postgres.execute("CREATE TABLE half (x int); INSERT INTO half VALUES (1); SELECT 1/0")
    assert not shared.postgres.table_exists("half")
    with pytest.raises(Refused):
        shared.postgres.executemany("SELECT 1/%s", [[1], [0]])


VALUES = [
    ("1::int8", 1),
    ("1.5::float8", 1.5),
    ("1.50::numeric", Decimal("1.50")),
    ("true", True),
    ("NULL", None),
    ("'ä€'::text", "ä€"),
    (r"'\x00ff'::bytea", b"\x00\xff"),
    ("'2030-01-07'::date", date(2030, 1, 7)),
    ("'2030-01-07 10:00+01'::timestamptz", datetime(2030, 1, 7, 9, tzinfo=UTC)),
    ("'2030-01-07 10:00'::timestamp", datetime(2030, 1, 7, 10)),
    ("'infinity'::timestamptz", "infinity"),
    ("'4713-01-01 BC'::date", "4713-01-01 BC"),
    ("'1 day 2 hours'::interval", timedelta(days=1, hours=2)),
    ("'10:00'::time", "10:00:00"),
    ("'00000000-0000-0000-0000-000000000001'::uuid", UUID(int=1)),
    ("ARRAY[[1, 2], [3, 4]]", [[1, 2], [3, 4]]),
    ("""'{"a": [1, null]}'::jsonb""", {"a": [1, None]}),
    ("'10.0.0.1'::inet", "10.0.0.1"),
    ("int4range(1, 5)", "[1,5)"),
    ("point(1, 2)", "(1,2)"),
]


def test_values_are_plain(shared: Database) -> None:
    names = ", ".join(f"{sql} AS v{number}" for number, (sql, _) in enumerate(VALUES))
    [row] = shared.postgres.query(f"SELECT {names}")
    assert list(row.values()) == [value for _, value in VALUES]
    assert decode(encode(row)) == row


def test_values_go_in_as_they_come_out(shared: Database) -> None:
    given = [value for sql, value in VALUES if not isinstance(value, str) and value is not None]
    [row] = shared.postgres.query(
        "SELECT " + ", ".join(["%s AS v"] * 0 or [f"%s AS v{n}" for n in range(len(given))]), given
    )
    assert list(row.values()) == given


@pytest.mark.parametrize(
    ("sql", "params", "code"),
    [
        ("SELEC 1", None, "42601"),
        ("SELECT * FROM nowhere", None, "42P01"),
        ("SELECT 1/0", None, "22012"),
        ("SELECT %s", [], None),
        ("SELECT %s", [object()], None),
        ("SELECT %s", ["a\0b"], None),
        ("SELECT %s", ["\ud800"], None),
        ("SELECT 'a\0b'", None, None),
        ("", None, None),
        ("SELECT 1", 7, None),
        ("SELECT pg_terminate_backend(pg_backend_pid())", None, "57P01"),
    ],
)
def test_errors_are_typed(shared: Database, sql: str, params: object, code: str | None) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011
        shared.postgres.query(sql, params)
    assert type(caught.value).__module__.startswith("terrarium.")
    assert caught.value.code == code  # type: ignore[attr-defined]
    assert shared.postgres.query("SELECT 1 AS x") == [{"x": 1}]


def test_a_statement_reports_a_change_and_a_look_does_not(shared: Database) -> None:
    shared.postgres.execute("CREATE TABLE seen (x int)")
    shared.changes.clear()
    shared.postgres.query("SELECT * FROM seen")
    assert shared.changes == []
    shared.postgres.execute("INSERT INTO seen VALUES (1)")
    shared.postgres.query("DELETE FROM seen RETURNING x")
    assert [change.after and change.after["done"] for change in shared.changes] == [["INSERT 0 1"], ["DELETE 1"]]


def test_world_time_is_the_servers(tmp_path: Path) -> None:
    with database(tmp_path) as it:
        assert it.postgres.query("SELECT now(), clock_timestamp()::date AS day") == [
            {"now": START, "day": START.date()}
        ]
        it.clock.move(it.clock.micros + 90 * 10**6)
        assert it.postgres.query("SELECT now()") == [{"now": START + timedelta(seconds=90)}]


def test_the_past_can_be_world_time(tmp_path: Path) -> None:
    past = datetime(1987, 6, 5, tzinfo=UTC)
    with database(tmp_path, clock=Clock(past)) as it:
        assert it.postgres.query("SELECT now()") == [{"now": past}]


# -- state ------------------------------------------------------------------------------------------------------------

FILL = """
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TABLE people (id serial PRIMARY KEY, name text UNIQUE NOT NULL,
    mood mood DEFAULT 'good', born timestamptz DEFAULT now());
CREATE TABLE notes (person int REFERENCES people ON DELETE CASCADE, text text);
CREATE INDEX ON notes (person);
CREATE VIEW happy AS SELECT name FROM people WHERE mood = 'good';
CREATE FUNCTION twice(i int) RETURNS int LANGUAGE sql AS 'SELECT i * 2';
INSERT INTO people (name) SELECT 'p' || g FROM generate_series(1, 12) g;
INSERT INTO notes VALUES (1, 'a'), (1, 'a'), (2, NULL);
"""


def test_an_unused_one_starts_nothing_and_has_no_rows(tmp_path: Path) -> None:
    with database(tmp_path) as it:
        assert it.rows() == []
        assert it.postgres._house._server is None
        it.postgres.query("SELECT 1")
        assert it.rows() == []  # looking changes nothing


def test_equal_statements_make_equal_rows(tmp_path: Path) -> None:
    found = []
    for number in range(2):
        with database(tmp_path / str(number)) as it:
            it.postgres.execute(FILL)
            found.append(it.rows())
    assert found[0] == found[1]
    tables = {row.table for row in found[0]}
    assert {
        "table",
        "view",
        "sequence",
        "function",
        "type",
        "main.public.people",
        "main.public.people_id_seq",
    } <= tables
    assert [row.key for row in found[0] if row.table == "main.public.people"] == sorted(str(n) for n in range(1, 13))


def test_saved_and_opened_again_it_goes_on(tmp_path: Path) -> None:
    from database import run

    with database(tmp_path / "one") as it:
        it.postgres.execute(FILL)
        before = it.rows()
        run(it.postgres.save(tmp_path / "saved"))
        it.postgres.execute("DROP TABLE people CASCADE")
        shutil.copytree(tmp_path / "saved", tmp_path / "two" / "site")
        later = Clock(START + timedelta(hours=1))
        with database(tmp_path / "two", clock=later) as fork:
            assert fork.rows() == before
            # A sequence goes on where it stood, not behind what a crash would have lost.
            added = fork.postgres.query("INSERT INTO people (name) VALUES ('new') RETURNING id, born")
            assert added == [{"id": 13, "born": START + timedelta(hours=1)}]
        assert not it.postgres.table_exists("people")
    with database(tmp_path / "two") as again:  # its folder is kept
        assert again.content("people")[-1] is not None
        assert again.postgres.query("SELECT count(*) FROM people") == [{"count": 13}]


def test_a_state_can_be_opened_where_its_template_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from database import run

    with database(tmp_path / "one") as it:
        it.postgres.execute(FILL)
        before = it.rows()
        run(it.postgres.save(tmp_path / "two" / "site"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
    with database(tmp_path / "two") as fork:
        assert fork.rows() == before


def test_a_large_table_is_one_row(tmp_path: Path) -> None:
    with database(tmp_path) as it:
        it.postgres.execute("CREATE TABLE large AS SELECT g FROM generate_series(1, 100001) g")
        [first] = it.content("large")
        it.postgres.execute("UPDATE large SET g = 0 WHERE g = 7")
        [second] = it.content("large")
    assert first["rows"] == second["rows"] == 100_001
    assert first["digest"] != second["digest"]


HOLD = """import os, psycopg, time
held = psycopg.connect(os.environ["DATABASE_URL"])
held.execute("LOCK held")
print("now", flush=True)
time.sleep(60)"""


def test_what_an_agent_has_locked_is_passed_over(tmp_path: Path) -> None:
    with database(tmp_path) as it:
        it.postgres.execute("CREATE TABLE free (x int); CREATE TABLE held (x int)")
        it.command(f"python3 -c '{HOLD}' >/tmp/out & until [ -s /tmp/out ]; do sleep 0.05; done")
        assert it.content("held") == [{"locked": True}]
        assert [row.key for row in it.rows() if row.table == "table"] == ["main.public.free"]


# -- configuration ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"prt": 1}, "did you mean 'port'"),
        ({"port": 0}, "port must be"),
        ({"db_name": 'a"b'}, "db_name must be a name"),
        ({"user": "pg_read_all_data"}, "user must be a name"),
        ({"password": ""}, "password must be text"),
        ({"roles": ["a"]}, "roles must be a table"),
        ({"roles": {"agnt": "a"}}, "did you mean 'agent'"),
        ({"roles": {"agent": {"rol": "a"}}}, "did you mean 'role'"),
        ({"roles": {"agent": "postgres"}}, "somebody else's"),
        ({"resources": {"memry": 1}}, "did you mean 'memory'"),
        ({"dsn": "postgresql://ann:pw@h/db"}, "dsn_env"),
        ({"dsn_env": "NO_SUCH_VARIABLE_X"}, "not set"),
        ({"dsn_env": "A", "user": "ann"}, "has no meaning"),
        ({"host": "no host"}, "cannot be the name of a host"),
    ],
)
def test_bad_configuration_is_named(tmp_path: Path, config: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Database(tmp_path, **config)
    assert says in str(caught.value)


def test_names_of_the_configuration(tmp_path: Path) -> None:
    with database(tmp_path, name="postgres:shop", db_name="shop", user="ann", password="pä ss", port=6000) as it:
        info = {"host": "shop.db.world", "port": 6000, "dbname": "shop", "user": "ann", "password": "pä ss"}
        assert it.postgres.connection_info == info
        assert it.postgres.query("SELECT current_user::text, current_database()::text AS db") == [
            {"current_user": "ann", "db": "shop"}
        ]
        assert it.rows() == []
        it.postgres.create_database("second")
        assert [(row.table, row.key) for row in it.rows()] == [("database", "second")]


def test_a_server_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with database(tmp_path / "theirs") as theirs:
        theirs.postgres.execute("CREATE TABLE t (x int); INSERT INTO t VALUES (1)")
        door = theirs.postgres._house._server.door.host  # type: ignore[union-attr]
        monkeypatch.setenv("OUR_DATABASE", f"host={door} port=5432 user=postgres dbname=main password=secret-word")
        with database(tmp_path / "ours", dsn_env="OUR_DATABASE") as ours:
            assert not ours.postgres.traits.owned
            assert ours.postgres.query("SELECT * FROM t") == [{"x": 1}]
            assert ours.use("query", sql="SELECT * FROM t")["rows"] == [{"x": 1}]
            assert ours.content("t") == [{"x": 1}]
            assert "secret-word" not in repr(vars(ours.postgres._settings)["roles"]) + repr(ours.postgres._settings)
            assert ours.postgres.equipment("agent").env == {}
