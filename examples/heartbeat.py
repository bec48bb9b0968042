"""A proactive agent: a heartbeat gives it a turn every half hour, and it decides what to do. `python heartbeat.py`."""

import tempfile

from terrarium import TaskConfig, Trial, check, entry, run_checkers
from terrarium.run.trial import TrialConfig

CREW, FULL = "crew@plant.example", 80


@entry(capabilities=["email", "workspace"], clock="2030-03-04T08:00")
def heartbeat(env, agent):
    levels = [env.random.randint(20, 60) for _ in range(8)]
    alarm = env.random.randint(2, 5)
    levels[alarm] = env.random.randint(FULL + 1, 99)
    readings = iter(levels)

    def measure():
        env.workspace.fs.write_file("tank.txt", f"{next(readings)}\n")

    env.every("30m", measure)
    env.every("30m", lambda: agent.post("Heartbeat. Reply OK if there is nothing to do."))
    agent.act(f"Watch tank.txt. When it is above {FULL}, write one mail to {CREW}; else leave everybody in peace.")
    env.clock.advance("4h")  # eight readings, eight heartbeats, each a turn

    mails = env.email.list_inbox(CREW)
    for reply in agent.replies:
        print("agent:", reply.text)
    return run_checkers(
        {
            "one alarm": check(lambda: len(mails) == 1, required=True),
            "at once": lambda: mails[0]["received"].hour * 2 + mails[0]["received"].minute // 30 == 17 + alarm,
            "names the level": lambda: str(levels[alarm]) in mails[0]["body"],
        }
    )


@heartbeat.solution
def solve(seat):
    yield "I watch the tank."
    while True:
        level = int(seat.call("workspace_read", path="tank.txt"))
        if level > FULL:
            seat.call("email_send", to=[CREW], subject="Tank", body=f"The tank is at {level}.")
        yield f"{level}: alarm sent" if level > FULL else f"{level}: OK"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        result = Trial(TrialConfig(task=TaskConfig(path=__file__), trial_dir=folder)).run_sync()
    print("reward", result.verdict.reward)
