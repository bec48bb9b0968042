"""Three turns with real database servers, and commands that fill them."""

import time

from terrarium import entry, run_checkers


@entry(["postgres", "mysql", "workspace"])
def servers(env, agent):
    env.postgres.execute("CREATE TABLE t (id serial PRIMARY KEY, x text, at timestamptz DEFAULT now())")
    env.mysql.execute("CREATE TABLE t (id int PRIMARY KEY AUTO_INCREMENT, x text)")
    env.after("20s", lambda: env.postgres.execute("INSERT INTO t (x) VALUES ('late')"))
    for number in range(3):
        env.mysql.execute("INSERT INTO t (x) VALUES (%s)", [f"{env.random.random():.6f}"])
        agent.act(f"turn {number}")
        env.clock.advance("10m")
    rows = env.postgres.query("SELECT x FROM t ORDER BY id")
    return run_checkers(
        {
            "postgres": lambda: sorted(row["x"] for row in rows) == ["a0", "a1", "a2", "late"],
            "mysql": lambda: env.mysql.query("SELECT count(*) AS n FROM t")[0]["n"] == 6,
            "luck": lambda: env.random.random() < 0.5,
        }
    )


@servers.solution
def solve(seat):
    for number in range(3):
        seat.call("postgres_execute", sql=f"INSERT INTO t (x) VALUES ('a{number}')")
        time.sleep(0.05)
        seat.call("mysql_execute", sql=f"INSERT INTO t (x) VALUES ('b{number}')")
        seat.call("workspace_exec", command=f"echo {number} >> log")
        yield f"{number} is done"
