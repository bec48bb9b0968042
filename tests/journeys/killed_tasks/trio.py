"""Three agents write to each other, in turn, over files and mail; each is paid as it goes."""

import time

from terrarium import entry, run_checkers

NAMES = ["ada", "bea", "cleo"]


@entry(
    ["email", "workspace"],
    {"workspace": {"sandbox": "memory"}},
    agents=NAMES,
    people={name: {"address": f"{name}@corp.example", "agent": name} for name in NAMES},
)
def trio(env, agents):
    order = list(NAMES)
    for number in range(3):
        env.random.shuffle(order)
        for place, name in enumerate(order):
            after = order[(place + 1) % 3]
            env.workspace(name).fs.write_file("/root/task", f"{number} {env.random.randrange(1000)}")
            reply = agents[name].act(f"Write to {after}@corp.example.")
            env.reward("wrote", float(reply.text == after), agent=name)
        env.clock.advance("1h")
    sent = {name: env.email.count_inbox(f"{name}@corp.example") for name in NAMES}
    return run_checkers(
        {
            "all wrote": lambda: sum(sent.values()) == 9,
            "evenly": lambda: set(sent.values()) == {3},
            "luck": lambda: env.random.random() < 0.5,
        }
    )


def _solve(seat):
    while True:
        word = seat.call("workspace_read", path="task")
        time.sleep(0.02)
        to = seat.instruction.split()[-1].rstrip(".")
        seat.call("email_send", to=[to], subject="Your turn", body=str(word))
        seat.call("email_list")
        yield to.partition("@")[0]


for _name in NAMES:
    trio.solution(_solve, agent=_name)
