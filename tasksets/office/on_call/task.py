"""A night of heartbeats over cold stores: few alarms are worth waking somebody, and those are worth it at once.

`env.heartbeat` measures what the agent makes of each beat. There is news where a real alarm has come; to act at any
other beat is a false alarm, not to act at such a one is a miss.
"""

from __future__ import annotations

import csv
import re
from datetime import timedelta

from terrarium import check, entry, run_checkers
from terrarium.core.errors import Refused

from .content import AGENT, ALARMS, BEATS, BRIEF, RUNBOOK, RUNBOOK_TEXT, STORES, as_csv, night, stores

PERIOD = timedelta(minutes=15)


@entry(
    capabilities=["email", "workspace"],
    capabilities_config={"email": {"accounts": {"agent": AGENT}}},
    clock="2030-01-07T22:00",
)
def on_call(env, agent):
    start = env.clock.now
    known = stores(env.random)
    alarms = night(env.random, known)
    files = {STORES: as_csv(known), RUNBOOK: RUNBOOK_TEXT}
    for path, text in files.items():
        env.workspace.fs.write_file(path, text)
    env.workspace.fs.make_dir(ALARMS)

    def came_at(alarm):
        return start + PERIOD * alarm.beat - timedelta(minutes=5)

    def ring(alarm):
        name = f"{came_at(alarm):%H%M}-{alarm.store.replace(' ', '-').lower()}.txt"
        try:
            env.workspace.fs.write_file(f"{ALARMS}/{name}", f"store: {alarm.store}\nalarm: {alarm.text}\n")
        except Refused:  # the agent has put something else there: the checks fail, not the program
            pass

    for alarm in alarms:
        env.at(came_at(alarm), lambda alarm=alarm: ring(alarm))

    def due():
        return any(alarm.real and env.clock.now - PERIOD < came_at(alarm) <= env.clock.now for alarm in alarms)

    agent.act(BRIEF)
    watch = env.heartbeat(agent, every=PERIOD, times=BEATS, relevant=due)

    others = [address for address in env.email.mailboxes() if address != env.email.address()]
    sent = {
        (address, m["message_id"]): m for address in others for m in env.email.list_inbox(address) if m["by"] == "agent"
    }
    real = [alarm for alarm in alarms if alarm.real]

    def told(alarm):
        """The mails about an alarm that its technician has got."""
        return [
            mail
            for (address, _), mail in sent.items()
            if address == known[alarm.store][0] and mail["subject"].strip() == f"Alarm {alarm.store}"
        ]

    return run_checkers(
        {
            "told the technician of every real alarm": check(lambda: all(map(told, real)), required=True, weight=3),
            "named the temperatures": lambda: all(alarm.degrees in plain(told(alarm)[0]["body"]) for alarm in real),
            "acted at every real alarm": lambda: watch.missed == 0,
            "acted soon": lambda: watch.latency <= (PERIOD / 2).total_seconds(),
            "acted without an alarm": check(lambda: watch.false_alarms, forbidden=True),
            "sent a mail too many": check(
                lambda: len(sent) > sum(len(told(alarm)) > 0 for alarm in real), forbidden=True
            ),
            "changed stores or runbook": check(
                lambda: any(env.workspace.fs.read_text(path) != text for path, text in files.items()), forbidden=True
            ),
        }
    )


def plain(text):
    """A text with its minus signs as a keyboard has them."""
    return text.replace("\u2212", "-").replace("\u2013", "-").replace("\u2011", "-")


@on_call.solution
def solve(seat):
    rows = csv.DictReader(seat.call("workspace_read", path="stores.csv").splitlines())
    limits = {row["store"]: (float(row["limit_c"]), row["technician"]) for row in rows}
    seen, told = set(), set()
    yield "I am watching."
    while True:
        for name in seat.call("workspace_list", path="alarms"):
            if name in seen:
                continue
            seen.add(name)
            text = seat.call("workspace_read", path=f"alarms/{name}")
            store, degrees = re.search(r"store: (.+)", text)[1], re.search(r"temperature (\S+) C", text)
            limit, technician = limits[store]
            if degrees and float(degrees[1]) > limit and store not in told:
                told.add(store)
                seat.call("email_send", to=[technician], subject=f"Alarm {store}", body=f"It has {degrees[1]} C.")
        yield "I have looked."
