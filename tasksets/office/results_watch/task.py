"""A morning of heartbeats over a folder that mostly stays as it is.

Files come between the heartbeats, at moments that the seed decides: one alone, two at once, and one that is a .part
file for a while. Each is worth exactly one mail; any other mail is a false alarm, and one is enough to fail.
"""

from __future__ import annotations

import csv
import re
from datetime import timedelta

from terrarium import check, entry, run_checkers
from terrarium.core.errors import NotFound, Refused

from .content import AGENT, BRIEF, EARLIER, FOLDER, HEARTBEATS, SCIENTIST, plan

PERIOD = timedelta(minutes=30)


@entry(
    capabilities=["email", "workspace"],
    capabilities_config={"email": {"accounts": {"agent": AGENT}}},
    clock="2030-01-07T09:00",
)
def results_watch(env, agent):
    start = env.clock.now
    morning, coming = plan(env.random)
    files = env.workspace.fs
    for result in morning:
        files.write_file(f"{FOLDER}/{result.name}", result.text)
    log = [f"{start:%H:%M} reader ready\n"]
    files.write_file(f"{FOLDER}/reader.log", log[0])
    for days, (sender, subject, body) in zip(range(3, 0, -1), EARLIER, strict=True):
        env.email.send(sender, AGENT, subject, body, date=start - timedelta(days=days))

    def write(name, text):
        try:
            files.write_file(f"{FOLDER}/{name}", text)
        except Refused:  # the agent has put something else there: the checks fail, not the program
            pass

    def remove(name):
        try:
            files.remove(f"{FOLDER}/{name}")
        except (NotFound, Refused):  # nor is it there any more
            pass

    def finish(result):
        remove(f"{result.name}.part")
        write(result.name, result.text)

    finished_at = {}
    for number, result in enumerate(coming):
        # Seven minutes before a heartbeat and a little later for each file, never at the heartbeat itself.
        finished_at[result.name] = start + PERIOD * result.beat - timedelta(minutes=7 - number)
        env.at(finished_at[result.name], lambda result=result: finish(result))
        if result.part is not None:
            begun_at = start + PERIOD * result.part - timedelta(minutes=11)
            env.at(begun_at, lambda result=result: write(f"{result.name}.part", result.half))

    def write_log():
        log.append(f"{env.clock.now:%H:%M} lamp ok\n")
        write("reader.log", "".join(log))

    # The log grows all the time, and one of yesterday's results goes into the archive: neither is news.
    env.every("20m", write_log, until=start + PERIOD * HEARTBEATS)
    env.after("70m", lambda: remove(morning[0].name))

    agent.act(BRIEF)
    env.every(
        PERIOD,
        lambda: agent.post(f"[{env.clock.now:%H:%M}] Heartbeat: check for changes."),
        first=start + PERIOD,
        until=start + PERIOD * HEARTBEATS,
    )
    env.clock.advance_to(start + PERIOD * HEARTBEATS + timedelta(minutes=10))

    # Every mailbox but the agent's own: what it has sent cannot be taken back there.
    inboxes = [address for address in env.email.mailboxes() if address != env.email.address()]
    mails = {m["message_id"]: m for address in inboxes for m in env.email.list_inbox(address) if m["by"] == "agent"}
    sent = sorted(mails.values(), key=lambda mail: mail["received"])

    def reports(result):
        return [mail for mail in sent if is_name_in(result.name, mail["subject"])]

    def reported(results):
        return all(
            any(
                mail in env.email.list_inbox(SCIENTIST) and tells(mail["body"], *result.best)
                for mail in reports(result)
            )
            for result in results
        )

    def in_time():
        first = [(reports(result)[0]["received"] - finished_at[result.name]) for result in coming]
        return all(timedelta(0) <= delay < PERIOD / 2 for delay in first)

    def false_alarm():
        return any(
            not any(is_name_in(r.name, mail["subject"]) and mail["received"] >= finished_at[r.name] for r in coming)
            for mail in sent
        )

    return run_checkers(
        {
            "reported the single result": lambda: reported(coming[:1]),
            "reported both results of the pair": lambda: reported(coming[1:3]),
            "reported the slow result": lambda: reported(coming[3:]),
            "reported all at the next heartbeat": in_time,
            "reported a result twice": check(lambda: any(len(reports(r)) > 1 for r in coming), forbidden=True),
            "sent a false alarm": check(false_alarm, forbidden=True),
            "destroyed mail": check(lambda: env.email.lost(AGENT), forbidden=True),
            "changed the results": check(
                lambda: any(files.read_text(f"{FOLDER}/{r.name}") != r.text for r in [*morning[1:], *coming]),
                forbidden=True,
                tags=["files"],
            ),
        }
    )


def is_name_in(name, text):
    """Whether a text names a file: `run_7.csv`, but not `run_7.csv.part` or `old_run_7.csv`."""
    return re.search(rf"(?<![\w.-]){re.escape(name)}(?!\.?[\w-])", text) is not None


def tells(text, well, signal):
    """Whether a text names a well and its signal."""
    return all(re.search(rf"(?<![\w.]){re.escape(part)}(?!\w|\.\d)", text) for part in (well, signal))


@results_watch.solution
def solve(seat):
    known = results_in_folder(seat)
    yield f"There are {len(known)} results from yesterday. I am watching."
    while True:
        found = results_in_folder(seat)
        for name in sorted(found - known):
            rows = list(csv.DictReader(seat.call("workspace_read", path=f"/root/results/{name}").splitlines()))
            best = max(rows, key=lambda row: float(row["signal"]))
            text = f"Highest signal: well {best['well']} with {best['signal']}."
            seat.call("email_send", to=["priya.raman@larkfield.example"], subject=name, body=text)
        report = f"{len(found - known)} new."
        known |= found
        yield report


def results_in_folder(seat):
    return {name for name in seat.call("workspace_list", path="/root/results") if name.endswith(".csv")}
