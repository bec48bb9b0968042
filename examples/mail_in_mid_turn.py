"""The world moves while the agent works: mail arrives in the middle of a turn. Run me: `python mail_in_mid_turn.py`."""

import tempfile

from terrarium import TaskConfig, Trial, check, entry, run_checkers
from terrarium.run.trial import TrialConfig

BOSS, AGENT = "boss@corp.example", "agent@world.example"


@entry(capabilities=["email", "workspace"])
def mail_in_mid_turn(env, agent):
    env.email.send(BOSS, AGENT, "Order", "Write the quantity 40 into order.txt, then tell me.")

    def correct():
        print(f"{env.clock.now:%H:%M:%S}  the boss writes again: make it 60")
        env.email.send(BOSS, AGENT, "Re: Order", "Sorry: make it 60. I leave in ten seconds.")

    def deadline():
        print(f"{env.clock.now:%H:%M:%S}  the boss leaves; order.txt holds {text()!r}")
        seen.append(text())

    def text():
        return env.workspace.fs.read_text("order.txt") if env.workspace.fs.exists("order.txt") else ""

    seen = []
    # The first fires as soon as the file is there, in the middle of the turn; the second at its own time.
    env.when(lambda: text() == "40", correct)
    env.after("20s", deadline)
    agent.act("Do what your mail says. Look again before you finish.")
    env.clock.advance("1m")
    return run_checkers(
        {"in time": check(lambda: seen[0] == "60", weight=2), "told": lambda: env.email.count_inbox(BOSS) > 0}
    )


@mail_in_mid_turn.solution
def solve(seat):
    done = set()
    while todo := [mail for mail in seat.call("email_list", unread_only=True)["mails"] if mail["id"] not in done]:
        for mail in reversed(todo):
            done.add(mail["id"])
            words = seat.call("email_read", id=mail["id"])["body"].replace(".", " ").split()
            amount = next(word for word in words if word.isdigit())
            seat.call("workspace_write", path="order.txt", content=amount)
    seat.call("email_reply", id=mail["id"], body=f"order.txt says {amount}.")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        result = Trial(TrialConfig(task=TaskConfig(path=__file__), trial_dir=folder)).run_sync()
    for one in result.verdict.checks:
        print("held  " if one.passed else "failed", one.name)
