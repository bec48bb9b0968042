"""Alterations that fit every task."""

from __future__ import annotations

from typing import Any

from terrarium.run.waiting_tool import WAIT

# What a reading tool is asked, by the end of its name; the longest end that fits counts.
ASKED: dict[str, dict[str, Any]] = {
    "_list": {},
    "_search": {"query": "the"},
    "_folders": {},
    "_attachment": {"id": "INBOX/1", "filename": "scan.pdf"},
    "workspace_list": {"path": "/root"},
    "workspace_read": {"path": "/etc/hostname"},
    "_calendars": {},
    "_events": {"start": "2030-01-01", "end": "2030-06-01"},
    "_free_busy": {"people": [], "start": "2030-01-08", "end": "2030-01-09"},
    "_get": {"calendar": "default", "uid": "1"},
    "_reminders": {},
    "contacts_get": {"uid": "1"},
    "sheets_find": {"spreadsheet": "1", "query": "Total"},
    "sheets_read_range": {"spreadsheet": "1", "range": "A1:Z99"},
    "sheets_worksheets": {"spreadsheet": "1"},
    "notion_get_page": {"page": "00000000-0000-0000-0000-000000000000"},
    "notion_list_comments": {"page": "00000000-0000-0000-0000-000000000000"},
    "notion_list_users": {},
    "notion_query_database": {"database": "00000000-0000-0000-0000-000000000000"},
    "notion_search": {},
    "object_store_read": {"bucket": "incoming", "key": "1"},
    "postgres_query": {"sql": "SELECT * FROM pg_tables"},
    "postgres_schema": {},
    "slack_channels": {},
    "slack_file": {"id": "F1"},
    "slack_users": {},
}


class Enough(Exception):
    """Raised by an alteration: the agent stops here for good."""


def looks_only_once(seat, tool, args):
    """Stops after the first command that runs something."""
    if tool in ("workspace_exec", "workspace_shell") and seat.counts[tool] > 1:
        raise Enough
    return seat.do(tool, **args)


def looks_around(seat, tool, args):
    """Uses every tool that only reads before every fifth call; a refusal is an answer, too."""
    if sum(seat.counts.values()) % 5 != 1:
        return seat.do(tool, **args)
    for name in seat.reading:
        if name != WAIT:
            fitting = max((end for end in ASKED if name.endswith(end)), key=len)
            seat.result(name, **ASKED[fitting])
    seat.do("workspace_exec", command="ls -la /root")
    for mail in seat.do("email_list", limit=3)["mails"] if "email_list" in seat.reading else ():
        if not mail["unread"]:
            seat.do("email_read", id=mail["id"])
    return seat.do(tool, **args)
