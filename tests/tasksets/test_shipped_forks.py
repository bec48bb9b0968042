"""Every shipped task, forked at each of its turns and changed in nothing, comes to what it came to."""

from __future__ import annotations

import pytest
from shipped import NAMES, TASKS, place
from test_shipped_replay import DETERMINISTIC

from terrarium.core.errors import ConfigError
from terrarium.core.journal import Event, EventKind, read
from terrarium.run.config import SandboxConfig
from terrarium.run.folder import RunFolder
from terrarium.run.fork import fork, run_fork
from terrarium.run.runtime import runtime
from terrarium.run.spec import TrialResult
from terrarium.run.trial import Trial, TrialConfig

QUICK = ("two_mailboxes",)
WAITING = ("results_watch",)  # its later turns are brought by heartbeats, several in one wait
MOST = 6  # turns of one task that are tried
ALL = [name if name in QUICK else pytest.param(name, marks=pytest.mark.soak) for name in NAMES]


def _events(run: RunFolder, result: TrialResult) -> list[Event]:
    return list(read(run.tries(result.trial.id)[-1] / "journal.jsonl", run.blobs))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kept", ["every-turn", "auto"])
@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.soak) for name in NAMES]
)
def test_a_fork_at_any_turn_that_changes_nothing_is_the_same_trial(name, kept, tmp_path):
    """Where turns were saved, and where what came before happens again."""
    sandbox = SandboxConfig(name="memory" if name in DETERMINISTIC else "auto")
    config = TrialConfig(place(TASKS[name]), seed=3, trial_dir=str(tmp_path), snapshot=kept, sandbox_provider=sandbox)
    parent, run = Trial(config).run_sync(), RunFolder(tmp_path)
    assert parent.verdict.reward == 1.0, parent.error
    events = _events(run, parent)
    turns = [e.data["number"] for e in events if e.kind is EventKind.TURN and e.data["state"] == "begin"]
    forked = 0
    for turn in turns[:: -(-len(turns) // MOST)]:
        if name in WAITING and turn > 2:
            with pytest.raises(ConfigError, match="in the middle of a wait"):
                fork(run, parent.trial, turn)
            continue
        forked += 1
        result = runtime().submit(run_fork(run, fork(run, parent.trial, turn))).result()
        told = f"{name}, forked at turn {turn}: {result.error}"
        assert result.verdict == parent.verdict, told
        if events[0].data["deterministic"]:
            own = _events(run, result)
            assert [event.equal_part() for event in own[1:]] == [event.equal_part() for event in events[1:]], told
    assert forked
