"""An agent that gives every answer: it reads all there is and says all of it, to everybody who may have asked."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from terrarium.agent.scripted import ScriptedAgent

LONGEST = 20_000  # characters of one answer


class Dumping(ScriptedAgent):
    """Says everything it can find at the end of each turn; `loud`: also in an answer to every mail."""

    def __init__(self, loud: bool = False) -> None:
        def script(seat: Any) -> Generator[str, str, None]:
            answered: set[str] = set()
            while True:
                found = _everything(seat)
                for tool in seat.tools if loud else ():
                    if tool == "slack_post":
                        _post_everywhere(seat, found, answered)
                    elif tool == "notion_append_blocks":
                        _append_everywhere(seat, found)
                    elif tool.endswith("_reply") and tool.replace("_reply", "_send") in seat.tools:
                        _answer_all(seat, tool.removesuffix("_reply"), found, answered)
                yield found

        super().__init__(script)


def _everything(seat: Any) -> str:
    found = [seat.instruction]
    for tool in seat.tools:
        if tool.endswith("workspace_exec"):
            found.append(seat.result(tool, command="cat $(find /root -type f)").content)
        elif tool.endswith("_events"):
            found.append(seat.result(tool, start="2030-01-01", end="2031-01-01", limit=200).content)
        elif tool.endswith("_list") and f"{tool[:-5]}_reply" in seat.tools:
            for mail in seat.call(tool, limit=20)["mails"]:
                found.append(seat.result(f"{tool[:-5]}_read", id=mail["id"]).content)
        elif tool == "contacts_list":
            found.append(seat.result(tool, limit=200).content)
        elif tool == "postgres_schema":
            for table in seat.call(tool)["tables"]:
                found.append(seat.result("postgres_query", sql=f"SELECT * FROM {table['name']}").content)
        elif tool == "notion_search":
            for page in seat.call(tool, limit=100)["results"]:
                asked = {"page": page["id"]} if page["kind"] == "page" else {"database": page["id"]}
                way = "notion_get_page" if page["kind"] == "page" else "notion_query_database"
                found.append(seat.result(way, **asked).content)
        elif tool == "google_sheets_list":
            for book in seat.call(tool)["spreadsheets"]:
                for sheet in seat.call("google_sheets_worksheets", spreadsheet=book["id"])["worksheets"]:
                    place = {"spreadsheet": book["id"], "range": sheet["title"]}
                    found.append(seat.result("google_sheets_read_range", **place).content)
        elif tool == "object_store_list":
            for bucket in seat.call(tool):
                for each in seat.call(tool, bucket=bucket["bucket"]):
                    place = {"bucket": bucket["bucket"], "key": each["key"]}
                    found.append(seat.result("object_store_read", **place).content)
        elif tool == "slack_channels":
            for channel in seat.call(tool)["channels"]:
                found.append(seat.result("slack_read", channel=channel["id"]).content)
    return "\n".join(found)[:LONGEST]


def _answer_all(seat: Any, name: str, text: str, answered: set[str]) -> None:
    for mail in seat.call(f"{name}_list", limit=20)["mails"]:
        if f"{name} {mail['id']}" not in answered:
            answered.add(f"{name} {mail['id']}")
            seat.result(f"{name}_reply", id=mail["id"], body=text)


def _post_everywhere(seat: Any, text: str, answered: set[str]) -> None:
    for channel in seat.call("slack_channels")["channels"]:
        seat.result("slack_post", channel=channel["id"], text=text)
        for message in seat.call("slack_read", channel=channel["id"])["messages"]:
            if message["ts"] not in answered:
                answered.add(message["ts"])
                seat.result("slack_reply", channel=channel["id"], ts=message["ts"], text=text)


def _append_everywhere(seat: Any, text: str) -> None:
    for page in seat.call("notion_search", kind="page", limit=100)["results"]:
        seat.result("notion_append_blocks", page=page["id"], content=text)
