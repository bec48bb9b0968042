"""Lunch for three: a colleague answers late and changes his mind, by his own mailbox and in his own time.

Ben and Cleo are simulated people. They read their mail some time after it has come, and Ben thinks better of it before
the order may go out. The agent has to ask, to wait, and to order what counts in the end.
"""

from __future__ import annotations

from datetime import timedelta

from terrarium import check, entry, run_checkers

from .content import ANN, BEN, CANTEEN, CLEO, DISHES, PEOPLE, TOLD, ben_script, cleo_script


@entry(capabilities=["email"], people=PEOPLE, notices=["email"], clock="2030-03-04T08:30")
def lunch_order(env, agent):
    own, first, second, cleos = env.random.sample(DISHES, 4)
    earliest, until = env.clock.now + timedelta(hours=3), env.clock.now + timedelta(hours=3, minutes=30)
    ben = env.user(
        "ben",
        persona="You are short of words and short of time.",
        goal=f"You want the {first} for lunch, until you are told that you would rather have something else.",
        script=ben_script(first, second),
        delay=("50m", "100m"),
    )
    env.user(
        "cleo",
        persona="You are friendly and answer soon.",
        goal=f"You want the {cleos} for lunch.",
        script=cleo_script(cleos),
        delay=("5m", "20m"),
    )

    def thinks_better():
        ben.post(f"You would rather have the {second} than the {first}; write that to {ANN}.")

    env.at(earliest - timedelta(minutes=20), thinks_better)
    agent.act(TOLD.format(own=own, earliest=f"{earliest:%H:%M}", until=f"{until:%H:%M}"))
    env.clock.advance_to(until)

    orders = [mail for mail in env.email.list_inbox(CANTEEN) if mail["by"] == "agent"]
    text = orders[-1]["body"].lower() if orders else ""
    asked = {address: env.email.count_inbox(address) for address in (BEN, CLEO)}
    strangers = [address for address in env.email.mailboxes() if address not in (ANN, BEN, CLEO, CANTEEN)]
    return run_checkers(
        {
            "asked both": lambda: all(asked.values()),
            "an order in time": check(lambda: bool(orders) and orders[-1]["received"] <= until, required=True),
            "what Ben wants now": check(lambda: second in text, required=True, weight=3),
            "what Cleo wants": check(lambda: cleos in text, weight=2),
            "my own": lambda: own in text,
            "what Ben wanted before": check(lambda: first in text, forbidden=True),
            "ordered too early or twice": check(
                lambda: len(orders) > 1 or any(mail["received"] < earliest for mail in orders), forbidden=True
            ),
            "wrote to strangers": check(lambda: bool(strangers), forbidden=True),
        }
    )


@lunch_order.solution
def solve(seat):
    own = seat.instruction.split("yours is the ")[1].split(".")[0]
    for name in ("ben", "cleo"):
        seat.call("email_send", to=[f"{name}@quay.example"], subject="Lunch", body="What would you like for lunch?")
    wants, waited = {}, 0.0
    while waited < 181:
        waited += seat.call("clock_wait", minutes=181 - waited)["waited_minutes"]
        for mail in seat.call("email_list", unread_only=True)["mails"]:
            letter = seat.call("email_read", id=mail["id"])
            found = [dish for dish in DISHES if dish in letter["body"]]
            wants[letter["from"]] = found[-1]
    dishes = ", ".join([own, *wants.values()])
    seat.call("email_send", to=[CANTEEN], subject="Order for three", body=f"Please: {dishes}.")
    return f"Ordered: {dishes}."
