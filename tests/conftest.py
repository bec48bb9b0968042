"""Running tasks that are written in a test: `play(source, agent)` gives what became of them."""

from __future__ import annotations

import dataclasses
import os
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from terrarium.core.journal import Event, EventKind, read
from terrarium.core.values import Blobs
from terrarium.run.config import AgentConfig, TaskConfig
from terrarium.run.runtime import runtime
from terrarium.run.spec import TrialResult
from terrarium.run.trial import Trial, TrialConfig

sys.path.insert(0, str(Path(__file__).parent))  # for `notes_capability`, which tasks name by its import path

import planted_keys
from planted_keys import pytest_sessionfinish as pytest_sessionfinish

planted_keys.plant()

settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")  # however slow: how long something takes is not what tests are about

for _name in ("COLUMNS", "LINES"):  # of a terminal there may be: readline tells them to what pytest-xdist starts
    os.environ.pop(_name, None)

HEAD = """
from datetime import timedelta
from terrarium.core.errors import *
from terrarium.task.checking import check, run_checkers
from terrarium.task.decorator import entry

NOTES = {"notes": {"import_path": "notes_capability:Notes"}}

"""


class Play:
    """One trial of a task in a folder of its own, run as often as wanted."""

    def __init__(self, folder: Path, source: str, config: TrialConfig) -> None:
        self.folder = folder
        self.task = Path(config.task.path) / "task.py"
        self.write(source)
        self.config = config
        self.trial = Trial(dataclasses.replace(config, resume=False))
        self.result: TrialResult | None = None

    def write(self, source: str) -> None:
        self.task.parent.mkdir(parents=True, exist_ok=True)
        self.task.write_text(HEAD + textwrap.dedent(source))

    def run(self) -> Play:
        self.result = self.trial.run_sync()
        return self

    def run_as_before(self) -> Play:
        """Run the task that is there now under the identity of the one that was there first."""
        spec = Trial(self.config).spec
        self.trial.spec = dataclasses.replace(spec, task_digest=self.trial.spec.task_digest)
        return self.run()

    @property
    def journal(self) -> Path:
        return sorted((self.folder / "trials").glob("*/try-*/journal.jsonl"))[-1]

    def events(self, *kinds: str) -> list[Event]:
        events = list(read(self.journal, Blobs(self.folder / "blobs")))
        return [event for event in events if not kinds or event.kind in kinds]

    def parts(self) -> list[str]:
        return [event.equal_part() for event in self.events()]

    def calls(self) -> list[str]:
        return [event.data["path"] for event in self.events("call")]

    def shown(self) -> list[str]:
        """What the agents were shown of their tool calls, in order."""
        return [event.data["result"].content for event in self.events("tool_result")]

    @property
    def error(self) -> str | None:
        """The error that the trial ended with, as `Type: message`."""
        assert self.result is not None
        failed = self.result.error
        return None if failed is None else f"{failed['type']}: {failed['message']}"

    @property
    def reward(self) -> float | None:
        """The reward; an error is shown instead of it."""
        assert self.result is not None
        assert self.error is None, self.error
        return self.result.verdict.reward

    @property
    def said(self) -> list[str]:
        """What the program noted down with `env.reward(text, 0)`."""
        assert self.error is None or "BudgetSpent" in self.error or "awaits" in self.error, self.error
        return [event.data["name"] for event in self.events("reward")]

    def crash_behind(self, event: Event, more: int = 2) -> None:
        """Leave the journal as a crash some lines behind `event` would."""
        lines = self.journal.read_bytes().splitlines(keepends=True)
        keep = min(event.seq + more, len(lines) - 2)
        self.journal.write_bytes(b"".join(lines[:keep]) + b'{"seq":%d,"kind":"ca' % (keep + 1))
        for verdict in (self.folder / "verdicts").iterdir():
            verdict.unlink()

    def snapshots(self) -> list[Event]:
        return [event for event in self.events(EventKind.SNAPSHOT) if event.wall.get("digest")]


@pytest.fixture
def play(tmp_path: Path) -> Callable[..., Play]:
    """`play(source, script_or_AgentConfig)`: run a task to its end."""
    made = 0

    def go(
        source: str,
        agent: AgentConfig | str | Sequence[Any] = "null",
        *,
        limits: Mapping[str, Any] | None = None,
        seed: int = 0,
        snapshot: str = "never",
        run: bool = True,
    ) -> Play:
        nonlocal made
        made += 1
        if isinstance(agent, str):
            agent = AgentConfig(name=agent)
        elif not isinstance(agent, AgentConfig):
            agent = AgentConfig(name="scripted", kwargs={"script": list(agent)})
        task = tmp_path / f"task{made}" / "errand"
        config = TrialConfig(
            task=TaskConfig(path=str(task)),
            agent=agent,
            seed=seed,
            limits=limits or {},
            trial_dir=str(tmp_path / f"run{made}"),
            snapshot=snapshot,
        )
        played = Play(tmp_path / f"run{made}", source, config)
        return played.run() if run else played

    return go


@pytest.fixture(scope="session", autouse=True)
def _engine() -> Iterator[None]:
    """The engine of this process ends with the tests."""
    yield
    runtime().close()
