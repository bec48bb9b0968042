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
                    if tool.endswith("_reply"):
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
    return "\n".join(found)[:LONGEST]


def _answer_all(seat: Any, name: str, text: str, answered: set[str]) -> None:
    for mail in seat.call(f"{name}_list", limit=20)["mails"]:
        if f"{name} {mail['id']}" not in answered:
            answered.add(f"{name} {mail['id']}")
            seat.result(f"{name}_reply", id=mail["id"], body=text)
