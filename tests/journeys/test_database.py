"""A database in whole trials: tools, clients, conditions, resume after a crash, what is left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from terrarium.capability.database.server import sweep
from terrarium.capability.database.template import cache
from terrarium.capability.mysql import binaries as mariadb
from terrarium.capability.postgres.binaries import find
from terrarium.core.errors import ConfigError
from terrarium.sandbox.tier import tier


def lacking() -> str:
    if tier().number != 1:
        return "no namespaces here"
    try:
        find()
    except ConfigError as error:
        return str(error)
    return ""


pytestmark = pytest.mark.skipif(bool(lacking()), reason=lacking() or "it is there")

TASK = """
@entry(capabilities=["postgres"])
def run(env, agent):
    env.postgres.execute("CREATE TABLE t (id serial PRIMARY KEY, x int, at timestamptz DEFAULT now())")
    env.when(lambda: env.postgres.query("SELECT count(*) AS n FROM t")[0]["n"] >= 2,
             lambda: env.reward("two at " + env.clock.now.isoformat(), 0))
    agent.act("go")
    env.clock.advance("1h")
    env.postgres.execute("INSERT INTO t (x) VALUES (99)")
    agent.act("again")
    env.postgres.close()
    rows = env.postgres.query("SELECT id, x, at FROM t ORDER BY id")
    return run_checkers({"rows": lambda: [(r["id"], r["x"]) for r in rows] == [(1, 1), (2, 2), (3, 99), (4, 4)],
                         "time": lambda: (rows[2]["at"] - rows[0]["at"]).total_seconds() >= 3600})
"""
SCRIPT = [
    {"tool": "postgres_execute", "args": {"sql": "INSERT INTO t (x) VALUES (1)"}},
    {"tool": "postgres_execute", "args": {"sql": "INSERT INTO t (x) VALUES (2)"}},
    "done",
    {"tool": "postgres_execute", "args": {"sql": "INSERT INTO t (x) VALUES (4)"}},
    "done",
]


def test_a_trial_with_a_database(play) -> None:
    played = play(TASK, SCRIPT, snapshot="every-turn")
    assert played.reward == 1.0
    assert [text for text in played.said if text.startswith("two at 2030-01-07")]
    assert len(played.events("change")) >= 5


def test_it_goes_on_after_a_crash(play) -> None:
    played = play(TASK, SCRIPT, snapshot="every-turn")
    assert played.reward == 1.0
    snapshots = played.snapshots()
    assert snapshots
    played.crash_behind(snapshots[0])
    again = played.run()
    assert again.reward == 1.0


LEFT = """
import sys, json, asyncio, os
sys.path[:0] = json.loads(sys.argv[1])
from terrarium.capability.mysql import binaries as mariadb
from terrarium.capability.postgres.binaries import find
from terrarium.capability.database.pool import pool
from terrarium.capability.postgres.kind import KIND
from terrarium.core.clock import Clock
async def main():
    server, session = await pool(KIND, find()).take(Clock())
    print(server._folder, flush=True)
    os.kill(os.getpid(), 9)
asyncio.run(main())
"""


def test_nothing_is_left_of_a_killed_process() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LEFT, json.dumps(sys.path)], capture_output=True, text=True, timeout=120, check=False
    )
    folder = Path(done.stdout.strip())
    assert folder.parent == cache("postgres") / "live", done.stderr
    used: list[Path] = []
    for _ in range(100):
        used = [path for path in Path("/proc").glob("[0-9]*/cwd") if _leads_to(path, folder)]
        if not used:
            break
    assert not used
    sweep("postgres")
    assert not folder.exists()
    assert not folder.with_name(f"{folder.name}.lock").exists()


def _leads_to(path: Path, folder: Path) -> bool:
    try:
        return os.readlink(path).startswith(str(folder))  # noqa: PTH115
    except OSError:
        return False


WIRE = """
CLIENTS = {"packages": ["psycopg", "psycopg-binary"]}
@entry(capabilities=["postgres", "workspace"], capabilities_config={"workspace": CLIENTS})
def run(env, agent):
    info = env.postgres.connection_info
    env.postgres.execute("CREATE TABLE t (x int)")
    env.when(lambda: env.postgres.query("SELECT count(*) AS n FROM t")[0]["n"] >= 2, lambda: env.reward("two", 0))
    env.workspace.fs.write_file("url", "postgresql://{user}:{password}@{host}:{port}/{dbname}".format(**info))
    agent.act("go")
    return run_checkers({"rows": lambda: env.postgres.query("SELECT count(*) AS n FROM t") == [{"n": 3}]})
"""
CLIENT = """python3 -c "
import psycopg
with psycopg.connect(open('url').read()) as c:
    [c.execute('INSERT INTO t VALUES (%s)', (i,)) for i in range(3)]
    print(c.execute('SELECT count(*), now() FROM t').fetchone())
"
"""


WATCHED = """
@entry(capabilities=["postgres", "workspace"])
def run(env, agent):
    env.postgres.execute("CREATE TABLE t (x int)")
    fired = []
    for n in range(3):
        env.when(lambda n=n: env.postgres.query("SELECT count(*) AS n FROM t")[0]["n"] > n, lambda n=n: fired.append(n))
    agent.act("go")
    return run_checkers({"each once": lambda: fired == [0, 1, 2]})
