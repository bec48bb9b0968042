"""Seven turns of one agent: mail, calendar and files, and callbacks that reach into the turns."""

import time

from terrarium import check, entry, run_checkers

ANN = "ann@corp.example"


@entry(
    ["email", "calendar", "workspace"],
    {"workspace": {"sandbox": "memory"}},
    limits={"tool_cost": 20},
    notices=["email"],
)
def errands(env, agent):
    me, words = env.email.address(), []
    env.calendar.create_calendar("Work", "work")
    ticket = env.every("20m", lambda: env.workspace.fs.write_file("/root/tick", f"{env.random.random():.9f}"))
    env.when(lambda: env.email.count_inbox(ANN) >= 3, lambda: agent.post("Three letters are out."))
    env.at(env.clock.now.replace(hour=16), lambda: env.email.send(ANN, me, "Four o'clock", "Time to go."))

    def ring(word: str) -> str:
        """Ring the bell."""
        words.append(word)
        return f"{word} for the {env.email.count_inbox(ANN)}. letter"

    agent.register_tools(ring)
    early = []
    for number in range(6):
        topic = env.random.choice(["ash", "elm", "oak", "yew"])
        env.email.send(ANN, me, f"{number}: {topic}", f"What of the {topic}?")
        env.after(f"{env.random.randrange(10, 50)}s", lambda topic=topic: env.email.send(ANN, me, f"Re {topic}", "?"))
        agent.act(f"Answer letter {number}.")
        env.clock.advance(f"{env.random.randrange(5, 40)}m")
        if number == 2:
            early.append(run_checkers({"three": lambda: env.email.count_inbox(ANN) == 3}).score)
    env.cancel(ticket)
    env.clock.advance_to("16:30")
    agent.act("Look back.")
    day = env.calendar.list_events("work", "2030-01-01", "2031-01-01")
    return run_checkers(
        {
            "answered": check(lambda: env.email.count_inbox(ANN) == 6, weight=2),
            "noted": lambda: [event["summary"] for event in day] == [f"letter {number}" for number in range(6)],
            "rung": lambda: words == [f"w{number}" for number in range(6)],
            "ticked": lambda: float(env.workspace.fs.read_file("/root/tick")) < 1.0,
            "judged early": lambda: early == [1.0],
            "in luck": lambda: env.random.random() < 0.5,
        }
    )


@errands.solution
def solve(seat):
    for number in range(6):
        mail = next(mail for mail in seat.call("email_list")["mails"] if mail["subject"].startswith(f"{number}:"))
        time.sleep(0.02)
        seat.call("email_reply", id=mail["id"], body="It stands.")
        start = f"2030-02-0{number + 1}T09:00"
        seat.call("calendar_create", calendar="work", summary=f"letter {number}", start=start)
        seat.call("workspace_write", path="log", content=f"{seat.notices()}")
        time.sleep(0.02)
        said = seat.call("ring", word=f"w{number}")
        if "Three letters" in (yield said):
            yield "So they are."
    seat.call("workspace_read", path="log")
