"""The smallest living world: one mail, one agent, one check. Run me: `python hello_mail.py`."""

import tempfile

from terrarium import TaskConfig, Trial, entry, run_checkers
from terrarium.core.journal import EventKind
from terrarium.core.trajectory import load
from terrarium.run.trial import TrialConfig

ANN, AGENT = "ann@corp.example", "agent@world.example"


@entry(capabilities=["email"])
def hello_mail(env, agent):
    price, pieces = env.random.randint(11, 99), env.random.randint(11, 99)
    env.email.send(ANN, AGENT, "Lamps", f"We need {pieces} lamps at {price} euros each. What will that come to?")
    agent.act(f"Answer your mail; it comes to {AGENT}.")

    def answers():
        return [mail["body"] for mail in env.email.list_inbox(ANN) if mail["by"] == "agent"]

    return run_checkers({"answered": lambda: answers(), "right": lambda: str(price * pieces) in answers()[-1]})


@hello_mail.solution
def solve(seat):
    newest = seat.call("email_list")["mails"][0]
    words = seat.call("email_read", id=newest["id"])["body"].split()
    pieces, price = [int(word) for word in words if word.isdigit()]
    seat.call("email_reply", id=newest["id"], body=f"That will be {price * pieces} euros.")
    return "Ann has her answer."


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(TrialConfig(task=TaskConfig(path=__file__), trial_dir=folder))  # the agent: the oracle
        result = trial.run_sync()
        journal = trial.folder.tries(trial.spec.id)[-1] / "journal.jsonl"
        for event in load(journal).of(EventKind.TURN, EventKind.TOOL_CALL, EventKind.CHECK):
            what = event.data.get("tool") or event.data.get("name") or event.data["state"]
            told = event.data.get("instruction") or event.data.get("text") or event.data.get("arguments") or ""
            print(f"{event.time:%H:%M:%S}  {event.kind:9}  {what}  {told}")
        print("reward", result.verdict.reward)
