"""The files of a new task: small, whole and solved, to be changed into one's own."""

from __future__ import annotations

import keyword

_PROGRAM = '''"""A customer asks what her order comes to."""

from __future__ import annotations

import re

from terrarium import check, entry, run_checkers

ANNA = "Anna Berg <anna@customer.example>"
PRICES = "item,price\\npaper,4.50\\npens,2.25\\nstapler,12.00\\n"


@entry(
    capabilities=["email", "workspace"],
    capabilities_config={
        "email": {"accounts": {"agent": "Sales <sales@shop.example>"}},
        "workspace": {"files": {"prices.csv": PRICES}},
    },
)
def FUNCTION(env, agent):
    """Answer a customer's mail with a total from the price list, and keep a note of it."""
    pens = env.random.randint(3, 9)  # another number for each seed
    total = f"{3 * 4.50 + pens * 2.25:.2f}"
    question = env.email.send(
        ANNA,
        env.email.address(),
        "What would this cost?",
        f"Hello,\\n\\nwhat do 3 packs of paper and {pens} packs of pens cost together?\\n\\nAnna",
    )

    agent.act(
        "A customer has written to you. Work out the total from prices.csv, answer her mail with it, "
        "and write the total, nothing else, to total.txt."
    )

    def answered():
        mails = env.email.list_inbox(ANNA)
        return any(mail["in_reply_to"] == question["message_id"] and total in mail["body"] for mail in mails)

    def noted():
        return env.workspace.fs.exists("total.txt") and env.workspace.fs.read_text("total.txt").strip() == total

    def changed_the_prices():
        return env.workspace.fs.read_text("prices.csv") != PRICES

    return run_checkers(
        {
            "answered": check(answered, weight=2),
            "noted": noted,
            "changed the prices": check(changed_the_prices, forbidden=True),
        }
    )


@FUNCTION.solution
def solve(seat):
    newest = seat.call("email_list")["mails"][0]
    mail = seat.call("email_read", id=newest["id"])
    pens = int(re.search(r"(\\d+) packs of pens", mail["body"])[1])
    lines = seat.call("workspace_read", path="prices.csv").splitlines()[1:]
    price = {item: float(amount) for item, amount in (line.split(",") for line in lines)}
    total = f"{3 * price['paper'] + pens * price['pens']:.2f}"
    seat.call("email_reply", id=mail["id"], body=f"Hello Anna,\\n\\nthat comes to {total}.\\n\\nSales")
    seat.call("workspace_write", path="total.txt", content=f"{total}\\n")
    return f"I answered her: {total}."
'''

_ABOUT = """[metadata]
name = "NAME"
description = "Answer a customer's mail with a total from the price list."
version = "1"
difficulty = "easy"
tags = ["email", "workspace"]

[limits]
steps = 30
"""


def scaffold(name: str) -> dict[str, str]:
    """The files of a task of that name: path within its folder to content."""
    function = name.replace("-", "_")
    if keyword.iskeyword(function) or function in ("check", "entry", "re", "solve"):
        function += "_task"
    return {"task.py": _PROGRAM.replace("FUNCTION", function), "task.toml": _ABOUT.replace("NAME", name)}
