"""What only follows from a change is no change of its own: in sheets, boards and chats, in whole trials."""

from __future__ import annotations

TASK = """
    from terrarium import allowed

    @entry(["google_sheets", "notion", "slack"], people={"ann": "ann@corp.example", "bob": {"agent": "agent"}})
    def fn(env, agent):
        sheets, notion, slack = env.google_sheets, env.notion, env.slack
        book = sheets.create_spreadsheet("Book")["id"]
        sheets.write_range(book, "Sheet1!A1", [["a", 1]])
        board = notion.create_database("Board", {"Name": {"title": {}}, "Done": {"checkbox": {}}})
        page = notion.add_database_record(board["id"], {"Name": {"title": [{"text": {"content": "Paint"}}]}})["id"]
        slack.create_channel("help")
        asked = slack.post("ann", "help", "Is it done?")
        slack.limit_rate(times=1, seconds=1)
        notion.fail_requests("agent", requests=3)
        agent.act(f"{page} {asked}")
        cells = f"google_sheets:cells:{book}/*"
        said = allowed("slack:message", kind="added", times=1)
        marked = allowed(f"notion:page:{page}", fields=["properties"], times=1)
        for name in sorted({f"{change.capability}:{change.table}" for change in env.diff().changes}):
            env.reward(name, 0)
        return run_checkers({
            "only that": lambda: env.unchanged_except(cells, said, marked),
            "the cells count": lambda: env.unchanged_except("google_sheets:file", said, marked),
            "the message counts": lambda: env.unchanged_except(cells, "slack:thread", marked),
            "the page counts": lambda: env.unchanged_except(cells, said),
        })

    @fn.solution
    def solve(seat):
        page, asked = seat.instruction.split()
        [book] = seat.call("google_sheets_list")["spreadsheets"]
        seat.call("google_sheets_write_range", spreadsheet=book["id"], range="Sheet1!B1", values=[[2]])
        seat.call("notion_update_page", page=page, properties={"Done": True})
        seat.call("slack_reply", channel="#help", ts=asked, text="Yes")
"""


def test_stamps_and_places_do_not_count_and_what_was_done_does(play):
    played = play(TASK, "oracle")
    verdict = {check.name: (check.passed, check.exception) for check in played.result.verdict.checks}
    assert verdict["only that"] == (True, None)
    assert {"google_sheets:cells", "google_sheets:file", "notion:page", "slack:message", "slack:thread"} <= {
        *played.said
    }
    for name, told in [("the cells count", "cells"), ("the message counts", "message"), ("the page counts", "page")]:
        assert told in str(verdict[name][1]), name
