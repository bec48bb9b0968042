"""Grading again: what a corrected program comes to, what it may not do, and that nothing that was there changes."""

from __future__ import annotations

import json
import re
import textwrap
from pathlib import Path

import pytest
from tests.conftest import HEAD, Play
from tests.core.test_replay import PROGRAMS

from terrarium.core.errors import ConfigError
from terrarium.core.verdict import Check
from terrarium.run.folder import RunFolder
from terrarium.run.fork import fork, run_fork
from terrarium.run.lock import Lock
from terrarium.run.regrade import Regraded, Regrading, changes, regrade
from terrarium.run.runtime import runtime

WRITE = {"tool": "notes_add", "args": {"text": "by the agent"}}
SCRIPT = [WRITE, "one", WRITE, "two"]

STAGES = """
    from terrarium.task.checking import aggregate_results

    @entry(["notes"], NOTES)
    def fn(env, agent):
        env.notes.add("first")
        agent.act("begin")
        early = run_checkers({"early": lambda: env.notes.count() == 99})
        env.notes.add("between")
        agent.act("go on")
        late = run_checkers({"late": lambda: env.notes.count() == 4})
        return aggregate_results(early, late)
"""


def again(played: Play, *corrections: tuple[str, str], **more: object) -> Regrading:
    """Grade a run again, with its task corrected."""
    for before, after in corrections:
        source = played.task.read_text("utf-8")
        assert before in source
        played.task.write_text(source.replace(before, after), "utf-8")
    return runtime().submit(regrade(played.folder, **more)).result()  # type: ignore[arg-type]


def one(played: Play, *corrections: tuple[str, str]) -> Regraded:
    [found] = again(played, *corrections).trials
    return found


def content(folder: Path) -> dict[str, bytes]:
    """Every file of a run but for those of regradings."""
    files = (path for path in folder.rglob("*") if path.is_file() and "/regrade-" not in str(path))
    return {str(path): path.read_bytes() for path in files}


def test_a_wrong_check_is_corrected_and_nothing_that_was_there_changes(play):
    played = play(STAGES, SCRIPT, snapshot="auto")
    assert played.reward == 0.5
    before = content(played.folder)
    found = again(played, ("== 99", "== 2"))
    assert content(played.folder) == before
    [trial] = found.trials
    assert (trial.outcome, trial.verdict.reward, trial.verdict.passed, trial.error) == ("regraded", 1.0, True, None)
    assert trial.changes == ["early: failed → passed"]
    assert trial.looked == 0, "the journal held what the corrected check reads"
    record = json.loads((found.folder / f"{trial.before.trial.id}.json").read_text())
    assert (record["before"], record["after"]) == ({"reward": 0.5, "passed": False}, {"reward": 1.0, "passed": True})
    told = json.loads((found.folder / "regrade.json").read_text())
    assert told["counts"] == {"regraded": 1, "failed": 0, "not regradable": 0, "changed": 1}
    [digests] = told["tasks"].values()
    assert digests["before"] == [trial.before.trial.task_digest] != [digests["after"]]
    assert found.folder.name == "regrade-1"
    assert again(played).folder.name == "regrade-2"


def test_new_reads_find_the_world_of_their_stage(play):
    played = play(STAGES, SCRIPT, snapshot="auto")
    trial = one(
        played,
        ("env.notes.count() == 99", 'env.notes.texts() == ["first", "by the agent"] and env.notes.stumble is not None'),
        ("env.notes.count() == 4", 'env.notes.texts() == ["first", "by the agent", "between", "by the agent"]'),
    )
    assert (trial.reason, trial.verdict.reward, trial.looked) == (None, 1.0, 2)


@pytest.mark.parametrize("read", ["refuse", "collapse", "stumble"])
def test_what_a_new_read_raises_the_program_is_told(play, read):
    """As on a first run: a no is a failed check, a failure of the machinery no verdict."""
    trial = one(play(STAGES, SCRIPT, snapshot="auto"), ("env.notes.count() == 4", f"env.notes.{read}()"))
    if read == "refuse":
        assert trial.verdict.checks[1].exception == {"type": "Refused", "message": "the notes say no"}
    else:
        assert (trial.outcome, trial.verdict.reward) == ("failed", None)
        assert trial.error["type"] == "CapabilityFault"


