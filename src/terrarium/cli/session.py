"""A session at the terminal: lines go to an agent, and what it does is shown as it happens."""

from __future__ import annotations

import asyncio
import queue
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Any

from rich.text import Text

from terrarium.cli.follow import Follower
from terrarium.cli.safe_text import clipped, one_line
from terrarium.cli.table import print_all
from terrarium.cli.transcript import Transcript
from terrarium.run.folder import RunFolder
from terrarium.run.lock import Lock
from terrarium.run.runtime import runtime
from terrarium.run.spec import TrialResult, TrialSpec
from terrarium.run.trial import TrialRun

if TYPE_CHECKING:
    from rich.console import Console

POLL = 0.05  # seconds between two looks at what the agent does
ROWS = 1000  # of a table that are counted

_SHOWN = ("call", "error", "model", "notice", "raise", "tool_call", "tool_result", "turn")
_HELP = {
    "/task": "tell the agent what the task would",
    "/next": "let the program of the task go on",
    "/tools": "what the agent can use",
    "/world": "what is in the world",
    "/cost": "tokens and cost so far",
    "/save": "where the session is kept, and how to go on from here",
    "/quit": "end the session (so does Ctrl-D)",
}


@dataclass
class Wanted:
    """A line that the program waits for."""

    suggested: str
    answer: Callable[[str | None], None]


