"""Two agents, each with its own seat, haggle by mail; their turns overlap. Run me: `python two_agents.py`."""

import asyncio
import re
import tempfile

from terrarium import TaskConfig, Trial, entry, run_checkers
from terrarium.run.trial import TrialConfig

BUYER, SELLER = "buyer@world.example", "seller@world.example"
RULES = f"Subjects are 'ask <price>' or, to agree, 'deal at <price>'; write to {BUYER} or {SELLER}."


@entry(capabilities=["email"], agents=["buyer", "seller"])
async def two_agents(env, agents):
    top, floor = env.random.randint(70, 90), env.random.randint(40, 60)
    told = {"buyer": f"Buy the bicycle, for at most {top}.", "seller": f"Sell the bicycle, for at least {floor}."}
    for _ in range(4):
        await asyncio.gather(*[agents[name].act(f"{text} {RULES}") for name, text in told.items()])

    def deals():
        return [int(mail["subject"].split()[-1]) for mail in mails if mail["subject"].startswith("deal at")]

    mails = sorted(env.email.list_inbox(BUYER) + env.email.list_inbox(SELLER), key=lambda mail: mail["received"])
    for mail in mails:
        print(f"{mail['received']:%H:%M:%S}  {mail['by']:6}  {mail['subject']}")
    return run_checkers(
        {"a deal": deals, "good for both": lambda: deals() and all(floor <= price <= top for price in deals())}
    )


@two_agents.solution(agent="buyer")
def buy(seat):
    limit = int(re.findall(r"\d+", seat.instruction)[0])
    while True:
        for mail in seat.call("email_list", unread_only=True)["mails"]:
            price = int(mail["subject"].split()[-1])
            if seat.call("email_read", id=mail["id"]) and price <= limit:
                seat.call("email_send", to=[SELLER], subject=f"deal at {price}", body="")
                yield "bought"
        yield "waiting"


@two_agents.solution(agent="seller")
def sell(seat):
    floor = int(re.findall(r"\d+", seat.instruction)[0])
    for price in range(floor + 45, floor, -15):
        if any(mail["subject"].startswith("deal") for mail in seat.call("email_list")["mails"]):
            return "sold"
        seat.call("email_send", to=[BUYER], subject=f"ask {price}", body="")
        yield "waiting"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        result = Trial(TrialConfig(task=TaskConfig(path=__file__), trial_dir=folder)).run_sync()
    print("reward", result.verdict.reward)
