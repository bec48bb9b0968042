"""A guide that is read until it is detailed enough; what happens then follows from what the agent wrote.

A loop: after every turn a beginner reads the guide and asks for what she does not find in it. Then a branch: she tries
the topic that the guide told her to begin with, runs into an error, and the right part depends on that topic. A guide
that leaves the choice out gets another question in its place.
"""

from __future__ import annotations

import csv
import re

from terrarium import check, entry, run_checkers
from terrarium.core.errors import NotFound, Refused

from .content import (
    AGENT,
    BRIEF,
    CODES,
    GUIDE,
    MISSING,
    NO_START,
    NOOR,
    NOTES,
    TOPICS,
    TRIED,
    as_csv,
    codes,
    facts,
    notes,
    sections,
    start_with,
)

ROUNDS = 4


@entry(
    capabilities=["email", "workspace"],
    capabilities_config={"email": {"accounts": {"agent": AGENT}}},
    clock="2030-01-07T09:00",
)
def study_guide(env, agent):
    known, parts = facts(env.random), codes(env.random)
    code = env.random.choice(parts)["code"]
    files = {
        f"{NOTES}/{topic.lower()}.txt": notes(env.random, [f for f in known if f.topic == topic]) for topic in TOPICS
    }
    files[CODES] = as_csv(parts)
    for path, text in files.items():
        env.workspace.fs.write_file(path, text)

    def guide():
        try:
            return env.workspace.fs.read_text(GUIDE)
        except (NotFound, Refused):  # the agent has put something else there: the checks fail, not the program
            return ""

    def missing():
        found = sections(guide())
        return [fact for fact in known if not fact.stands_in(found.get(fact.topic, ""))]

    def ask(text):
        env.clock.advance("20m")
        env.email.send(NOOR, AGENT, "Your guide", text)
        agent.act("Noor has read the guide and has written to you.")

    agent.act(BRIEF)
    for _ in range(ROUNDS):
        if not missing():
            break
        lacking = [(topic, [f.what for f in missing() if f.topic == topic]) for topic in TOPICS]
        questions = "\n".join(f"- {topic}: I do not find the {', the '.join(what)}." for topic, what in lacking if what)
        ask(MISSING.format(questions=questions))

    detailed = not missing()
    if detailed and start_with(guide()) is None:
        ask(NO_START)
    topic = start_with(guide()) if detailed else None
    if topic is not None:
        fact = next(fact for fact in known if fact.topic == topic)
        ask(TRIED.format(topic=topic.lower(), what=fact.what, value=f"{fact.value} {fact.unit}", code=code))

    def told():
        """Every part that the agent has named to Noor."""
        mails = [mail for mail in env.email.list_inbox(NOOR) if mail["by"] == "agent"]
        return {part for mail in mails for part in re.findall(r"P-\d{5}", mail["subject"] + mail["body"])}

    def right():
        return next(row["part"] for row in parts if (row["topic"], row["code"]) == (topic, code))

    return run_checkers(
        {
            "the guide has every figure": check(lambda: not missing(), required=True, weight=3, tags=["guide"]),
            "the guide says where to begin": check(lambda: topic is not None, tags=["guide"]),
            "Noor was told the part": check(lambda: right() in told(), weight=2, tags=["branch"]),
            "Noor was told other parts": check(lambda: told() - {right()}, forbidden=True, tags=["branch"]),
            "a figure is out of date": check(
                lambda: any(f.stands_in(sections(guide()).get(f.topic, ""), f.before) for f in known),
                forbidden=True,
                tags=["guide"],
            ),
            "wrote to somebody else": check(
                lambda: any(
                    mail["by"] == "agent"
                    for address in env.email.mailboxes()
                    if address not in (env.email.address(), NOOR.rpartition("<")[2].rstrip(">"))
                    for mail in env.email.list_inbox(address)
                ),
                forbidden=True,
            ),
            "destroyed mail": check(lambda: env.email.lost(AGENT), forbidden=True),
            "changed the notes": check(
                lambda: any(env.workspace.fs.read_text(path) != text for path, text in files.items()),
                forbidden=True,
                tags=["files"],
            ),
        }
    )


@study_guide.solution
def solve(seat):
    figures = {}
    for topic in TOPICS:
        text = seat.call("workspace_read", path=f"notes/{topic.lower()}.txt")
        for _, what, figure in re.findall(r"(?m)^(\S+) \w+: (.+?): (.+)$", text):
            figures[topic, what] = figure
    first = min(TOPICS, key=lambda topic: len(figures[topic, TOPICS[topic][0][0]]))
    # A short draft: the first two figures of each topic. What is asked for is added.
    chosen = {(topic, told[0]) for topic, facts in TOPICS.items() for told in facts[:2]}
    while True:
        lines = []
        for topic in TOPICS:
            lines += [
                f"## {topic}",
                *(f"- {w}: {figure}" for (t, w), figure in figures.items() if (t, w) in chosen and t == topic),
            ]
        seat.call("workspace_write", path="guide.md", content="\n".join([*lines, f"Start with: {first}", ""]))
        yield "The guide is written."
        mail = seat.call("email_list", unread_only=True)["mails"][0]
        body = seat.call("email_read", id=mail["id"])["body"]
        shown = re.search(r"shows (E\d+)", body)
        if shown:
            break
        chosen |= {(topic, what) for topic, what in figures if what in body}
    rows = csv.DictReader(seat.call("workspace_read", path="notes/codes.csv").splitlines())
    part = next(row["part"] for row in rows if (row["topic"], row["code"]) == (first, shown[1]))
    seat.call("email_reply", id=mail["id"], body=f"Hi Noor,\n\nplease order {part}.\n\nJonas")
    return f"She needs {part}."
