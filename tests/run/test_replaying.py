"""A recorded trial goes the same way again, without its model; where it does not, the place is named."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import pytest
import thinking_agent
from recorded_trial import BUSY, again, edit, nth, thinking

from terrarium.core.errors import NotReplayable
from terrarium.run.config import AgentConfig, SandboxConfig
from terrarium.run.folder import RunFolder
from terrarium.run.fork import fork, run_fork
from terrarium.run.replaying import replay
from terrarium.run.runtime import runtime


@pytest.fixture(params=["auto", "never", "every-turn"])
def busy(play: Any, request: pytest.FixtureRequest) -> Any:
    return play(BUSY.format(limits={}), thinking(), snapshot=request.param)


@pytest.fixture
def one(play: Any) -> Any:
    return play(BUSY.format(limits={}), thinking(), snapshot="auto")


# -- identical ------------------------------------------------------------------------------------------------------


def test_a_trial_with_a_model_goes_the_same_way_without_it(busy):
    done = again(busy)
    assert done.difference is None
    assert (done.exact, done.compared, done.warnings) == (True, len(busy.events()), ())
    assert busy.reward == 1.0


def test_agents_without_a_model_act_again(play):
    for agent in ("null", "random", [{"tool": "notes_add", "args": {"text": "x"}}, "done"]):
        done = again(play(BUSY.format(limits={}), agent))
        assert done.identical


def test_tool_calls_that_overlap_do_so_again(play):
    several = [{"tool": "notes_add", "args": {"text": f"{n}"}} for n in range(4)]
    for kind in ("Thinking", "Measured"):
        assert again(play(BUSY.format(limits={}), thinking(several, kind=kind, together=True))).identical


@pytest.mark.parametrize("kind", ["Thinking", "Measured"])
def test_what_was_measured_costs_what_it_cost_then(play, kind):
    limits = {"model_cost": "measured", "tool_cost": "measured"}
    played = play(BUSY.format(limits=limits), thinking(kind=kind))
    assert played.events("stop")[0].data["timing"] == "measured"
    done = again(played)
    assert done.exact
    assert done.identical


@pytest.mark.parametrize(
    ("answers", "limits"),
    [
        ([{"tool": "email_list"}, {"fail": "the server is gone"}], {}),
        ([{"tool": "email_list"}, {"wait": 5}, "later"], {"turn_seconds": 0.3}),
        ([{"tool": "email_list"}, {"wait": 5}, "never"], {"trial_seconds": 0.5}),
        ([{"tool": "email_list"}] * 9, {"steps": 3}),
        ([{"tool": "email_list"}] * 9, {"tool_calls": 2}),
        ([{"tool": "email_list"}] * 9, {"tokens": 2000}),
    ],
)
@pytest.mark.parametrize("kind", ["Thinking", "Measured"])
def test_a_turn_that_was_cut_short_is_again(play, answers, limits, kind):
    played = play(BUSY.format(limits=limits), thinking(*answers, kind=kind))
    assert played.error is None
    done = again(played)
    assert done.identical, done.difference.text()


def test_several_agents_each_get_their_own_answers(play):
    source = """
        @entry(["notes"], NOTES, agents=["ann", "bob"])
        async def fn(env, agents):
            import asyncio
            for turn in range(2):
                await asyncio.gather(*(agent.act(f"turn {turn}") for agent in agents.values()))
            await agents["bob"].act("and you")
            return run_checkers({"fine": lambda: True})
    """
    for kind in ("Thinking", "Measured"):
        answers = [{"tool": "notes_add", "args": {"text": "x"}}, "one", {"tool": "notes_list"}, "two", "three"]
        done = again(play(source, thinking(*answers, kind=kind)))
        assert done.identical, done.difference.text()


def test_a_trial_that_was_resumed_counts_as_what_its_journal_says(play):
    played = play(BUSY.format(limits={}), thinking(), snapshot="every-turn")
    played.crash_behind(played.snapshots()[0], 7)
    played.trial._resume = True
    played.run()
    assert list(played.journal.parent.glob("lost-*.jsonl"))
    assert again(played).identical


def test_without_a_record_the_header_says_what_was_run(play):
    for agent, place in ((thinking(), "memory"), ("null", "auto")):
        played = play(BUSY.format(limits={}), agent, snapshot="auto", limits={"steps": 7}, run=False)
        played.trial.spec = dataclasses.replace(played.trial.spec, sandbox=SandboxConfig(name=place))
        played.run()
        for record in (played.folder / "verdicts").iterdir():
            record.unlink()
        assert again(played).identical


def test_a_journal_alone_can_be_replayed_where_its_blobs_are_beside_it(one, tmp_path):
    alone = tmp_path / "alone" / "journal.jsonl"
    alone.parent.mkdir()
    alone.write_bytes(one.journal.read_bytes())
    (one.folder / "blobs").rename(alone.parent / "blobs")
    assert asyncio.run(replay(alone)).identical


def test_a_masked_key_is_not_needed(play):
    key = "sk-0123456789abcdef"
    answers = [{"tool": "notes_add", "args": {"text": "x THE KEY"}}, "I wrote THE KEY."]
    played = play(BUSY.format(limits={}), thinking(*answers, api_key=key))
    assert key.encode() not in played.journal.read_bytes()
    assert b"I wrote [secret]" in played.journal.read_bytes()
    assert again(played).identical


def test_where_not_all_is_deterministic_what_is_promised_is_compared(play, monkeypatch):
    vague = BUSY.format(limits={}).replace("NOTES,", '{"notes": {"import_path": "thinking_agent:Vague"}},')
    answers = [{"tool": "notes_guess"}, {"tool": "notes_add", "args": {"text": "x"}}]
    played = play(vague, thinking(*answers), snapshot="auto")
    done = again(played)
    assert not done.exact
    assert done.identical, done.difference.text()
    assert 0 < done.compared < len(played.events()) / 2
    assert done.warnings == ()
    [told] = again(play(vague, thinking(*answers), snapshot="never")).warnings
    assert "recorded without snapshots: the rows of its world could not be compared" in told
    monkeypatch.setattr(thinking_agent.Vague, "drift", True)
    difference = again(played).difference
    assert difference.kind == "snapshot"
    assert difference.fields[0].place == "rows.notes"


# -- different ------------------------------------------------------------------------------------------------------


def changed_result(lines: Any) -> None:
    result = nth(lines, "tool_result")["data"]["result"]["fields"]
    result["content"] = result["content"].replace("Mail 0", "Mail 9")


def changed_rows(lines: Any) -> None:
    next(line for line in lines if line["data"].get("rows"))["data"]["rows"]["notes"] = "0" * 64


@pytest.mark.parametrize(
    ("change", "kind", "place"),
    [
        (changed_result, "tool_result", "result.content"),
        (lambda lines: nth(lines, "reward")["data"].update(value=7), "reward", "value"),
        (lambda lines: nth(lines, "verdict")["data"]["verdict"]["fields"].update(reward=0.5), "verdict", "reward"),
        (lambda lines: nth(lines, "change", 2)["data"].update(table="other"), "change", "table"),
        (lambda lines: nth(lines, "notice").update(time=5), "notice", "time"),
        (lambda lines: nth(lines, "return", 3)["data"].update(value="another"), "return", "value"),
        (lambda lines: nth(lines, "turn")["data"].update(instruction="Something else."), "turn", "instruction"),
        (lambda lines: nth(lines, "header")["data"].update(seed=9), "header", "seed"),
        (changed_rows, "snapshot", "rows.notes"),
    ],
)
def test_what_was_edited_is_found_and_shown(one, change, kind, place):
    edit(one, change)
    difference = again(one).difference
    assert difference.kind == kind
    assert difference.fields[0].place.endswith(place)
    assert len(difference.before) == min(4, difference.event - 1)
    assert difference.recorded != difference.replayed or len(difference.recorded) > 100


def test_a_changed_answer_is_a_changed_deed(one):
    def change(lines):
        [_text, use] = nth(lines, "model")["data"]["completion"]["fields"]["message"]["fields"]["content"]
        use["fields"]["input"]["text"] = "something else"

    edit(one, change)
    difference = again(one).difference
    assert (difference.kind, difference.fields[0].place) == ("tool_call", "arguments.text")
    assert (difference.fields[0].one, difference.fields[0].other) == ('"x"', '"something else"')


@pytest.mark.parametrize("kind", ["Thinking", "Measured"])
def test_a_program_that_asks_for_more_is_told_so(one, play, kind):
    played = play(BUSY.format(limits={}), thinking(kind=kind))
    played.write(BUSY.format(limits={}).replace("range(3)", "range(4)"))
    done = again(played)
    assert any("the task was changed since" in told for told in done.warnings)
    asks = "asks its model for answer 1 of its turn 4; the record holds 3 turns of it"
    assert done.difference.note.endswith(asks if kind == "Thinking" else "a turn that the record does not hold")


def test_answers_that_are_left_out_are_named(one):
    def change(lines):
        kept = [line for line in lines if line is not nth(lines, "model", 2)]
        return [{**line, "seq": number} for number, line in enumerate(kept, 1)]

    edit(one, change)
    note = again(one).difference.note
    assert "answer 3 of its turn 1; the record holds 2, and then the turn ended (completed)" in note


def test_a_program_that_stops_early_is_different_where_it_stops(one):
    one.write(BUSY.format(limits={}).replace("range(3)", "range(2)"))
    difference = again(one).difference
    assert "env.email.address" in difference.recorded
    assert "env.checking" in difference.replayed


def test_a_task_that_breaks_now_is_different_not_scored(one):
    one.write(BUSY.format(limits={}).replace("for turn in", "1 / 0\n        for turn in"))
    assert "ZeroDivisionError" in str(again(one).difference.replayed)


def test_other_versions_are_warnings_that_name_them(one):
    def change(lines):
        lines[0]["data"]["versions"] = {"terrarium": "0.0.7", "python": "3.9.1"}

    edit(one, change)
    done = again(one)
    assert done.identical
    assert [told.partition(" then, ")[0] for told in done.warnings] == ["terrarium: 0.0.7", "python: 3.9.1"]


def test_a_header_of_another_version_may_say_less(one):
    edit(one, lambda lines: [lines[0]["data"].pop(key) for key in ("sandbox", "deviations", "expects")] and None)
    assert again(one).identical


def test_a_record_that_says_something_else_than_its_journal_is_a_warning(one):
    [record] = (one.folder / "verdicts").iterdir()
    record.write_text(record.read_text().replace('"reward":1.0', '"reward":0.25'))
    [told] = again(one).warnings
    assert "one of them was edited" in told


# -- elsewhere ----------------------------------------------------------------------------------------------------


def test_a_task_that_has_moved_is_named(one, tmp_path):
    place = one.task.parent.rename(tmp_path / "elsewhere")
    done = again(one, task=place)
    assert done.identical
    assert "was called 'errand' and is now called 'elsewhere'" in done.warnings[0]
    with pytest.raises(NotReplayable) as caught:
        again(one, task=tmp_path / "nowhere")
    assert caught.value.code == "task-missing"


def test_an_agent_that_cannot_be_made_can_still_be_played(one, monkeypatch):
    monkeypatch.delattr(thinking_agent, "Thinking")
    with pytest.raises(NotReplayable, match=r"can be replayed \(--played\)") as caught:
        again(one)
    assert caught.value.code == "agent"
    assert again(one, played=True).identical


def test_a_trial_that_failed_by_the_machinery_says_that_this_is_not_replayed(play):
    source = """
        @entry(["notes"], NOTES)
        def fn(env, agent):
            agent.act("go")
            return run_checkers({})
    """
    played = play(source, thinking({"tool": "notes_collapse"}))
    assert "on fire" in played.error
    done = again(played)
    assert done.identical
    assert "CapabilityFault, a failure of the machinery" in done.warnings[0]


def test_under_the_wall_clock_all_but_the_rows_is_compared(play):
    source = """
        @entry(["notes"], NOTES, clock="wall")
        def fn(env, agent):
            env.notes.add("at a real time")
            env.after("20ms", lambda: env.notes.add("later"))
            env.clock.advance("30ms")
            agent.act("go")
            return run_checkers({"noted": lambda: env.notes.count() == 3})
    """
    done = again(play(source, thinking({"tool": "notes_add", "args": {"text": "x"}}), snapshot="auto"))
    assert done.identical, done.difference.text()
    assert not done.exact
    assert "the rows of its world were not compared" in done.warnings[-1]


def test_a_program_on_a_loop_of_its_own_with_conditions_and_posted_turns(play):
    source = """
        @entry(["notes"], NOTES, notices=["notes"])
        async def fn(env, agent):
            env.when(lambda: env.notes.count() >= 2, lambda: agent.post(f"two, {env.random.random()}"))
            env.every("3s", lambda: env.notes.leave("agent", f"{env.clock.now:%S}"), until="09:00:20")
            for turn in range(2):
                await agent.act(f"turn {turn}")
            await env.clock.advance("1m")
            return run_checkers({"fine": lambda: True})
    """
    answers = [{"tool": "notes_list"}, {"tool": "clock_wait", "args": {"minutes": 1}}, "a", "b", "c"]
    for kind in ("Thinking", "Measured"):
        done = again(play(source, thinking(*answers, kind=kind), snapshot="auto"))
        assert done.identical, done.difference.text()


@pytest.mark.parametrize("turn", [2, *(pytest.param(turn, marks=pytest.mark.soak) for turn in (1, 3))])
@pytest.mark.parametrize(
    "change",
    [
        {},
        {"instruction": "Something else."},
        {"inject": [{"call": "env.notes.add", "args": {"text": "y"}}]},
        {"seed": 7},
        {"agent": AgentConfig(name="null")},
    ],
)
def test_a_fork_is_replayed_from_the_beginning_of_its_trial(play, turn, change):
    parent = play(BUSY.format(limits={}), "random", snapshot="every-turn", seed=2)
    run = RunFolder(parent.folder)
    spec = fork(run, parent.trial.spec, turn, **change)
    assert runtime().submit(run_fork(run, spec)).result().scored
    journal = run.tries(spec.id)[-1] / "journal.jsonl"
    done = asyncio.run(replay(journal))
    assert done.identical, done.difference.text()
    assert done.exact
    record = run.path / "verdicts" / f"{spec.id}.json"
    record.unlink()
    assert asyncio.run(replay(journal)).identical
