"""An agent that plays a reference solution with some of its calls altered: mutants of a right agent."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Generator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import extra_writes
import mutants
import spellings
from office_alterations import any_task

from terrarium.agent.scripted import ScriptedAgent
from terrarium.task.taskset import find

Alter = Callable[["AlteredSeat", str, dict[str, Any]], Any]
Say = Callable[["AlteredSeat", str], str]


class AlteredSeat:
    """A seat whose calls pass through an alteration.

    Attributes:
        reading: Names of the tools that change nothing.
        turns: How many turns it has ended.
        last: The solution has come to its end.
        astray: The world is not the solution's any more: what it raises from now on is its end.
        made: (tool, result) of every call of the solution.
        written: Paths of the files that it wrote.
    """

    def __init__(self, seat: Any, alter: Alter) -> None:
        self._seat = seat
        self._alter = alter
        self.reading = sorted(Altered.reading.intersection(seat.tools))
        self.notes: dict[str, Any] = {}
        self.counts: dict[str, int] = {}
        self.made: list[tuple[str, Any]] = []
        self.written: list[str] = []
        self.turns = 0
        self.last = False
        self.astray = False

    @property
    def instruction(self) -> str:
        return str(self._seat.instruction)

    def notices(self) -> list[str]:
        return list(self._seat.notices())

    def do(self, tool: str, /, **args: Any) -> Any:
        return self._seat.call(tool, **args)

    def result(self, tool: str, /, **args: Any) -> Any:
        return self._seat.result(tool, **args)

    def call(self, tool: str, /, **args: Any) -> Any:
        self.counts[tool] = self.counts.get(tool, 0) + 1
        if tool.endswith("_write"):
            self.written.append(args["path"])
        made = self._alter(self, tool, args)
        self.made.append((tool, made))
        return made


class Altered(ScriptedAgent):
    """The solution of a task, altered in one way.

    Args:
        task: The path of the task.
        name: Its name, where there are several at that path.
        alter: A function of `office_alterations`.
        extra: [capability, kind] of `extra_writes`, done when the first or, where there are several, the second turn
            ends; later, where there is nothing to do it to yet.
        mutant: [number of the action, operator] of `mutants`.
        spelling: A function of `spellings`, over everything that it writes and says.
        patch: [regular expression, replacement], over every text that its calls give to tools; it has to occur.

    Attributes:
        reading: Names of the tools that change nothing, of every seat so far.
    """

    reading: ClassVar[set[str]] = set()

    def __init__(
        self,
        task: str,
        name: str = "",
        alter: str = "",
        extra: Any = None,
        mutant: Any = None,
        spelling: str = "",
        patch: Any = None,
    ) -> None:
        found = next(one for one in find(Path(task)).tasks if name in ("", one.name))
        change, say = _ways(found.name, alter, extra, mutant) if patch is None else (_patching(*patch), _told)
        spell: Callable[[Any], Any] = getattr(spellings, spelling) if spelling else lambda value: value

        def spelled(seat: AlteredSeat, tool: str, args: dict[str, Any]) -> Any:
            return change(seat, tool, spellings.arguments(args, spell))

        def script(seat: Any) -> Generator[str, str, str]:
            own = AlteredSeat(seat, spelled)
            try:
                made = found.entry.solutions[seat.name](own, **found.params)
                if not isinstance(made, Generator):
                    own.last = True
                    return spell(say(own, str(made or "")))
                said = next(made)
                while True:
                    said = made.send((yield spell(say(own, said))))
            except StopIteration as end:
                own.last = True
                return spell(say(own, str(end.value or "")))
            except any_task.Enough:
                return "I stop here."
            except Exception:
                if own.astray:
                    return "I stop here."
                raise

        super().__init__(script)

    async def open(self, seat: Any) -> None:
        self.reading.update(tool.name for tool in seat.tools if not tool.writes)
        await super().open(seat)


def _ways(task: str, alter: str, extra: Any, mutant: Any) -> tuple[Alter, Say]:
    """What becomes of its calls, and of what it says at the end of a turn."""
    if extra:
        return _as_it_is, _besides(*extra)
    if mutant:
        return mutants.altering(*mutant), mutants.saying(*mutant)
    ones = any_task if hasattr(any_task, alter) else _alterations(task)
    return getattr(ones, alter, _as_it_is), getattr(ones, f"{alter}_reply", lambda seat, text: text)


def _alterations(task: str) -> Any:
    try:
        return importlib.import_module(f"office_alterations.{task}")
    except ModuleNotFoundError:
        return SimpleNamespace()


def _as_it_is(seat: AlteredSeat, tool: str, args: dict[str, Any]) -> Any:
    return seat.do(tool, **args)


def _told(seat: AlteredSeat, text: str) -> str:
    assert seat.notes.get("patched"), "nothing that the solution sends fits the patch"
    return text


def _patching(pattern: str, new: str) -> Alter:
    def alter(seat: AlteredSeat, tool: str, args: dict[str, Any]) -> Any:
        def patched(value: Any) -> Any:
            if isinstance(value, list):
                return [patched(item) for item in value]
            if not isinstance(value, str):
                return value
            text, count = re.subn(pattern, new, value)
            seat.notes["patched"] = seat.notes.get("patched", 0) + count
            return text

        return seat.do(tool, **{name: patched(value) for name, value in args.items()})

    return alter


def _besides(spec: str, kind: str) -> Say:
    write: Callable[[AlteredSeat, str], Any] = extra_writes.WRITES[spec.partition(":")[0]][kind]

    def say(seat: AlteredSeat, text: str) -> str:
        seat.turns += 1
        if not seat.astray and (seat.turns > 1 or seat.last):
            seat.astray = bool(write(seat, spec.replace(":", "_")))
        return text

    return say