REFUSED = {
    "another write": (
        'add("between")',
        'add("else")',
        r"calls env.notes.add\(text='else'\), where before event \d+ call",
    ),
    "a new write": ("late =", 'env.notes.add("x"); late =', r"env.notes.add\(text='x'\) is new, .* the journal ends"),
    "a write less": (
        'env.notes.add("between")',
        "pass",
        r"calls agent.act\(.*'go on'\), where before event \d+ called env",
    ),
    "another act": (
        'act("go on")',
        'act("stop")',
        r"calls agent.act\(instruction='stop'\), where before event \d+ called",
    ),
    "a new act": ("late =", 'agent.act("more"); late =', r"agent.act\(instruction='more'\) is new"),
    "a new wait": ("late =", "agent.wait(60); late =", r"agent.wait\(.*\) is new"),
    "an advance": (
        "early =",
        'env.clock.advance("1h"); early =',
        r"calls env.clock.advance\(span='1h'\), where before",
    ),
    "a callback": ("early =", 'env.after("1h", print); early =', r"calls env.after\(.*, where before event"),
    "a write in a check": ("env.notes.count() == 4", 'env.notes.add("x")', r"env.notes.add\(text='x'\) is new"),
    "a write that is caught": (
        "late =",
        "try:\n        env.notes.add('x')\n    except BaseException:\n        pass\n    late =",
        r"env.notes.add\(text='x'\) is new",
    ),
    "other agents": (
        '@entry(["notes"], NOTES)',
        '@entry(["notes"], NOTES, agents=["a", "b"])',
        "now has the agents a, b",
    ),
    "another world": (
        '@entry(["notes"], NOTES)',
        '@entry(["notes", "email"], NOTES)',
        "now wants email, which the world",
    ),
    "a task gone": ("@entry", "#", "has no task|SyntaxError"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_more_than_look_makes_a_trial_not_regradable(play, case):
    before, after, reason = REFUSED[case]
    played = play(STAGES, SCRIPT, snapshot="auto")
    found = again(played, (before, after))
    [trial] = found.trials
    assert (trial.outcome, trial.verdict.reward, trial.changes) == ("not regradable", None, [])
    assert re.search(reason, trial.reason), trial.reason
    assert (found.folder / f"{trial.before.trial.id}.json").is_file()
    if "where before" in reason:
        assert f"event {trial.event} " in trial.reason


def test_a_program_that_ends_earlier_is_graded_by_what_it_did(play):
    trial = one(play(STAGES, SCRIPT, snapshot="auto"), ('env.notes.add("between")', "return early"), ("99", "2"))
    assert (trial.outcome, trial.verdict.reward) == ("regraded", 1.0)
    assert trial.left.endswith(": env.notes.add(text='between')")
    assert trial.changes == ["early: failed → passed", "late: gone"]


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_task_that_was_not_changed_gives_the_same_verdict(play, program):
    source, script = PROGRAMS[program]
    played = play(source, script)
    trial = one(played)
    if played.error is None:
        assert (trial.reason, trial.error, trial.verdict) == (None, None, played.result.verdict)
        assert (trial.looked, trial.left, trial.warnings) == (0, None, [])
    else:
        assert trial.outcome == "failed"
        assert played.error == f"{trial.error['type']}: {trial.error['message']}"


FIRES = """
    @entry(["notes"], NOTES)
    def fn(env, agent):
        seen = []
        def tick():
            seen.append(env.notes.count())
            env.notes.add(f"tick {env.random.random():.3f}")
        def ask(question: str) -> str:
            '''Ask the boss.'''
            seen.append(question)
            return f"{env.notes.count()} notes"
        agent.register_tools(ask)
        env.every("10m", tick, until="10:00")
        env.when(lambda: env.notes.count() >= 2, lambda: agent.post("two now"))
        agent.act("begin")
        env.clock.advance("1h")
        return run_checkers({"seen": lambda: seen == ["wrong"]})
"""
ASKS = [{"tool": "ask", "args": {"question": "why"}}, "asked", "again", "last"]


def test_callbacks_and_tools_run_again_and_may_look_otherwise(play):
    played = play(FIRES, ASKS, snapshot="auto")
    assert (played.reward, played.result.totals["turns"]) == (0.0, 2)
    assert one(played, ('== ["wrong"]', '== ["why", 0, 1, 2, 3, 4, 5]')).verdict.reward == 1.0
    trial = one(played, ("seen.append(env.notes.count())", "pass"), ('["why", 0, 1, 2, 3, 4, 5]', '["why"]'))
    assert (trial.reason, trial.verdict.reward) == (None, 1.0)
    trial = one(played, ('add(f"tick', 'add(f"tack'))
    assert "calls env.notes.add(text='tack" in trial.reason
    trial = one(played, ('env.notes.add(f"tack {env.random.random():.3f}")', "pass"))
    assert "a callback ended, where before event" in trial.reason


def test_a_new_read_in_a_callback_needs_a_snapshot_that_nobody_kept(play):
    played = play(FIRES, ASKS, snapshot="auto")
    trial = one(played, ("seen.append(question)", "seen.append(env.notes.texts())"))
    assert "env.notes.texts() is a new read: no snapshot of that stage was kept" in trial.reason
    assert trial.event is not None


CROWD = """
    import asyncio

    @entry(["notes"], NOTES, agents=["buyer", "seller"])
    async def fn(env, agents):
        env.notes.add("first")
        replies = await asyncio.gather(*(agents[name].act(f"you are {name}") for name in agents))
        await env.clock.advance("1h")
        await agents["buyer"].act("again")
        return run_checkers({"spoke": lambda: [reply.text for reply in replies] == ["wrong"]})
"""


def test_an_async_program_with_several_agents(play):
    played = play(CROWD, SCRIPT, snapshot="auto")
    assert played.reward == 0.0
    trial = one(
        played,
        (
            '[reply.text for reply in replies] == ["wrong"]',
            '[reply.text for reply in replies] == ["one", "one"] and env.notes.texts().count("by the agent") == 3 and '
            'len(agents["buyer"].replies) == 2 and agents["seller"].messages[0].text == "you are seller" and '
            'agents["seller"].get_trajectory().tool_calls == 1 and agents["buyer"].system_prompt is None',
        ),
    )
    assert (trial.reason, trial.verdict.reward, trial.verdict.rewards) == (None, 1.0, {"buyer": 1.0, "seller": 1.0})
    trial = one(played, ('agents["buyer"].act("again")', 'agents["seller"].act("again")'))
    assert "calls agents.seller.act(instruction='again'), where before event" in trial.reason


DIFFED = """
    @entry(["notes", "email"], NOTES)
    def fn(env, agent):
        start = env.state()
        env.notes.add("first")
        agent.act("begin")
        env.reward("shaping", 0.25)
        return run_checkers({"fine": lambda: False})
"""


def test_diffs_are_answered_from_the_journal_and_the_snapshot(play):
    trial = one(
        play(DIFFED, SCRIPT, snapshot="auto"),
        (
            "lambda: False",
            'lambda: env.unchanged_except("notes") and len(env.diff().changes) == 1 '
            'and len(env.diff(start, env.state(), by="everyone").changes) == 2',
        ),
        ('"shaping", 0.25', '"other", 0.5'),
    )
    assert (trial.reason, trial.verdict.reward) == (None, 1.0), trial.verdict


def test_long_values_of_new_reads_stay_out_of_the_run(play):
    long = [{"tool": "notes_add", "args": {"text": "x" * 100_000}}, "done"]
    played = play(DIFFED, long, snapshot="auto")
    before = content(played.folder)
    trial = one(played, ("lambda: False", "lambda: len(env.notes.texts()[1]) == 100_000 and env.diff() is not None"))
    assert trial.verdict.reward == 1.0
    assert content(played.folder) == before


@pytest.mark.parametrize("needed", [True, False])
def test_a_missing_snapshot_matters_only_where_it_is_needed(play, needed):
    played = play(STAGES, SCRIPT, snapshot="auto")
    for snapshot in (played.folder / "snapshots").iterdir():
        snapshot.rename(played.folder / f"away-{snapshot.name}")
    trial = one(played, ("== 99", "== 2"), *([("count() == 4", "texts()[0] == 'first'")] if needed else []))
    if needed:
        assert "the snapshot of that stage is not there any more" in trial.reason
        assert trial.outcome == "not regradable"
    else:
        assert trial.verdict.reward == 1.0


@pytest.mark.parametrize("end", ['{"cut', 'not json\n{"seq": 1}\n', "", "moved"])
def test_a_damaged_journal_ends_only_its_own_trial(play, end):
    played = play(STAGES, SCRIPT, snapshot="auto")
    lines = played.journal.read_text().splitlines(keepends=True)
    lines[5], lines[8] = lines[8], lines[5]
    played.journal.write_text("".join(lines) if end == "moved" else end)
    trial = one(played)
    assert (trial.outcome, trial.verdict.reward) == ("not regradable", None)
    assert "damaged" in trial.reason


def test_a_program_that_failed_in_its_checks_gets_a_verdict_and_one_that_fails_now_gets_none(play):
    played = play(STAGES.replace("return aggregate_results(early, late)", "return early + late"), SCRIPT)
    assert "TypeError" in played.error
    trial = one(played, ("return early + late", "return late"))
    assert (trial.before.verdict.reward, trial.verdict.reward) == (None, 1.0)
    assert trial.changes == ["late: new, passed"]
    found = again(played, ("return late", "return 1 / 0"))
    [trial] = found.trials
    assert (trial.outcome, trial.verdict.reward, trial.error["type"]) == ("failed", None, "ProgramError")
    assert (
        "ZeroDivisionError"
        in json.loads((found.folder / f"{trial.before.trial.id}.json").read_text())["error"]["message"]
    )
    assert one(played, ("return 1 / 0", "return None")).error["message"].startswith("the program returned NoneType")
    assert one(played, ("return None", "raise SystemExit(3)")).outcome == "failed"


def test_a_program_that_does_not_end_ends_only_its_own_trial(play):
    short = ('["notes"], NOTES', '["notes"], NOTES, limits={"trial_seconds": 0.5}')
    trial = one(play(STAGES, SCRIPT), short, ("early =", "while True: pass\n    early ="))
    assert (trial.outcome, trial.error["type"]) == ("failed", "BudgetSpent")


def test_a_trial_that_broke_off_is_not_regradable(play):
    played = play(STAGES, [WRITE, {"tool": "notes_collapse", "args": {}}, "one"])
    assert "CapabilityFault" in played.error
    trial = one(played, ("early =", "early = 1\n    early ="))
    assert (trial.outcome, trial.error["boundary"]) == ("failed", "capability")


def test_tasks_that_have_moved(play, tmp_path):
    played = play(STAGES, SCRIPT, snapshot="auto")
    moved = tmp_path / "elsewhere" / "errand" / "task.py"
    moved.parent.mkdir(parents=True)
    moved.write_text(HEAD + textwrap.dedent(STAGES).replace("== 99", "== 2"))
    played.task.unlink()
    assert one(played).outcome == "not regradable"
    [trial] = again(played, task=moved.parent).trials
    assert trial.verdict.reward == 1.0
    with pytest.raises(ConfigError, match="there is no task or taskset"):
        again(played, task=tmp_path / "nowhere")
    moved.parent.rename(tmp_path / "elsewhere" / "other")
    [trial] = again(played, task=tmp_path / "elsewhere" / "other").trials
    assert "there is no task 'errand' any more; there are: other" in trial.reason


def test_forks_are_graded_like_any_other(play):
    """With what was injected and told there, which is no doing of the program's."""
    played = play(STAGES, [WRITE, "one", WRITE, "two", "three"], snapshot="every-turn")
    run = RunFolder(played.folder)
    inject = [{"call": "env.notes.add", "args": {"text": "by nobody"}}]
    spec = fork(run, played.trial.spec, 2, instruction="go elsewhere", inject=inject)
    assert runtime().submit(run_fork(run, spec)).result().verdict.reward == 0.0
    parent, child = sorted(again(played).trials, key=lambda one: one.before.trial.branch is not None)
    assert (parent.verdict.reward, child.verdict.reward, child.reason) == (0.5, 0.0, None)
    assert (parent.looked, child.looked) == (0, 0)
    late = ("env.notes.count() == 4", "'by nobody' in env.notes.texts() and agent.messages[-2].role == 'tool'")
    parent, child = sorted(again(played, late).trials, key=lambda one: one.before.trial.branch is not None)
    assert (parent.verdict.reward, child.verdict.reward, child.reason) == (0.0, 0.5, None)


def test_which_trials(play, tmp_path):
    played = play(STAGES, SCRIPT)
    spec = played.trial.spec
    assert len(again(played, prefix=spec.id[:6]).trials) == len(again(played, prefix="errand").trials) == 1
    with pytest.raises(ConfigError, match="no trial 'zz' ended"):
        again(played, prefix="zz")
    with pytest.raises(ConfigError, match="there is no run with verdicts"):
        runtime().submit(regrade(tmp_path / "nowhere")).result()
    with Lock(played.folder), pytest.raises(ConfigError, match="in use"):
        again(played)


def test_what_changed_is_said_of_each_check():
    before = [Check("a", True), Check("b", False), Check("a", True), Check("w", True, weight=1.0)]
    after = [Check("a", True), Check("b", True), Check("a", False), Check("w", True, weight=2.0, required=True)]
    assert changes(before, after) == [
        "b: failed → passed",
        "a (2): passed → failed",
        "w: weight 1 → 2",
        "w: required 0 → 1",
    ]
    assert changes(before, before) == []


def test_many_trials_leave_no_descriptor_open(play):
    """A run of a thousand trials would have no more of them."""
    played = play(STAGES, SCRIPT, snapshot="auto")
    correction = ("env.notes.count() == 99", "env.notes.count() + env.notes.count() == 99")
    assert one(played, correction).outcome in ("regraded", "failed")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        again(played)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 1
