"""How far a run is: a live bar on a terminal, a line for each trial elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from terrarium.cli.safe_text import one_line
from terrarium.cli.summary import SHORT, cause_of

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

    from terrarium.run.job import Job
    from terrarium.run.spec import TrialResult, TrialSpec

RUNNING_ROWS = 10
EVENTS = ("planned", "started", "progress", "finished", "retry", "lost")


class Progress(Protocol):
    """Something that is told how a job goes."""

    def hear(self, event: str, data: Mapping[str, Any]) -> None:
        """Take an event of the job."""
        ...

    def say(self, text: str) -> None:
        """Tell the person at the terminal something."""
        ...

    def close(self) -> None:
        """Leave the terminal as it was; idempotent."""
        ...


def follow(job: Job, progress: Progress) -> None:
    """Have `progress` told of everything that happens in `job`."""
    for event in EVENTS:
        job.on(event, lambda data, event=event: progress.hear(event, data))  # type: ignore[misc]


class Silence:
    """Tells only what must be told."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def hear(self, event: str, data: Mapping[str, Any]) -> None:
        """Nothing to say."""

    def say(self, text: str) -> None:
        """Print it."""
        self._console.print(text, soft_wrap=True)

    def close(self) -> None:
        """Nothing to leave."""


class Lines(Silence):
    """One line for each trial that has ended; for logs and pipes."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._count = Count()

    def hear(self, event: str, data: Mapping[str, Any]) -> None:
        """Print the line of an event."""
        self._count.hear(event, data)
        line = self._count.line(event, data)
        if line:
            self.say(line)


class Bar(Silence):
    """A bar with counts, and under it the trials that run."""

    def __init__(self, console: Console) -> None:
        from rich.live import Live

        super().__init__(console)
        self._count = Count()
        self._live: Live | None = Live(
            console=console, get_renderable=self._picture, refresh_per_second=8, transient=True, redirect_stdout=False
        )
        self._live.start()

    def hear(self, event: str, data: Mapping[str, Any]) -> None:
        """Take an event; trouble gets a line above the bar."""
        self._count.hear(event, data)
        trouble = event in ("retry", "lost") or (event == "finished" and data["result"].error)
        line = self._count.line(event, data) if trouble else ""
        if line:
            self.say(line)

    def close(self) -> None:
        """Take the bar away."""
        live, self._live = self._live, None
        if live is not None:
            live.stop()

    def _picture(self) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        count = self._count
        if count.total is None:
            return Text("loading the tasks …", "dim")
        head = Table.grid(padding=(0, 1))
        told = f"{count.done}/{count.total}  {count.passed} passed  {count.errors} errors  {_clock(count.seconds)}"
        head.add_row(
            ProgressBar(total=max(count.total, 1), completed=count.done, width=40),
            Text(told, "red" if count.errors else ""),
        )
        rows = list(count.running.values())
        table = Table.grid(padding=(0, 2))
        for one in rows[:RUNNING_ROWS]:
            where = f"turn {one.turn} {one.agent}" if one.turn else one.phase
            table.add_row(Text("  " + one.name), Text(one_line(where, 60), "dim"), Text(_clock(one.seconds), "dim"))
        more = [Text(f"  … and {len(rows) - RUNNING_ROWS} more", "dim")] if len(rows) > RUNNING_ROWS else []
        return Group(head, table, *more)


class Running:
    """A trial that runs."""

    def __init__(self, spec: TrialSpec) -> None:
        self.name = trial_name(spec)
        self.phase = "opening"
        self.turn = 0
        self.agent = ""
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """For how long it has been running."""
        return time.monotonic() - self._began


class Count:
    """The counts of a job, kept from its events."""

    def __init__(self) -> None:
        self.total: int | None = None
        self.done = 0
        self.passed = 0
        self.errors = 0
        self.running: dict[str, Running] = {}
        self._retried: set[tuple[str, ...]] = set()
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._began

    def hear(self, event: str, data: Mapping[str, Any]) -> None:
        """Take an event."""
        if event == "planned":
            self.total, self.done = len(data["specs"]), data["done"]
        elif event == "started":
            self.running[data["trial"]] = Running(data["spec"])
        elif event == "progress" and data["trial"] in self.running:
            one = self.running[data["trial"]]
            one.phase, one.turn, one.agent = str(data["phase"]), int(data["turn"]), str(data["agent"])
        elif event == "finished":
            result: TrialResult = data["result"]
            self.running.pop(data["trial"], None)
            self.done += 1
            self.errors += result.error is not None
            self.passed += bool(result.verdict.passed)
        elif event == "retry":
            self.running.pop(data["trial"], None)
        elif event == "lost":
            for trial in data["trials"]:
                self.running.pop(trial, None)

    def line(self, event: str, data: Mapping[str, Any]) -> str:
        """What a log says of an event; nothing for those that do not matter there."""
        if event == "planned":
            extra = len(data["specs"]) - data["trials"]
            baselines = f" and {extra} of the null agent" if extra else ""
            done = f"; {data['done']} are done already" if data["done"] else ""
            return f"{data['trials']} trials{baselines}{done}"
        if event == "finished":
            result: TrialResult = data["result"]
            if result.error:
                error = result.error
                told = f"{error['boundary']} error: {error['type']}: {one_line(str(error['message']), 160)}"
            elif result.verdict.reward is None:
                told = "not scored"
            else:
                told = f"reward {result.verdict.reward:.3f}  {'passed' if result.verdict.passed else 'not passed'}"
            return f"[{self.done}/{self.total}] {trial_name(result.trial)}  {told}  ({result.seconds:.1f} s)"
        if event == "retry":
            error = data["error"]
            cause = cause_of(error)
            if cause in self._retried:
                return ""  # a full disk is told once, not for every trial
            self._retried.add(cause)
            return f"trial {data['trial'][:SHORT]} again in {data['wait']:g} s: {one_line(str(error['message']), 160)}"
        if event == "lost":
            ids = ", ".join(trial[:SHORT] for trial in data["trials"])
            return f"a worker was lost with {ids}: {one_line(data['how'], 160)}"
        return ""


def trial_name(spec: TrialSpec) -> str:
    """How a trial is called in a line: short id, task, agent, seed and attempt."""
    base = " (baseline)" if spec.baseline else ""
    more = f" seed {spec.seed} attempt {spec.attempt}"
    return f"{spec.id[:SHORT]}  {one_line(spec.task, 60)}  {one_line(spec.agent.label, 40)}{base}{more}"


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