"""


@pytest.mark.skipif(not Path("/usr/bin/psql").exists(), reason="there is no psql in /usr/bin")
def test_conditions_that_ask_the_database_while_clients_come_and_go(play) -> None:
    commands = [
        "for i in 1 2 3 4; do psql -c 'SELECT count(*) FROM t' & done; wait",
        *["psql -c 'INSERT INTO t VALUES (1)' & psql -c 'SELECT 1' & wait"] * 3,
    ]
    played = play(WATCHED, [*({"tool": "workspace_exec", "args": {"command": each}} for each in commands), "done"])
    assert played.result is not None
    assert played.result.error is None
    assert played.reward == 1.0, played.shown()


def test_a_client_in_the_agents_sandbox(play) -> None:
    played = play(WIRE, [{"tool": "workspace_exec", "args": {"command": CLIENT}}, "done"])
    assert played.reward == 1.0, played.shown()
    assert "datetime.datetime(2030, 1, 7, 9" in played.shown()[0]
    assert "two" in played.said
    told = [event for event in played.events("change") if event.data["capability"] == "postgres"]
    assert {event.actor for event in told} == {"task", "agent"}


KILLED = """
import os, signal, threading, time
from pathlib import Path

def ours(process):
    while process > 1:
        process = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
        if process == os.getpid():
            return True
    return False

def kill():
    \"\"\"What somebody on the machine does: every process of this engine's databases ends.\"\"\"
    killed = set()
    while True:
        found = set()
        for path in Path("/proc").glob("[0-9]*"):
            try:
                dead = (path / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
                if not dead and (path / "comm").read_text() == "postgres\\n" and ours(int(path.name)):
                    os.kill(int(path.name), signal.SIGKILL)
                    found.add(path.name)
            except OSError:
                pass
        killed |= found
        if not found:
            return len(killed)

@entry(capabilities=["postgres"])
def run(env, agent):
    env.postgres.execute("CREATE TABLE t AS SELECT 1 AS x")
    assert kill() > 0
    agent.act("go")
    assert kill() > 0
    rows = env.postgres.query("SELECT count(*) AS n FROM t")
    {more}
    assert kill() > 0
    return run_checkers({"rows": lambda: rows == [{"n": 2}]})
"""
TRIES = [{"tool": "postgres_execute", "args": {"sql": "INSERT INTO t VALUES (2)"}}, "done"]


def test_a_server_that_somebody_kills_between_two_uses_is_started_again(play) -> None:
    played = play(KILLED.replace("{more}", ""), TRIES)
    assert played.reward == 1.0, played.shown()
    assert "INSERT 0 1" in played.shown()[0]


def test_one_that_is_killed_under_a_statement_of_the_program_is_a_fault_of_the_machinery(play) -> None:
    late = "threading.Timer(0.5, kill).start(); env.postgres.query('SELECT pg_sleep(60)')"
    played = play(KILLED.replace("{more}", late), TRIES)
    assert played.result.error["boundary"] == "capability", played.result.error
    assert played.result.verdict.reward is None, "no score"
    assert played.error.startswith("Lost: the database server ")


UNDER = """
    timer = threading.Timer(1.0, kill)
    timer.start()
    agent.act("wait")
    timer.join()
    rows = env.postgres.query("SELECT count(*) AS n FROM t")
"""
WAITS = [
    *TRIES,
    {"tool": "postgres_query", "args": {"sql": "SELECT pg_sleep(60)"}},
    {"tool": "postgres_query", "args": {"sql": "SELECT count(*) AS n FROM t"}},
    "done",
]


def test_one_that_is_killed_under_a_statement_of_an_agents_says_so_and_goes_on(play) -> None:
    played = play(KILLED.replace("{more}", UNDER.strip()), WAITS)
    assert played.reward == 1.0, played.shown()
    assert "it is started again" in played.shown()[1]
    assert '"n": 2' in played.shown()[2]


MYSQL = """
CLIENTS = {"packages": ["pymysql"]}
@entry(capabilities=["mysql", "workspace"], capabilities_config={"workspace": CLIENTS})
def run(env, agent):
    env.mysql.execute("CREATE TABLE t (x int)")
    env.when(lambda: env.mysql.query("SELECT count(*) AS n FROM t")[0]["n"] >= 2, lambda: env.reward("two", 0))
    agent.act("go")
    return run_checkers({"rows": lambda: env.mysql.query("SELECT count(*) AS n FROM t") == [{"n": 3}]})
"""
MYSQL_CLIENT = """python3 -c "
import pymysql
with pymysql.connect(read_default_file='/run/secrets/my.cnf', database='main', autocommit=True) as c, c.cursor() as cur:
    [cur.execute('INSERT INTO t VALUES (%s)', (i,)) for i in range(3)]
    cur.execute('SELECT count(*), now() FROM t')
    print(cur.fetchone())
"
"""


def test_a_client_of_mysql_in_the_agents_sandbox(play) -> None:
    try:
        mariadb.find()
    except ConfigError as error:
        pytest.skip(str(error))
    played = play(MYSQL, [{"tool": "workspace_exec", "args": {"command": MYSQL_CLIENT}}, "done"])
    assert played.reward == 1.0, played.shown()
    assert "datetime.datetime(2030, 1, 7, 9" in played.shown()[0]
    assert "two" in played.said
    told = [event for event in played.events("change") if event.data["capability"] == "mysql"]
    assert {event.actor for event in told} == {"task", "agent"}