class Session:
    """One chat.

    Args:
        console: Where it is shown.
        folder: Of the run.
        spec: The trial that it is.
    """

    def __init__(self, console: Console, folder: RunFolder, spec: TrialSpec) -> None:
        self._console, self._folder, self._spec = console, folder, spec
        self._wanted: queue.SimpleQueue[Wanted] = queue.SimpleQueue()
        self._trial = TrialRun(spec, folder)
        self._trial.listen = self._listen
        self._transcript = Transcript()
        self._follower: Follower | None = None
        self._before: dict[str, Any] = {}
        self._turn = 0
        self._gone = False
        self._typing = self._struck = False

    def run(self) -> int:
        """Talk until the person or the trial ends it; gives the exit code."""
        before = signal.signal(signal.SIGINT, self._on_ctrl_c)
        try:
            running = runtime().submit(self._held())
            while not running.done():
                self._show()
                try:
                    wanted = self._wanted.get(timeout=POLL)
                except queue.Empty:
                    if self._struck:
                        self._struck = False
                        self._say("the turn is ended", "yellow")
                        self._interrupt()
                    continue
                self._show()
                self._tell_cost()
                self._struck = False
                wanted.answer(self._line(wanted.suggested))
            self._show()
            return self._end(running.result())
        finally:
            signal.signal(signal.SIGINT, before)

    def _on_ctrl_c(self, number: int, frame: FrameType | None) -> None:
        """While a line is typed it ends that line; else it is looked at between two looks at the agent."""
        if self._typing:
            raise KeyboardInterrupt
        self._struck = True

    async def _held(self) -> TrialResult:
        with Lock(self._folder.path, shared=True), Lock(self._folder.trial(self._spec.id)):
            return await self._trial.run()

    async def _listen(self, suggested: str) -> str | None:
        if self._gone:
            return None
        loop = asyncio.get_running_loop()
        said: asyncio.Future[str | None] = loop.create_future()

        def settle(line: str | None) -> None:
            if not said.done():
                said.set_result(line)

        def answer(line: str | None) -> None:
            loop.call_soon_threadsafe(settle, line)

        self._wanted.put(Wanted(suggested, answer))
        return await said

    def _interrupt(self) -> None:
        episode = self._trial.episode
        for guard in episode.guards.values() if episode is not None else ():
            runtime().loop.call_soon_threadsafe(guard.hurried.set)

    # -- what the person says -------------------------------------------------------------------------------------

    def _line(self, suggested: str) -> str | None:
        """The next line for the agent; None where there is none. Commands are carried out here."""
        if suggested:
            self._say("the task would say (/task):", "dim")
            print_all(self._console, (Text(f"  {line}", "dim") for line in clipped(suggested, 20)))
        while True:
            try:
                self._typing = True
                line = input("you> ").strip()
                self._typing = False
            except EOFError:
                self._typing, line = False, "/quit"
            except KeyboardInterrupt:
                self._typing = False
                self._say("\n/quit ends the session", "dim")
                continue
            word = line.partition(" ")[0]
            if word == "/task" and suggested:
                return suggested
            if word in ("/quit", "/next"):
                self._gone = word == "/quit"
                return None
            if not line.startswith("/") or line.startswith("//"):
                if line:
                    return line.removeprefix("/") if line.startswith("//") else line
                continue
            print_all(self._console, self._command(word))

    def _command(self, word: str) -> Iterator[Text]:
        episode = self._trial.episode
        if word == "/tools" and episode is not None:
            for seat in episode.seats.values():
                for tool in seat.offered():
                    yield Text.assemble((tool.name, "bold"), f"  {one_line(tool.description, 120)}")
        elif word == "/world" and episode is not None:
            yield Text(f"{episode.world.clock.now:%A %Y-%m-%d %H:%M:%S} UTC", "dim")
            for name, counts in runtime().submit(_counts(episode.world)).result().items():
                yield Text.assemble((name, "bold"), f"  {one_line(counts)}")
        elif word == "/cost":
            yield Text(f"{self._turn} turns: {_cost(self._totals(), {})}")
        elif word == "/save":
            yield Text(f"every turn is saved as it ends, in {self._folder.path}")
            fork = f"terrarium fork {self._folder.path} {self._spec.id[:12]} --at {self._turn + 1}"
            yield Text(f"another way from any turn: {fork}", "dim")
        else:
            if word not in ("/help", "/task"):
                yield Text(f"there is no command {one_line(word, 40)}", "yellow")
            yield from (Text(f"{name}  {told}") for name, told in _HELP.items())
            yield Text("anything else is said to the agent; //text says /text", "dim")

    # -- what is shown --------------------------------------------------------------------------------------------

    def _show(self) -> None:
        """Print what has happened since the last look."""
        if self._follower is None:
            tries = self._folder.tries(self._spec.id)
            if not tries or not (tries[-1] / "journal.jsonl").is_file():
                return
            self._follower = Follower(tries[-1] / "journal.jsonl", lambda: False)
        for followed in self._follower.new():
            entry = followed.entry
            if entry is None or entry.kind not in _SHOWN:
                continue
            lines = list(self._transcript.lines([entry]))
            if entry.kind == "call":  # the story only learns its path
                continue
            if entry.kind == "turn" and entry.data.get("state") == "begin":
                self._turn, lines = int(entry.data["number"]), []
            elif entry.kind == "turn" and entry.data.get("stop") == "completed":
                lines = lines[:-2]  # that it ended needs no line here
            print_all(self._console, lines)

    def _totals(self) -> dict[str, Any]:
        return {} if self._trial.episode is None else dict(vars(self._trial.episode.totals))

    def _tell_cost(self) -> None:
        """What the turn that has just ended cost, and all of them."""
        totals, before = self._totals(), self._before
        if totals.get("turns", 0) > before.get("turns", 0):
            self._say(f"turn {self._turn}: {_cost(totals, before)}  all: {_cost(totals, {})}", "dim")
        self._before = totals

    def _say(self, text: str, style: str = "") -> None:
        self._console.print(Text(text, style), soft_wrap=True)

    def _end(self, result: TrialResult) -> int:
        error = result.error
        if error is not None:
            self._say(one_line(f"{error['type']}: {error['message']}", 1000), "bold red")
        failed = [check.name for check in result.verdict.checks if not check.passed]
        if result.verdict.reward is not None and failed:
            self._say(f"reward {result.verdict.reward:.3f}; not so: {one_line(', '.join(failed), 500)}", "yellow")
        elif result.verdict.reward is not None:
            self._say(f"reward {result.verdict.reward:.3f}", "green")
        self._say(f"terrarium show {self._folder.path} {self._spec.id[:12]}", "dim")
        return 0 if error is None else 1


def _cost(totals: dict[str, Any], before: dict[str, Any]) -> str:
    used = {key: totals.get(key, 0) - before.get(key, 0) for key in ("steps", "tokens", "cost")}
    unpriced = totals.get("unpriced", 0) - before.get("unpriced", 0)
    price = "no price known" if unpriced else f"${used['cost']:.4f}"
    return f"{used['steps']} steps, {used['tokens']:,} tokens, {price}"


async def _counts(world: Any) -> dict[str, str]:
    """How many rows each table of each capability holds."""
    from collections import Counter
    from itertools import islice

    from terrarium.core.errors import TerrariumError

    found: dict[str, str] = {}
    for name, capability in world.capabilities.items():
        try:
            tables = Counter(row.table for row in islice(capability.rows(), 100 * ROWS))
        except TerrariumError as error:  # servers must be asked in another way
            found[name] = one_line(str(error), 100)
            continue
        found[name] = ", ".join(f"{table} {count}" for table, count in sorted(tables.items())) or "empty"
    return found
