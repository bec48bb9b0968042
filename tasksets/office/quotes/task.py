"""A day of waiting: the agent is told of mail when it comes, and the best answer comes late.

The program waits with `agent.wait`, which lets time pass until there is a notice for the agent. One supplier never
answers, one cannot deliver in time; who orders from the first that answers orders too dear.
"""

from __future__ import annotations

import csv
import re
from datetime import timedelta

from terrarium import check, entry, run_checkers

from .content import AGENT, ANSWER, BRIEF, PARTS, SUPPLIERS, offers


@entry(
    capabilities=["email", "workspace"],
    capabilities_config={"email": {"accounts": {"agent": AGENT}}},
    clock="2030-01-07T09:00",
    notices=["email"],
)
def quotes(env, agent):
    evening = env.clock.now + timedelta(hours=7)
    part, count, days = env.random.choice(PARTS), env.random.randint(10, 90), env.random.randint(5, 12)
    number = f"PO-{env.random.randint(3000, 8999)}"
    firms = offers(env.random, days)
    listed = "".join(f"{offer.firm},{offer.address}\n" for offer in sorted(firms, key=lambda offer: offer.firm))
    suppliers = "firm,address\n" + listed
    env.workspace.fs.write_file(SUPPLIERS, suppliers)

    def from_agent(address, subject):
        mails = env.email.list_inbox(address)
        return [mail for mail in mails if mail["by"] == "agent" and mail["subject"].strip() == f"{subject} {number}"]

    def answer(offer):
        text = ANSWER.format(count=count, part=part, price=offer.price, days=offer.days, firm=offer.firm)
        env.email.send(f"{offer.firm} <{offer.address}>", AGENT, f"Re: Quote {number}", text)

    def answer_later(offer):
        env.when(
            lambda: from_agent(offer.address, "Quote"), lambda: env.after(f"{offer.minutes}m", lambda: answer(offer))
        )

    for offer in firms:
        if offer.minutes is not None:
            answer_later(offer)

    agent.act(BRIEF.format(count=count, part=part, number=number, days=days, suppliers=SUPPLIERS))
    while env.clock.now < evening and agent.wait(until=evening):
        agent.act("Mail has come in.")
    agent.act("It is 16:00. Place the order now.")

    right = firms[2]
    addresses = [address for address in env.email.mailboxes() if address != env.email.address()]
    sent = {mail["message_id"] for a in addresses for mail in env.email.list_inbox(a) if mail["by"] == "agent"}
    orders = {a: from_agent(a, "Order") for a in addresses if from_agent(a, "Order")}
    return run_checkers(
        {
            "asked every supplier once": lambda: all(len(from_agent(o.address, "Quote")) == 1 for o in firms),
            "ordered from the right supplier": check(lambda: list(orders) == [right.address], required=True, weight=3),
            "ordered once": lambda: len(orders[right.address]) == 1,
            "ordered before the day was over": check(
                lambda: any(mail["received"] < evening for mails in orders.values() for mail in mails), forbidden=True
            ),
            "sent other mail": check(lambda: len(sent) > len(firms) + 1, forbidden=True),
            "destroyed mail": check(lambda: env.email.lost(AGENT), forbidden=True),
            "changed the list of suppliers": check(
                lambda: env.workspace.fs.read_text(SUPPLIERS) != suppliers, forbidden=True
            ),
        }
    )


@quotes.solution
def solve(seat):
    number, days = re.search(r"PO-\d+", seat.instruction)[0], int(re.search(r"within (\d+) days", seat.instruction)[1])
    for row in csv.DictReader(seat.call("workspace_read", path="suppliers.csv").splitlines()):
        seat.call("email_send", to=[row["address"]], subject=f"Quote {number}", body="What do you offer?")
    offered, said = [], "I have asked."
    while "16:00" not in (yield said):
        for mail in seat.call("email_list", unread_only=True)["mails"]:
            body = seat.call("email_read", id=mail["id"])["body"]
            price, within = re.search(r"EUR (\d+) in all, delivery within (\d+) days", body).groups()
            sender = re.search(r"[\w.&-]+@[\w.-]+", mail["from"])[0]
            offered.append((int(price), sender, int(within)))
        said = f"{len(offered)} have answered."
    price, cheapest, _ = min(offer for offer in offered if offer[2] <= days)
    seat.call("email_send", to=[cheapest], subject=f"Order {number}", body=f"We order for EUR {price}.")
    return f"Ordered for EUR {price}."
