"""A Notion database, by notion-client: filters, pages that change, an API that is busy, colleagues at work."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from terrarium import allowed, check, entry, run_checkers
from terrarium.task import matching

from .content import BRIEF, COLUMNS, bug, bugs

CLIENT = Path(__file__).with_name("client.py")


@entry(
    capabilities=["notion", "workspace"],
    capabilities_config={"workspace": {"network": "sandbox", "packages": ["notion-client"]}},
)
def bug_board(env, agent):
    notion, told = env.notion, bugs(env.random)
    due = (env.clock.now + timedelta(days=env.random.randint(1, 20))).date()
    board = notion.create_database("Bugs", COLUMNS, parent_id=notion.create_page("Quality")["id"])["id"]
    pages = {name: notion.add_database_record(board, bug(name, grade, stage))["id"] for name, grade, stage in told}
    grave = [name for name, grade, stage in told if stage == "Open" and grade >= 8]
    worse = env.random.choice([name for name, grade, stage in told if stage == "Open" and grade < 8])
    before = [name for name, _, stage in told if stage == "Escalated"]

    def stage_of(name):
        return notion.get_page(pages[name])["properties"]["Stage"]["select"]["name"]

    def meanwhile():
        notion.update_page(pages[worse], properties={"Severity": {"number": 9}})
        reported = f"{worse}, and smells"
        pages[reported] = notion.add_database_record(board, bug(reported, 10, "Open"))["id"]
        grave.extend([worse, reported])

    notion.fail_requests("agent", requests=2, retry_after=1)
    env.when(lambda: any(stage_of(name) == "Escalated" for name in grave), meanwhile)
    reply = agent.act(BRIEF.format(due=due))

    severities = {(name, 9 if name == worse and len(grave) > 4 else grade) for name, grade, _ in told}
    severities |= {(name, 10) for name in grave[5:]}

    def escalated():
        found = notion.query_database(board, {"property": "Stage", "select": {"equals": "Escalated"}})
        return {page["id"]: page["properties"]["Due"]["date"] for page in found}

    def is_done(names):
        found = escalated()
        return all((found[pages[name]] or {}).get("start") == due.isoformat() for name in names)

    return run_checkers(
        {
            "escalated the grave ones": check(lambda: is_done(grave[:4]), weight=2),
            "escalated what came later": lambda: len(grave) > 4 and is_done(grave[4:]),
            "says how many there are": check(
                lambda: len(grave) > 4 and matching.number(reply.text, len(grave) + len(before))
            ),
            "changed nothing else": check(
                lambda: env.unchanged_except(
                    *(
                        allowed(f"notion:page:{pages[name]}", fields=["properties", "edited", "edited_by"])
                        for name in grave
                    ),
                    "workspace",
                ),
                required=True,
                weight=0,
            ),
            "names and severities are as they were": check(
                lambda: (
                    {
                        (page["properties"]["Name"]["title"][0]["plain_text"], page["properties"]["Severity"]["number"])
                        for page in notion.query_database(board)
                    }
                    == severities
                ),
                required=True,
                weight=0,
            ),
            "escalated others": check(
                lambda: set(escalated()) - {pages[name] for name in [*grave, *before]}, forbidden=True
            ),
        }
    )


@bug_board.solution
def solve(seat):
    seat.call("workspace_write", path="escalate.py", content=CLIENT.read_text("utf-8"))
    day = seat.instruction.partition("its Due to ")[2][:10]
    while True:
        said = seat.call("workspace_exec", command=f"python3 escalate.py {day}").stdout.split()
        if said[0] == "0":
            return f"There are {said[1]} now."
