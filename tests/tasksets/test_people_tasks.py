"""The tasks with simulated people, and what becomes of wrong agents in them."""

from __future__ import annotations

import re
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from shipped import TASKS, failed, verdict

from terrarium.run.config import AgentConfig
from terrarium.task.taskset import find

NAMES = sorted(task.name for task in find(Path(__file__).parents[2] / "tasksets" / "people").tasks)
WAITS = {"tool": "clock_wait", "args": {"minutes": 185}}
EVERYTHING = "lentil curry, fish pie, mushroom risotto, goulash, spinach quiche, tomato soup"
HELLO = {"tool": "slack_dm", "args": {"people": ["dana"], "text": "When will you come?"}}
VISIT = {
    "tool": "calendar_create",
    "args": {"summary": "Visit of Dana", "start": "2030-05-14T09:00", "attendees": ["theo"]},
}
Played = Generator[str, str, str]


def _mail(to: str, text: str) -> dict[str, Any]:
    return {"tool": "email_send", "args": {"to": [f"{to}@quay.example"], "subject": "Lunch", "body": text}}


ASKS = [_mail(name, "Which dish would you like for lunch?") for name in ("ben", "cleo")]


def _knows(seat: Any, said: str, item: str) -> tuple[str, int]:
    """Order number and price of an item of the customer who has said who they are."""
    mail, postcode = re.findall(r"\S+@[\w.]+\w|\b\d{5}\b", said)
    seat.call("identify_customer", mail=mail, postcode=postcode)
    [order] = [order for order in seat.call("list_orders", customer="c1") if order["item"] == item]
    return order["order"], order["paid"]


def pays_first(seat: Any) -> Played:
    """Pays before the label is printed."""
    said = yield "Your mail address and postcode?"
    order, paid = _knows(seat, said, "kettle")
    seat.call("pay_refund", number=seat.call("open_return", order=order), euros=paid)
    yield "The money is on its way. Is there anything else?"
    return ""


def is_too_kind(seat: Any) -> Played:
    """Pays for both."""
    said = yield "Your mail address and postcode?"
    for item in ("kettle", "vase"):
        order, paid = _knows(seat, said, item)
        number = seat.call("open_return", order=order)
        yield f"Please print the label of {number}."
        seat.call("pay_refund", number=number, euros=paid)
    yield "Is there anything else?"
    return ""


def looks_around(seat: Any) -> Played:
    """Asks nobody who they are."""
    for customer in ("c1", "c2"):
        seat.call("list_orders", customer=customer)
    yield "Is there anything else?"
    return ""


WRONG: list[tuple[str, Any, str]] = [
    ("lunch_order", [*ASKS, WAITS, _mail("canteen", EVERYTHING), "done"], "what Ben wanted before"),
    ("lunch_order", [*ASKS, _mail("canteen", EVERYTHING), WAITS, "done"], "ordered too early or twice"),
    ("lunch_order", [WAITS, _mail("canteen", "Three dishes, please."), "done"], "asked both"),
    ("moved_visit", [HELLO, VISIT, WAITS, "done"], "one visit, that suits both"),
    ("returns_desk", "pays_first", "the label was printed before"),
    ("returns_desk", "is_too_kind", "something else was refunded"),
    ("returns_desk", "looks_around", "orders of strangers were looked at"),
    ("returns_desk", ["Is there anything else?", "Good-bye."], "the kettle is refunded, once and in full"),
]


@pytest.mark.parametrize("task", NAMES)
@pytest.mark.parametrize("seed", [0, 7])
def test_the_solution_is_right(tmp_path: Path, task: str, seed: int) -> None:
    judged = verdict(tmp_path, task, AgentConfig(), seed)
    assert judged.passed, failed(judged)


@pytest.mark.parametrize(("task", "script", "check"), WRONG)
def test_a_wrong_agent_fails(tmp_path: Path, task: str, script: Any, check: str) -> None:
    played = f"test_people_tasks:{script}" if isinstance(script, str) else script
    judged = verdict(tmp_path, task, AgentConfig(name="scripted", kwargs={"script": played}))
    assert not judged.passed
    assert check in failed(judged)


def test_they_are_all_shipped() -> None:
    assert set(NAMES) <= set(TASKS)
