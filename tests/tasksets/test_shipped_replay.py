"""Every shipped task, solved by its reference solution, goes the same way when it is replayed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from shipped import NAMES, TASKS, place
from test_clients import NAMES as CLIENTS
from test_clients import lacking

from terrarium.core.registry import find as part
from terrarium.run.config import SandboxConfig
from terrarium.run.replaying import replay
from terrarium.run.trial import Trial, TrialConfig

DETERMINISTIC = [
    name
    for name in NAMES
    if all(part("capability", spec.partition(":")[0]).traits.deterministic for spec in TASKS[name].capabilities)
]
QUICK = ("deadline", "on_call", "q3_report", "two_mailboxes")


def goes_the_same_way(folder: Path, name: str, sandbox: str, seed: int = 3) -> bool:
    """Record it, replay it; whether every event was compared."""
    config = TrialConfig(
        place(TASKS[name]), seed=seed, trial_dir=str(folder), sandbox_provider=SandboxConfig(name=sandbox)
    )
    result = Trial(config).run_sync()
    assert result.verdict.reward == 1.0, result.error
    [journal] = folder.glob("trials/*/try-1/journal.jsonl")
    done = asyncio.run(replay(journal))
    assert done.difference is None, done.difference.text()
    assert done.warnings == ()
    return done.exact


def test_there_are_enough_that_are_deterministic():
    assert len(DETERMINISTIC) > 10
    assert set(QUICK) <= set(DETERMINISTIC)


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.soak) for name in DETERMINISTIC]
)
def test_a_deterministic_one_is_identical_event_by_event(name, tmp_path):
    assert goes_the_same_way(tmp_path, name, "memory")


@pytest.mark.parametrize(
    "name", [name if name == "on_call" else pytest.param(name, marks=pytest.mark.soak) for name in NAMES]
)
def test_one_on_the_machines_own_sandbox_comes_to_equal_rows_and_verdict(name, tmp_path):
    goes_the_same_way(tmp_path, name, "auto")


@pytest.mark.soak
@pytest.mark.parametrize("name", CLIENTS)
def test_one_for_vendors_clients_comes_to_equal_rows_and_verdict(name, tmp_path):
    if lacking(name):
        pytest.skip(lacking(name))
    goes_the_same_way(tmp_path, name, "auto")
