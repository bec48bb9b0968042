"""What `env.unchanged_except` passes over, in capabilities whose writes bring others with them."""

from __future__ import annotations

import pytest

from terrarium.capability.mysql.mysql import Mysql
from terrarium.capability.postgres.postgres import Postgres
from terrarium.core.diff import RowChange
from terrarium.run.config import AgentConfig, TaskConfig
from terrarium.run.trial import Trial, TrialConfig

TASK = """
from terrarium import allowed, entry, run_checkers

FOLLOWS = {
    "slack": {"thread", "channel"},
    "notion": {"page", "block"},
    "contacts": {"book", "gone"},
    "google_sheets": {"file"},
}


@entry(
    capabilities=["slack", "notion", "contacts", "google_sheets"],
    people={"ann": "Ann Lee <ann@corp.example>", "bob": {"name": "Bob Ray", "agent": "agent"}},
)
def busy(env, agent):
    env.slack.create_channel("team", ["ann", "bob"])
    env.slack.post("ann", "team", "Lunch?")
    page = env.notion.create_page("Plan", children=[])
    env.contacts.add_contact("Ann Lee", emails=["ann@old.example"])
    book = env.google_sheets.create_spreadsheet("Stock")["id"]
    env.google_sheets.write_range(book, "Sheet1!A1", [["fern", 2]])
    agent.act("Be busy.")
    said = allowed("slack:message", kind="added", times=2)
    sheet = allowed("google_sheets:cells", times=1)
    written = [allowed("notion:page", kind="added", times=1), allowed("notion:block", kind="added", times=1)]
    card = allowed("contacts:card", kind="removed", times=1)
    right = [said, sheet, *written, card]
    shown = {(c.capability, c.table) for c in env.diff().changes}
    checks = {"what was done": lambda: env.unchanged_except(*right)}
    for place, one in enumerate(right):
        others = right[:place] + right[place + 1 :]
        checks[f"without {place}"] = lambda others=others: not unchanged(env, others)
    for name, tables in FOLLOWS.items():
        checks[name] = lambda name=name, tables=tables: all((name, table) in shown for table in tables)
    return run_checkers(checks)


def unchanged(env, others):
    try:
        return env.unchanged_except(*others)
    except AssertionError:
        return False


@busy.solution
def solve(seat):
    question = seat.call("slack_search", query="Lunch")["messages"][0]
    seat.call("slack_reply", channel="#team", ts=question["ts"], text="Yes")
    seat.call("slack_dm", people=["ann"], text="Just us?")
    plan = seat.call("notion_search", query="plan")["results"][0]
    seat.call("notion_create_page", title="Details", parent=plan["id"], content="At noon.")
    [ann] = seat.call("contacts_search", query="Ann")
    seat.call("contacts_delete", uid=ann["uid"])
    [book] = seat.call("google_sheets_list")["spreadsheets"]
    seat.call("google_sheets_write_range", spreadsheet=book["id"], range="B1", values=[[3]])
"""


def test_what_only_follows_is_shown_and_does_not_count(tmp_path):
    (tmp_path / "busy.py").write_text(TASK)
    config = TrialConfig(
        TaskConfig(path=str(tmp_path / "busy.py")), AgentConfig(name="oracle"), 0, trial_dir=str(tmp_path / "run")
    )
    result = Trial(config).run_sync()
    assert result.error is None, result.error
    assert [f"{check.name}: {check.exception}" for check in result.verdict.checks if not check.passed] == []


@pytest.mark.parametrize(
    ("before", "after", "counts"),
    [
        ({"last_value": 3, "is_called": True}, {"last_value": 5, "is_called": True}, False),
        ({"last_value": 1, "is_called": False}, {"last_value": 1, "is_called": True}, False),
        ({"last_value": 5, "is_called": True}, {"last_value": 3, "is_called": True}, True),
        ({"last_value": 3}, {"last_value": 5}, True),
        (None, {"last_value": 5, "is_called": True}, True),
        ({"last_value": 3, "is_called": "x", "name": "a"}, {"last_value": 5, "is_called": "x", "name": "a"}, True),
    ],
)
def test_a_sequence_goes_on_by_itself_but_not_back(before, after, counts):
    change = RowChange("postgres", "main.public.orders_id_seq", "", before, after)
    assert Postgres().deeds([change]) == ([change] if counts else [])


@pytest.mark.parametrize(
    ("table", "before", "after", "counts"),
    [
        ("table", {"definition": "a", "auto_increment": 3}, {"definition": "a", "auto_increment": 5}, False),
        ("table", {"definition": "a", "auto_increment": 5}, {"definition": "a", "auto_increment": 3}, True),
        ("table", {"definition": "a", "auto_increment": 3}, {"definition": "b", "auto_increment": 5}, True),
        ("table", None, {"definition": "a", "auto_increment": 3}, True),
        ("main.numbers", {"next": 3, "cycle_count": 0}, {"next": 1003, "cycle_count": 0}, False),
        ("main.numbers", {"next": 3, "cycle_count": 0}, {"next": 1, "cycle_count": 0}, True),
        ("main.numbers", {"next": 3}, {"next": 5}, True),
    ],
)
def test_the_numbers_of_mysql_go_on_by_themselves_but_not_back(table, before, after, counts):
    change = RowChange("mysql", table, "", before, after)
    assert Mysql().deeds([change]) == ([change] if counts else [])
