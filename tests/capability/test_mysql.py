"""MariaDB through the admin face: statements, values, errors, state."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
from database import Database, database, needs_mysql, run

from terrarium.capability.mysql.binaries import find
from terrarium.core.clock import START, Clock
from terrarium.core.errors import ConfigError, Refused
from terrarium.core.values import decode, encode

pytestmark = needs_mysql
NOW = START.replace(tzinfo=None)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """One that tests only look at, or make tables of their own in."""
    with database(tmp_path_factory.mktemp("shared"), name="mysql") as found:
        yield found


# -- the admin face ---------------------------------------------------------------------------------------------------


def test_what_is_written_is_read(shared: Database) -> None:
    my = shared.mysql
    my.execute("CREATE TABLE one (id int PRIMARY KEY AUTO_INCREMENT, name text, total decimal(9, 2))")
    my.execute("INSERT INTO one (name, total) VALUES (%s, %s)", ["O'Brien \\ %", Decimal("1.50")])
    my.execute("INSERT INTO one (name) VALUES (%(n)s)", {"n": "100%"})
    my.executemany("INSERT INTO one (name, total) VALUES (%s, %s)", [["x", 1], ["y", 2]])
    assert my.query("SELECT name, total FROM one WHERE id = %s", [1]) == [
        {"name": "O'Brien \\ %", "total": Decimal("1.50")}
    ]
    assert my.query("INSERT INTO one (name) VALUES ('z') RETURNING id") == [{"id": 5}]
    assert my.query("SELECT count(*) AS n FROM one WHERE name LIKE 'O%'") == [{"n": 1}]
    assert my.query("SELECT id FROM one WHERE name IN %s ORDER BY 1", [("x", "y")]) == [{"id": 3}, {"id": 4}]
    assert my.query("UPDATE one SET total = 0") == []
    assert my.table_exists("one")
    assert not my.table_exists("two")
    assert "one" in my.list_tables()
    assert my.list_tables("nowhere") == []
    assert "global_priv" in my.list_tables("mysql")


def test_several_statements_are_one_transaction(shared: Database) -> None:
    my = shared.mysql
    my.execute("CREATE TABLE half (x int PRIMARY KEY)")
    with pytest.raises(Refused) as caught:
        my.execute("INSERT INTO half VALUES (1); INSERT INTO half VALUES (2), (1)")
    assert caught.value.code == "1062"
    with pytest.raises(Refused):
        my.executemany("INSERT INTO half VALUES (%s)", [[1], [2], [1]])
    assert my.query("SELECT * FROM half") == []
    my.execute("BEGIN")
    my.execute("INSERT INTO half VALUES (7); SELECT 1")
    my.execute("ROLLBACK")
    my.execute("INSERT INTO half VALUES (8); INSERT INTO half VALUES (9)")
    assert my.query("SELECT x FROM half ORDER BY x") == [{"x": 8}, {"x": 9}]


VALUES = [
    ("CAST(1 AS SIGNED)", 1),
    ("1.5e0", 1.5),
    ("CAST(1.50 AS DECIMAL(9, 2))", Decimal("1.50")),
    ("NULL", None),
    ("'ä€\U0001f331'", "ä€\U0001f331"),
    ("x'00ff'", b"\x00\xff"),
    ("DATE '2030-01-07'", date(2030, 1, 7)),
    ("TIMESTAMP '2030-01-07 10:00:00.25'", datetime(2030, 1, 7, 10, 0, 0, 250000)),
    ("CAST('26:00:00' AS TIME)", timedelta(hours=26)),
    ("JSON_OBJECT('a', 1)", '{"a": 1}'),
    ("UUID_SHORT() > 0", 1),
    ("CAST('00000000-0000-0000-0000-000000000001' AS UUID)", "00000000-0000-0000-0000-000000000001"),
]


def test_values_are_plain(shared: Database) -> None:
    names = ", ".join(f"{sql} AS v{number}" for number, (sql, _) in enumerate(VALUES))
    [row] = shared.mysql.query(f"SELECT {names}")
    assert list(row.values()) == [value for _, value in VALUES]
    assert decode(encode(row)) == row


def test_values_go_in(shared: Database) -> None:
    my = shared.mysql
    my.execute("CREATE TABLE given (a text, b json, c datetime, d blob, e text, f bool)")
    moment = datetime(2030, 1, 7, 10, tzinfo=UTC) + timedelta(0)
    other = moment.astimezone(__import__("zoneinfo").ZoneInfo("Asia/Tokyo"))
    given = ["a\0b", {"k": ["ä"]}, other, b"\0'\\", UUID(int=1), True]
    my.execute("INSERT INTO given VALUES (%s, %s, %s, %s, %s, %s)", given)
    assert my.query("SELECT * FROM given") == [
        {"a": "a\0b", "b": '{"k": ["ä"]}', "c": datetime(2030, 1, 7, 10), "d": b"\0'\\", "e": str(UUID(int=1)), "f": 1}
    ]


@pytest.mark.parametrize(
    ("sql", "params", "code"),
    [
        ("SELEC 1", None, "1064"),
        ("SELECT * FROM nowhere", None, "1146"),
        ("SELECT %s", [], None),
        ("SELECT %s", [object()], None),
        ("SELECT %(y)s", {"x": 1}, None),
        ("SELECT %s", ["\ud800"], None),
        ("SELECT '\ud800'", None, None),
        ("SELECT 'a\0b'", None, None),
        ("", None, None),
        ("SELECT 1", 7, None),
        ("SELECT %s", [float("nan")], None),
        ("KILL CONNECTION_ID()", None, "1927"),
        ("LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE x", None, "4166"),
        ("SELECT 1 INTO OUTFILE '/tmp/x'", None, "1290"),
        ("SELECT LOAD_FILE('/etc/passwd') + NULL FROM nowhere", None, "1146"),
    ],
)
def test_errors_are_typed(shared: Database, sql: str, params: object, code: str | None) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011
        shared.mysql.query(sql, params)
    assert type(caught.value).__module__.startswith("terrarium.")
    assert caught.value.code == code, caught.value  # type: ignore[attr-defined]
    assert shared.mysql.query("SELECT 1 AS x") == [{"x": 1}]


def test_a_statement_reports_a_change_and_a_look_does_not(shared: Database) -> None:
    my = shared.mysql
    my.execute("CREATE TABLE seen (x int)")
    shared.changes.clear()
    my.query("SELECT * FROM seen")
    assert shared.changes == []
    my.execute("INSERT INTO seen VALUES (1), (2)")
    my.query("DELETE FROM seen WHERE x = 1")
    my.query("DELETE FROM seen WHERE x = 1")
    my.execute("/* a */ update seen set x = 5; -- b\nINSERT INTO seen VALUES (LENGTH(';'))")
    assert [change.after and change.after["done"] for change in shared.changes] == [
        ["INSERT 2"], ["DELETE 1"], ["UPDATE 1", "INSERT 1"]
    ]  # fmt: skip


def test_world_time_is_the_servers(tmp_path: Path) -> None:
    with database(tmp_path, name="mysql") as it:
        assert it.mysql.query("SELECT NOW() AS n, SYSDATE() AS s, CURDATE() AS d") == [
            {"n": NOW, "s": NOW, "d": NOW.date()}
        ]
        it.clock.move(it.clock.micros + 90 * 10**6)
        it.mysql.execute("CREATE TABLE t (x int, at timestamp DEFAULT current_timestamp)")
        it.mysql.execute("INSERT INTO t (x) VALUES (1)")
        assert it.mysql.query("SELECT at FROM t") == [{"at": NOW + timedelta(seconds=90)}]


def test_the_past_can_be_world_time(tmp_path: Path) -> None:
    past = datetime(1987, 6, 5, tzinfo=UTC)
    with database(tmp_path, name="mysql", clock=Clock(past)) as it:
        assert it.mysql.query("SELECT NOW() AS n") == [{"n": past.replace(tzinfo=None)}]


# -- state ------------------------------------------------------------------------------------------------------------

FILL = """
CREATE TABLE people (id int PRIMARY KEY AUTO_INCREMENT, name varchar(50) UNIQUE NOT NULL, born timestamp);
CREATE TABLE notes (person int, text text, FOREIGN KEY (person) REFERENCES people (id) ON DELETE CASCADE);
CREATE TABLE old (x int) ENGINE = MyISAM;
CREATE VIEW named AS SELECT name FROM people WHERE name <> '';
CREATE FUNCTION twice(i int) RETURNS int DETERMINISTIC RETURN i * 2;
CREATE TRIGGER shout BEFORE INSERT ON notes FOR EACH ROW SET NEW.text = UPPER(NEW.text);
CREATE SEQUENCE numbers;
INSERT INTO people (name) VALUES ('a'), ('b'), ('c'), ('d'), ('e'), ('f'), ('g'), ('h'), ('i'), ('j'), ('k'), ('l');
INSERT INTO notes VALUES (1, 'a'), (1, 'a'), (2, NULL);
INSERT INTO old VALUES (7);
GRANT SELECT ON people TO reader IDENTIFIED BY 'x'
"""


def test_an_unused_one_starts_nothing_and_has_no_rows(tmp_path: Path) -> None:
    with database(tmp_path, name="mysql") as it:
        assert it.rows() == []
        assert it.mysql._house._server is None
        it.mysql.query("SELECT 1")
        assert it.rows() == []  # looking changes nothing


def test_equal_statements_make_equal_rows(tmp_path: Path) -> None:
    found = []
    for number in range(2):
        with database(tmp_path / str(number), name="mysql") as it:
            it.mysql.execute(FILL)
            found.append(it.rows())
    assert found[0] == found[1]
    kept = {(row.table, row.key) for row in found[0]}
    assert {
        ("table", "main.people"), ("table", "main.notes"), ("view", "main.named"), ("function", "main.twice"),
        ("trigger", "main.shout"), ("sequence", "main.numbers"), ("main.people", "12"), ("user", "reader@%"),
        ("main.old", next(row.key for row in found[0] if row.table == "main.old")),
    } <= kept  # fmt: skip
    [table] = [row.fields for row in found[0] if (row.table, row.key) == ("table", "main.people")]
    assert table["auto_increment"] == 13
    assert "AUTO_INCREMENT=" not in table["definition"]
    assert not [row for row in found[0] if "IDENTIFIED" in str(row.fields)]


def test_saved_and_opened_again_it_goes_on(tmp_path: Path) -> None:
    with database(tmp_path / "one", name="mysql") as it:
        it.mysql.execute(FILL)
        before = it.rows()
        run(it.mysql.save(tmp_path / "saved"))
        it.mysql.execute("DROP TABLE notes; DROP TABLE people")
        shutil.copytree(tmp_path / "saved", tmp_path / "two" / "site")
        later = Clock(START + timedelta(hours=1))
        with database(tmp_path / "two", name="mysql", clock=later) as fork:
            assert fork.rows() == before
            added = fork.mysql.query("INSERT INTO people (name, born) VALUES ('new', NOW()) RETURNING id, born")
            assert added == [{"id": 13, "born": NOW + timedelta(hours=1)}]
        assert not it.mysql.table_exists("people")
    with database(tmp_path / "two", name="mysql") as again:  # its folder is kept
        assert again.mysql.query("SELECT count(*) AS n FROM people") == [{"n": 13}]


def test_a_state_can_be_opened_where_its_template_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with database(tmp_path / "one", name="mysql") as it:
        it.mysql.execute(FILL)
        before = it.rows()
        run(it.mysql.save(tmp_path / "two" / "site"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
    with database(tmp_path / "two", name="mysql") as fork:
        assert fork.rows() == before


def test_a_large_table_is_one_row(tmp_path: Path) -> None:
    with database(tmp_path, name="mysql") as it:
        it.mysql.execute("CREATE TABLE large AS SELECT seq AS g FROM seq_1_to_100001")
        [first] = it.content("large")
        it.mysql.execute("UPDATE large SET g = 0 WHERE g = 7")
        [second] = it.content("large")
    assert first["rows"] == second["rows"] == 100_001
    assert first["digest"] != second["digest"]


def test_a_heavy_table_is_one_row(tmp_path: Path) -> None:
    with database(tmp_path, name="mysql") as it:
        it.mysql.execute("CREATE TABLE kept (x int, g point, h int AS (x + 1) VIRTUAL, b bit(3), n text)")
        it.mysql.execute("INSERT INTO kept (x, g, b) VALUES (7, POINT(1, 2), 5)")
        it.mysql.execute("CREATE TABLE heavy AS SELECT seq AS g, REPEAT('x', 10000000) AS t FROM seq_1_to_7")
        it.mysql.execute("CREATE TABLE part (x int) ENGINE = MyISAM")
        it.mysql.execute("CREATE TABLE broken (x int) ENGINE = MERGE UNION = (part); DROP TABLE part")
        found = {name: it.content(name) for name in ("kept", "heavy", "broken")}
    assert [(row["x"], row["h"], row["n"]) for row in found["kept"]] == [(7, 8, None)]
    assert [set(row) for row in found["heavy"]] == [{"rows", "digest"}]
    assert found["broken"] == [{"broken": "1168"}]


# -- configuration ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"prt": 1}, "did you mean 'port'"),
        ({"db_name": "a`b"}, "db_name must be a name"),
        ({"db_name": "mysql"}, "db_name must be a name"),
        ({"roles": {"agent": "root"}}, "somebody else's"),
        ({"dsn": "mysql://ann:pw@h/db"}, "dsn_env"),
    ],
)
def test_bad_configuration_is_named(tmp_path: Path, config: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Database(tmp_path, name="mysql", **config)
    assert says in str(caught.value)


def test_names_of_the_configuration(tmp_path: Path) -> None:
    with database(tmp_path, name="mysql:shop", db_name="shop", user="ann", password="pä ss", port=6000) as it:
        info = {"host": "shop.mysql.world", "port": 6000, "dbname": "shop", "user": "ann", "password": "pä ss"}
        assert it.mysql.connection_info == info
        assert it.mysql.query("SELECT CURRENT_USER() AS u, DATABASE() AS db") == [{"u": "ann@%", "db": "shop"}]
        assert it.rows() == []
        it.mysql.create_database("second")
        assert [(row.table, row.key) for row in it.rows()] == [("database", "second")]


def test_a_server_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with database(tmp_path / "theirs", name="mysql") as theirs:
        theirs.mysql.execute("CREATE TABLE t (x int); INSERT INTO t VALUES (1)")
        door = theirs.mysql._house._server.door.host  # type: ignore[union-attr]
        monkeypatch.setenv("OUR_DATABASE", f"mysql://root:@localhost/main?unix_socket={door}")
        with database(tmp_path / "ours", name="mysql", dsn_env="OUR_DATABASE") as ours:
            assert not ours.mysql.traits.owned
            assert ours.mysql.query("SELECT * FROM t") == [{"x": 1}]
            assert ours.use("query", sql="SELECT * FROM t")["rows"] == [{"x": 1}]
            assert ours.content("t") == [{"x": 1}]
            assert ours.mysql.equipment("agent").env == {}


def test_an_unpacked_package_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `dpkg -x` makes of the package, in a folder that anybody may read."""
    root = tmp_path / "package"
    (root / "usr/sbin").mkdir(parents=True)
    shutil.copy(Path(find().host, "mariadbd"), root / "usr/sbin/mariadbd")
    shutil.copytree("/usr/share/mysql", root / "usr/share/mysql")
    for path in [tmp_path, *tmp_path.parents]:
        if path.stat().st_uid == tmp_path.stat().st_uid and len(path.parts) > 2:
            path.chmod(path.stat().st_mode | 0o055)
    monkeypatch.setenv("TERRARIUM_MARIADB", str(root))
    with database(tmp_path / "world", name="mysql") as it:
        assert it.mysql.query("SELECT 1 AS x") == [{"x": 1}]
    monkeypatch.setenv("TERRARIUM_MARIADB", str(tmp_path))
    with pytest.raises(ConfigError, match="TERRARIUM_MARIADB"):
        find()
