"""The bugs of Larkfield's instruments."""

from __future__ import annotations

from random import Random

COLUMNS = {
    "Name": {"title": {}},
    "Severity": {"number": {}},
    "Stage": {"select": {"options": [{"name": name} for name in ("Open", "Escalated", "Fixed")]}},
    "Due": {"date": {}},
}
PARTS = ("lamp", "grating", "detector", "pump", "display", "door switch", "fan", "USB port", "manual", "power supply")
FAULTS = ("flickers", "reports a wrong value", "stops after an hour", "makes a noise", "is not found", "leaks")

BRIEF = """\
Larkfield's bugs are in the Notion database "Bugs". Your integration's token is in NOTION_TOKEN, and Python in your \
sandbox has notion-client.

Escalate every bug whose Stage is Open and whose Severity is 8 or more: set its Stage to Escalated and its Due to \
{due:%Y-%m-%d}. Leave everything else as it is. Colleagues use the board, too, and what they do meanwhile counts: \
you are done when there is no such bug left. Then say how many bugs are escalated in all, as one number."""


def bug(name: str, severity: int, stage: str) -> dict[str, object]:
    """The properties of a page, in Notion's form."""
    title = {"title": [{"text": {"content": name}}]}
    return {"Name": title, "Severity": {"number": severity}, "Stage": {"select": {"name": stage}}}


def bugs(random: Random) -> list[tuple[str, int, str]]:
    """Name, severity and stage: grave and harmless ones, of every stage."""
    names = [f"The {part} {fault}" for part in PARTS for fault in FAULTS]
    told = [("Open", 8, 10)] * 4 + [("Open", 2, 7)] * 5 + [("Fixed", 8, 10)] * 3 + [("Escalated", 8, 10)]
    random.shuffle(told)
    picked = random.sample(names, len(told))
    return [(name, random.randint(low, high), stage) for name, (stage, low, high) in zip(picked, told, strict=True)]
