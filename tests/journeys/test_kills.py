"""`kill -9` at random instants of a job: every trial ends once, as if nothing had happened, and nothing is left."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from terrarium.sandbox.inside import confine, kernel
from terrarium.sandbox.tier import tier
from tests.journeys.killed_job import KilledJob

sys.path.append(str(Path(__file__).parents[1] / "capability"))

from database import needs_mysql, needs_postgres

HERE = Path(__file__).parent / "killed_tasks"
QUICK = [HERE / f"{name}.py" for name in ("errands", "trio", "crossing")]
EVERYTHING = [HERE / "everything.py"]
SERVERS = [HERE / "servers.py"]
needs_namespaces = pytest.mark.skipif(tier().number > 1, reason="this machine gives no namespaces")
needs_landlock = pytest.mark.skipif(kernel.landlock_version() < confine.WANTED, reason="this kernel has no Landlock")
soak = pytest.mark.soak


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("tasks", "attempts", "kills", "seconds", "mode", "sandbox"),
    [
        pytest.param(QUICK, 4, 3, 0.4, "every-turn", "memory", id="few"),
        pytest.param(QUICK, 67, 50, 0.4, "auto", "memory", marks=soak, id="fifty"),
        pytest.param(QUICK, 20, 25, 0.4, "every-turn", "memory", marks=soak, id="every turn"),
        pytest.param(EVERYTHING, 20, 10, 1.0, "auto", "local", marks=[soak, needs_namespaces], id="local"),
        pytest.param(EVERYTHING, 20, 10, 1.0, "auto", "landlock", marks=[soak, needs_landlock], id="landlock"),
        pytest.param(SERVERS, 14, 6, 2.0, "auto", "local", marks=[soak, needs_postgres, needs_mysql], id="servers"),
    ],
)
def test_a_job_that_is_killed_comes_to_what_an_unbroken_one_comes_to(
    tmp_path, tasks, attempts, kills, seconds, mode, sandbox
):
    whole = KilledJob(tmp_path / "whole", tasks, attempts, mode, sandbox)
    whole.finish()
    killed = KilledJob(tmp_path / "killed", tasks, attempts, mode, sandbox)
    killed.besiege(kills, seconds, random.Random(attempts))
    assert killed.kills.total() == kills

    journals, expected = killed.journals(), whole.journals()
    assert set(journals) == set(expected)
    assert len(journals) == killed.trials
    assert set(whole.scored().values()) == {1}
    assert set(killed.scored().values()) == {1}, "a trial was lost, or scored twice"
    assert {path.stem for path in (killed.run / "verdicts").iterdir()} == set(journals)
    for trial, journal in journals.items():
        assert killed.story(journal) == whole.story(expected[trial]), f"{trial} went another way"
        assert journal.read_bytes().count(b'"kind":"verdict"') == 1

    assert killed.given_up() == [], "a try that could have gone on was begun anew"
    told = f"{killed.kills}: {len(killed.resumed())} times resumed, {len(killed.begun_anew())} begun anew"
    print(told)
    assert kills < 10 or len(killed.resumed()) >= kills // 3, told
    assert killed.left() == []
    assert mode == "every-turn" or killed.passed() == set()
