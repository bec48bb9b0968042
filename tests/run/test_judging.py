"""Judges in trials: recorded, replayed, graded again; their outage is no score; their cost stands apart."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest
from tests.run import judge_models

from terrarium.core.errors import ConfigError
from terrarium.run.config import parse
from terrarium.run.judge_config import JudgeConfig
from terrarium.run.regrade import regrade
from terrarium.run.replaying import replay
from terrarium.run.runtime import runtime
from terrarium.run.trial import Trial
from terrarium.task.rubric import criterion, group, rubric

ASKING = """
    @entry(["notes"], NOTES)
    def fn(env, agent):
        reply = agent.act("Ask nicely.")
        env.reward(agent.get_trajectory().messages[-1].text, 0)
        return run_checkers({"polite": lambda: env.judge("Is the request polite?", reply.text)})
"""
RUBRIC = """
    from terrarium.task.rubric import criterion, group, rubric

    @entry(["notes"], NOTES)
    def fn(env, agent):
        reply = agent.act("Ask nicely.")
        parts = {
            "polite": criterion("Is it polite?", required=True, tags=["style"]),
            "lively": group({
                "some": criterion("How lively is it?", scale=(1, 5), at_least=2),
                "much": criterion("How lively is it?", scale=(1, 5), at_least=5, weight=3),
            }, weight=3),
        }
        return run_checkers(rubric(parts, lambda: {"reply": reply.text}))
"""


def model(name):
    return JudgeConfig(model_name=f"tests.run.judge_models:{name}/m")


@pytest.fixture
def judged(play):
    def go(task, said, name="Lenient", **more):
        played = play(task, [said], run=False)
        judge = model(name).model_copy(update=more) if name else None
        played.config = dataclasses.replace(played.config, judge=judge)
        played.trial = Trial(dataclasses.replace(played.config, resume=False))
        return played.run()

    return go


def again(played, judge=None):
    return runtime().submit(regrade(played.folder, judge=judge)).result().trials[0]


def test_a_judgement_is_a_call_of_the_program(judged):
    played = judged(ASKING, "the salt, please", votes=3)
    assert played.reward == 1.0
    [check] = played.result.verdict.checks
    assert check.detail == "judged 1.00  3 of 3 votes, variance 0.000  looked for please"
    call = next(event for event in played.events("call") if event.data["path"] == "env.judge")
    assert call.data["args"]["evidence"] == {"evidence": "the salt, please"}
    [answer] = [event.data["value"] for event in played.events("return") if event.cause == call.seq]
    assert (answer.judge, answer.model) == ("tests.run.judge_models:Lenient/m", "judge-v1")
    assert len(answer.prompt) == len(answer.form) == 64
    assert played.events("header")[0].data["judge"]["votes"] == 3


def test_its_tokens_and_cost_are_counted_apart(judged):
    totals = judged(ASKING, "please", votes=2).result.totals
    assert (totals["judge_tokens"], totals["judge_cost"], totals["judge_votes"]) == (220, 1.0, 2)
    assert (totals["tokens"], totals["cost"]) == (0, 0.0)


def test_a_replay_asks_nobody(judged):
    played = judged(ASKING, "the salt, please")
    before = len(judge_models.asked)
    done = asyncio.run(replay(played.journal))
    assert done.identical, done.difference.text()
    assert len(judge_models.asked) == before


@pytest.mark.parametrize("name", ["Dead", None, "NotThere"])
def test_without_a_judge_there_is_no_score(judged, name):
    played = judged(ASKING, "the salt, please", name)
    assert played.result.verdict.reward is None
    assert played.result.verdict.passed is None
    assert played.result.error["boundary"] == "verifier"
    mended = again(played, model("Lenient"))
    assert (mended.outcome, mended.verdict.reward) == ("regraded", 1.0)


def test_grading_again_keeps_judgements_or_asks_another_judge(judged):
    played = judged(ASKING, "the salt, please")
    before = len(judge_models.asked)
    kept = again(played)
    assert (kept.verdict.reward, kept.looked) == (1.0, 0)
    assert len(judge_models.asked) == before
    other = again(played, model("Strict"))
    assert (other.verdict.reward, other.looked) == (0.0, 1)
    assert other.changes == ["polite: passed → failed"]
    assert other.verdict.checks[0].detail == "judged 0.00  looked for thank you"


def test_a_corrected_question_is_asked_of_the_trials_judge(judged):
    played = judged(ASKING, "the salt, please")
    played.task.write_text(played.task.read_text().replace("Is the request polite?", "Is it courteous?"))
    found = again(played)
    assert (found.outcome, found.verdict.reward, found.looked) == ("regraded", 1.0, 1)
    assert "Is it courteous?" in judge_models.asked[-1]


def test_a_corrected_question_without_any_judge_cannot_be_graded(judged, play):
    played = play(ASKING.replace("env.judge(", "len("), ["please"])
    text = played.task.read_text().replace('len("Is', 'env.judge("Is')
    played.task.write_text(text)
    found = again(played)
    assert found.outcome == "not regradable"
    assert "--judge-model" in found.reason


def test_a_rubric_asks_each_question_by_itself(judged):
    before = len(judge_models.asked)
    played = judged(RUBRIC, "please!!")
    checks = {check.name: check for check in played.result.verdict.checks}
    assert {name: check.weight for name, check in checks.items()} == {
        "polite": 0.25,
        "lively/some": 0.75 * 0.25,
        "lively/much": 0.75 * 0.75,
    }
    assert [check.passed for check in checks.values()] == [True, True, False]
    assert checks["polite"].required
    assert checks["polite"].tags == ["style"]
    assert played.reward == pytest.approx(0.25 + 0.75 * 0.25)
    assert len(judge_models.asked) == before + 3
    assert judged(RUBRIC, "now!!!!").reward == 0.0  # the gate


def test_a_rubric_that_is_none():
    for parts in ({}, {"a": 7}, {"a": group({})}):
        with pytest.raises(ConfigError):
            rubric(parts, "x")
    with pytest.raises(ValueError, match="weight"):
        rubric({"a": criterion("q", weight=-1), "b": criterion("p", weight=3)}, "x")
    with pytest.raises(ConfigError, match="inside run_checkers"):
        rubric({"a": "q"}, "x")["a"].checker()


def test_the_judge_is_part_of_what_is_run():
    bare, one, other = parse({}), parse({"judge": {"model_name": "a/b"}}), parse({"judge": {"model_name": "a/c"}})
    assert len({job.identity() for job in (bare, one, other)}) == 3
    with pytest.raises(ConfigError, match="did you mean 'votes'"):
        parse({"judge": {"model_name": "a/b", "vote": 3}})
