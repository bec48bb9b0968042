"""Every shipped task, killed in the middle of each of its turns, comes to what it came to unbroken."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest
from tests.tasksets.shipped import TASKS, WALLS, place

from terrarium.core.journal import Event, read
from terrarium.core.values import Blobs
from terrarium.run.config import AgentConfig, TaskConfig
from terrarium.run.spec import TrialResult
from terrarium.run.trial import Trial, TrialConfig
from terrarium.sandbox.tier import tier

MOST = 24  # points of one task that are tried
SOME = ["budget", "moved_meeting"]
ALL = [pytest.param(name, marks=() if name in SOME else pytest.mark.soak) for name in sorted(TASKS)]


class Recorded:
    """A shipped task, played by its oracle into a folder, and what became of it."""

    def __init__(self, name: str, run: Path) -> None:
        self.run = run
        where: TaskConfig = place(TASKS[name])
        config = TrialConfig(where, AgentConfig(), seed=3, trial_dir=str(run), snapshot="every-turn")
        self._trial = Trial(dataclasses.replace(config, resume=False))

    def play(self) -> TrialResult:
        return self._trial.run_sync()

    @property
    def journal(self) -> Path:
        (found,) = self.run.glob("trials/*/try-*/journal.jsonl")
        return found

    def events(self) -> list[Event]:
        return list(read(self.journal, Blobs(self.run / "blobs")))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ALL)
def test_a_task_killed_in_the_middle_of_any_turn_comes_to_the_same(tmp_path, name):
    if name in WALLS and tier().number > 1:
        pytest.skip("this machine gives no namespaces: see `terrarium doctor`")
    recorded = Recorded(name, tmp_path / "run")
    first = recorded.play()
    assert first.error is None
    assert first.verdict.passed
    events, lines = recorded.events(), recorded.journal.read_bytes().splitlines(keepends=True)
    deterministic = events[0].data["deterministic"]
    points = [event.seq for event in events if event.kind == "snapshot" and "digest" in event.wall]
    assert points
    shutil.copytree(recorded.run, tmp_path / "copy", symlinks=True)
    for number, point in enumerate(points, 1):
        if number % -(-len(points) // MOST):
            continue
        following = points[number] if number < len(points) else len(lines) - 2
        cut = max(point, (point + following) // 2)
        shutil.rmtree(recorded.run)
        shutil.copytree(tmp_path / "copy", recorded.run, symlinks=True)
        recorded.journal.write_bytes(b"".join(lines[:cut]) + lines[cut][: len(lines[cut]) // 2])
        for record in (recorded.run / "verdicts").iterdir():
            record.unlink()
        told = f"{name}, killed at event {cut} of {len(lines)}, resumed at {point}"
        again = recorded.play()
        assert again.error is None, f"{told}: {again.error}"
        assert again.tries == 1, f"{told}: begun anew"
        assert again.verdict == first.verdict, told
        assert bool(list(recorded.journal.parent.glob("lost-*.jsonl"))) == (cut > point), told
        if deterministic:
            assert [e.equal_part() for e in recorded.events()] == [e.equal_part() for e in events], told
        else:
            assert _rows(recorded.events()) == _rows(events), told


def _rows(events: list[Event]) -> dict[str, str]:
    """The digest of each capability's canonical rows at the end.

    A browser that is started again opens its addresses again, and the site writes that down: see its manual page.
    """
    rows = next(dict(e.data["rows"]) for e in reversed(events) if e.kind == "snapshot" and e.data.get("final"))
    return {spec: digest for spec, digest in rows.items() if spec != "web" or "browser" not in rows}
