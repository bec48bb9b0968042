"""An agent that plays a reference solution with some of its calls altered: mutants of a right agent."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

from office_alterations import any_task

from terrarium.agent.scripted import ScriptedAgent
from terrarium.task.taskset import find

WRITES = (
    *("email_send", "email_reply", "email_forward", "email_mark", "email_move", "email_delete", "workspace_write"),
    *("calendar_create", "calendar_update", "calendar_delete", "calendar_respond"),
)


class AlteredSeat:
    """A seat whose calls pass through an alteration."""

    def __init__(self, seat: Any, alter: Callable[[AlteredSeat, str, dict[str, Any]], Any]) -> None:
        self._seat = seat
        self._alter = alter
        self.notes: dict[str, Any] = {}
        self.counts: dict[str, int] = {}

    @property
    def instruction(self) -> str:
        return str(self._seat.instruction)

    def notices(self) -> list[str]:
        return list(self._seat.notices())

    def do(self, tool: str, /, **args: Any) -> Any:
        return self._seat.call(tool, **args)

    def call(self, tool: str, /, **args: Any) -> Any:
        self.counts[tool] = self.counts.get(tool, 0) + 1
        return self._alter(self, tool, args)


class Altered(ScriptedAgent):
    """The solution of the task at `task`, altered by a function of `office_alterations` or without its write `drop`."""

    def __init__(self, task: str, alter: str = "", drop: int = -1) -> None:
        solve = find(Path(task)).tasks[0].entry.solutions["agent"]
        own_ones = importlib.import_module(f"office_alterations.{Path(task).name}")
        ones = own_ones if hasattr(own_ones, alter) else any_task
        altered = getattr(ones, alter) if alter else _without(drop)
        reply = getattr(ones, f"{alter}_reply", lambda seat, text: text)

        def script(seat: Any) -> Generator[str, str, str]:
            own = AlteredSeat(seat, altered)
            try:
                made = solve(own)
                if not isinstance(made, Generator):
                    return str(reply(own, made))
                said = next(made)
                while True:
                    said = made.send((yield reply(own, said)))
            except StopIteration as end:
                return str(reply(own, end.value))
            except any_task.Enough:
                return "I stop here."

        super().__init__(script)


def _without(drop: int) -> Callable[..., Any]:
    def alter(seat, tool, args):
        if tool in WRITES:
            seat.notes["writes"] = seat.notes.get("writes", -1) + 1
            if seat.notes["writes"] == drop:
                if tool == "calendar_create":
                    raise any_task.Enough  # what follows needs its uid
                return None
        return seat.do(tool, **args)

    return alter
