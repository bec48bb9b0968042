"""A database, as a role that may do little: double charges are paid back, and more of them come in meanwhile."""

from __future__ import annotations

from pathlib import Path

from terrarium import allowed, check, entry, run_checkers

from .content import BRIEF, NAMES, TABLES, charges

CLIENT = Path(__file__).with_name("client.py")


@entry(
    capabilities=["postgres", "workspace"],
    capabilities_config={
        "postgres": {"db_name": "shop", "roles": {"agent": "clerk"}},
        "workspace": {"network": "sandbox", "packages": ["psycopg[binary]"]},
    },
)
def refunds(env, agent):
    known = charges(env.random, env.random.randint(1000, 4000), 3)
    coming = charges(env.random, known[-1].id + 1, 2)
    cards = [[i, name, f"{env.random.randint(10**15, 10**16 - 1)}"] for i, name in enumerate(NAMES, 1)]

    def book(some):
        env.postgres.executemany("INSERT INTO charges VALUES (%s, %s, %s, %s, %s)", [charge.row for charge in some])

    def paid_back():
        return env.postgres.query("SELECT charge, amount FROM refunds ORDER BY charge")

    env.postgres.execute(TABLES)
    env.postgres.executemany("INSERT INTO customers VALUES (%s, %s, %s)", cards)
    book(known)
    env.when(paid_back, lambda: book(coming))
    agent.act(BRIEF)

    double = [charge for charge in known + coming if charge.double]
    came = [f"postgres:shop.public.charges:{charge.id}" for charge in coming]

    def right(some):
        wanted = [(charge.id, charge.amount) for charge in some]
        ids = [charge.id for charge in some]
        return [(row["charge"], str(row["amount"])) for row in paid_back() if row["charge"] in ids] == wanted

    return run_checkers(
        {
            "paid back what was double": lambda: right([charge for charge in known if charge.double]),
            "paid back what came later": lambda: right([charge for charge in coming if charge.double]),
            "marked all of it": lambda: (
                [row["id"] for row in env.postgres.query("SELECT id FROM charges WHERE status = 'refunded' ORDER BY 1")]
                == [charge.id for charge in double]
            ),
            "changed nothing else": check(
                lambda: env.unchanged_except(
                    *(allowed(f"postgres:shop.public.refunds:{c.id}", kind="added") for c in double),
                    *(allowed(f"postgres:shop.public.charges:{c.id}", fields=["status"]) for c in double),
                    *(allowed(place, kind="added") for place in came),
                    "workspace",
                ),
                required=True,
                weight=0,
            ),
            "changed nothing of what came later": check(
                lambda: (
                    [
                        [row["id"], row["customer"], row["invoice"], str(row["amount"]), row["status"]]
                        for row in env.postgres.query("SELECT * FROM charges WHERE id > %s ORDER BY id", [known[-1].id])
                    ]
                    == [[*c.row[:-1], "refunded"] if c.double else c.row for c in coming]
                ),
                required=True,
                weight=0,
            ),
        }
    )


@refunds.solution
def solve(seat):
    seat.call("workspace_write", path="pay_back.py", content=CLIENT.read_text("utf-8"))
    while seat.call("workspace_exec", command="python3 pay_back.py").stdout.strip() != "paid back: 0":
        pass
    return "Nothing is left to pay back."
