"""A colleague with a mailbox of his own answers late and changes his mind. Run me: `python late_colleague.py`."""

import tempfile

from terrarium import TaskConfig, Trial, entry, run_checkers
from terrarium.run.trial import TrialConfig

ANN, BEN = "ann@corp.example", "ben@corp.example"
PEOPLE = {
    "ann": {"address": ANN, "agent": "agent"},
    "ben": {"name": "Ben Ostrow", "address": BEN, "simulated": True},
}


@entry(capabilities=["email"], people=PEOPLE, notices=["email"])
def late_colleague(env, agent):
    first, second = env.random.sample(["Tuesday", "Wednesday", "Thursday"], 2)
    sorry = {"to": [ANN], "subject": "Sorry", "body": f"{second} after all."}
    ben = env.user(
        "ben",
        persona="You are short of words.",
        goal=f"You can meet on {first}, until you are told otherwise.",  # for a model: --user-model provider/name
        script=[
            {"hears": "rather", "does": {"tool": "email_send", "args": sorry}},
            {"hears": "which day", "says": f"{first} is fine."},
        ],
        delay=("20m", "50m"),
    )
    env.after("2h", lambda: ben.post(f"You would rather meet on {second}. Write that to Ann."))
    reply = agent.act(f"Ask {BEN} which day suits him, and tell me what holds in three hours.")
    for mail in env.email.list_inbox(ANN):
        print(f"{mail['received']:%H:%M}  {mail['by']}: {mail['body'].splitlines()[0]}")
    return run_checkers({"the last word": lambda: second in reply.text and first not in reply.text})


@late_colleague.solution
def solve(seat):
    seat.call("email_send", to=[BEN], subject="Meeting", body="Which day suits you?")
    for _ in range(2):
        seat.call("clock_wait", minutes=150)
    newest = seat.call("email_list")["mails"][0]
    return seat.call("email_read", id=newest["id"])["body"]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        result = Trial(TrialConfig(task=TaskConfig(path=__file__), trial_dir=folder)).run_sync()
    print("reward", result.verdict.reward, "Ben used", result.totals["people"]["ben"]["steps"], "steps")
