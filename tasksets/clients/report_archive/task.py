"""Buckets, by boto3: what has been copied already is corrected at its source, and more comes in."""

from __future__ import annotations

from pathlib import Path

from terrarium import allowed, check, entry, run_checkers

from .content import BRIEF, Report, corrected, finished, reports

CLIENT = Path(__file__).with_name("client.py")


@entry(
    capabilities=["object_store", "workspace"],
    capabilities_config={
        "object_store": {"buckets": {"incoming": {"agent": "read"}, "archive": {"agent": "write"}}},
        "workspace": {"network": "sandbox", "packages": ["boto3"]},
    },
)
def report_archive(env, agent):
    store, random = env.object_store, env.random
    *known, late, old = reports(random, 11)
    late, old = finished(late), Report("cal-1.json", old.site, "2027-03-01", "final", old.offset)
    finals = [report for report in known if report.state == "final"]
    again = random.choice(finals)
    draft = random.choice([report for report in known if report.state != "final"])

    def arrive(report):
        store.put_object("incoming", report.key, report.text, content_type="application/json")

    for report in known:
        arrive(report)
    store.put_object("archive", old.archived, old.text, metadata={"source": old.key})

    def meanwhile():
        for report in (corrected(again), finished(draft), late):
            arrive(report)

    env.when(lambda: any(each["key"] == again.archived for each in store.list_objects("archive")), meanwhile)
    agent.act(BRIEF)

    now = [report for report in finals if report is not again]

    def archived(some):
        return all(
            store.get_object("archive", report.archived).decode() == report.text
            and store.head_object("archive", report.archived)["metadata"] == {"source": report.key}
            for report in some
        )

    right = {report.archived for report in (*finals, finished(draft), late)}
    return run_checkers(
        {
            "archived what was there": check(lambda: archived(now), weight=2),
            "archived what came and what was finished": lambda: archived([finished(draft), late]),
            "archived the correction": lambda: archived([corrected(again)]),
            "changed nothing else": check(
                lambda: env.unchanged_except(
                    *(allowed(f"object_store:object:archive/{key}", kind="added") for key in sorted(right)), "workspace"
                ),
                required=True,
                weight=0,
            ),
        }
    )


@report_archive.solution
def solve(seat):
    seat.call("workspace_write", path="archive.py", content=CLIENT.read_text("utf-8"))
    while seat.call("workspace_exec", command="python3 archive.py").stdout.strip() != "archived: 0":
        pass
    return "The archive is up to date."
