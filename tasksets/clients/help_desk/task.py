"""A bot in a channel, by slack_sdk: it answers in threads what it is asked, and is asked more."""

from __future__ import annotations

from pathlib import Path

from terrarium import allowed, check, entry, run_checkers

from .content import ASKED, BRIEF, CHATTER, FACTS, FIELDS, PEOPLE, as_csv, facts

CLIENT = Path(__file__).with_name("client.py")


@entry(
    capabilities=["slack", "workspace"],
    capabilities_config={"workspace": {"network": "sandbox", "packages": ["slack-sdk"]}},
    people=PEOPLE,
)
def help_desk(env, agent):
    slack, random = env.slack, env.random
    known = facts(random)
    devices, colleagues = random.sample(list(known), 6), random.sample([p for p in PEOPLE if p != "desk"], 4)
    values = {value for told in known.values() for value in told.values()}
    env.workspace.fs.write_file(FACTS, as_csv(known))
    slack.create_channel("help")
    wanted = {}  # ts of a question -> its thread, the value that answers it

    def ask(person, device, thread=None, but=None):
        field = random.choice([name for name in FIELDS if name != but])
        ts = slack.post(person, "help", ASKED[field].format(device=device), thread=thread)
        wanted[ts] = (thread or ts, known[device][field])
        return ts, field

    def chat():
        slack.post(random.choice(colleagues), "help", random.choice(CHATTER).format(device=random.choice(devices)))

    chat()
    first, field = ask(colleagues[0], devices[0])
    done = slack.post(colleagues[1], "help", ASKED["room"].format(device=devices[1]))
    slack.reply(colleagues[2], "help", done, f"It is {known[devices[1]]['room']}.")
    ask(colleagues[2], devices[2])
    chat()
    early = dict(wanted)

    def by_agent(thread):
        return [message for message in slack.replies("help", thread) if message["by"] == "agent"]

    def go_on():
        """Who was answered first has one more question, in the same thread; and somebody else has one."""
        ask(colleagues[0], devices[0], first, field)
        ask(colleagues[3], devices[3])
        chat()

    slack.limit_rate(times=1, seconds=1, method="chat.postMessage")
    env.when(lambda: by_agent(first), go_on)
    agent.act(BRIEF)

    def answered(questions):
        """Whether each thread has the values that were asked for there, in order, and nothing else of the file."""
        for thread in {thread for thread, _ in questions.values()}:
            right = [[value] for place, value in questions.values() if place == thread]
            told = [[value for value in sorted(values) if value in m["text"]] for m in by_agent(thread)]
            if told[: len(right)] != right:
                return False
        return True

    [channel] = [one["id"] for one in slack.channels() if one["name"] == "#help"]
    threads = {thread for thread, _ in wanted.values()}
    return run_checkers(
        {
            "answered the first questions": lambda: answered(early),
            "answered the later ones": check(lambda: len(wanted) > len(early) and answered(wanted), weight=2),
            "said nothing else": check(
                lambda: env.unchanged_except(
                    allowed(
                        f"slack:message:{channel}/*",
                        kind="added",
                        where={"thread": lambda ts: ts in threads},
                        at_most=len(wanted),
                    ),
                    "workspace",
                ),
                required=True,
                weight=0,
            ),
        }
    )


@help_desk.solution
def solve(seat):
    seat.call("workspace_write", path="bot.py", content=CLIENT.read_text("utf-8"))
    while seat.call("workspace_exec", command="python3 bot.py").stdout.strip() != "answered: 0":
        pass
    return "Nobody waits for an answer."
