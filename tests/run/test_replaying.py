"""A recorded trial goes the same way again, without its model; where it does not, the place is named."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import thinking_agent

from terrarium.core.errors import NotReplayable
from terrarium.run.config import AgentConfig, SandboxConfig
from terrarium.run.replaying import Replay, replay

BUSY = """
    @entry(["notes", "email"], NOTES, notices=["notes"], limits={limits})
    def fn(env, agent):
        def ring(times: int) -> str:
            "Ring the bell."
            env.reward("rung", times)
            return "ding " * times
        agent.register_tools(ring)
        env.after("4s", lambda: env.notes.leave("agent", f"late {{env.random.random()}}"))
        env.notes.add("long " * 20_000)
        for turn in range(3):
            env.email.send("ann@corp.example", env.email.address(), f"Mail {{turn}}", "News.")
            try:
                agent.act(f"Turn {{turn}}: what is new?")
            except TerrariumError as error:
                env.reward(f"{{type(error).__name__}}: {{error}}", 0)
        return run_checkers({{"noted": lambda: env.notes.count() >= 2, "told": lambda: "x" in env.notes.texts()}})
"""
ANSWERS = [
    [{"tool": "email_list"}, {"tool": "notes_add", "args": {"text": "x"}}],
    {"tool": "ring", "args": {"times": 2}},
    "One mail.",
    {"tool": "notes_list"},
    {"tool": "no_such_tool", "args": {"x": 1}},
    "Two mails.",
    {"tool": "notes_add", "args": {}},
    "Three mails.",
]


def thinking(*answers: Any, kind: str = "Thinking", **more: Any) -> AgentConfig:
    kwargs = {"answers": list(answers or ANSWERS), **more}
    return AgentConfig(name="thinking", import_path=f"thinking_agent:{kind}", model_name=None, kwargs=kwargs)


def again(trial: Any, **more: Any) -> Replay:
    """Replay it: the model is not asked, and no byte of the run changes."""
    asked, before = len(thinking_agent.ASKED), content(trial.folder)
    try:
        return asyncio.run(replay(trial.journal, **more))
    finally:
        assert len(thinking_agent.ASKED) == asked, "the model was asked"
        assert content(trial.folder) == before, "the run was touched"


def content(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(params=["auto", "never", "every-turn"])
def busy(play: Any, request: pytest.FixtureRequest) -> Any:
    return play(BUSY.format(limits={}), thinking(), snapshot=request.param)


@pytest.fixture
def one(play: Any) -> Any:
    return play(BUSY.format(limits={}), thinking(), snapshot="auto")


def edit(played: Any, change: Callable[[list[dict[str, Any]]], Any]) -> None:
    """Rewrite a journal, line by line."""
    lines = [json.loads(line) for line in played.journal.read_bytes().splitlines()]
    lines = change(lines) or lines
    played.journal.write_bytes(b"".join(json.dumps(line).encode() + b"\n" for line in lines))


def nth(lines: list[dict[str, Any]], kind: str, number: int = 0) -> dict[str, Any]:
    return [line for line in lines if line["kind"] == kind][number]


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
    assert [told.partition(" and is")[0] for told in done.warnings] == [
        'versions.terrarium was "0.0.7"',
        'versions.python was "3.9.1"',
    ]


def test_a_header_of_another_version_may_say_less(one):
    edit(one, lambda lines: [lines[0]["data"].pop(key) for key in ("sandbox", "deviations", "expects")] and None)
    assert again(one).identical


def test_a_record_that_says_something_else_than_its_journal_is_a_warning(one):
    [record] = (one.folder / "verdicts").iterdir()
    record.write_text(record.read_text().replace('"reward":1.0', '"reward":0.25'))
    [told] = again(one).warnings
    assert "one of them was edited" in told


# -- not replayable -------------------------------------------------------------------------------------------------


def without_answer_blob(played: Any) -> None:
    edit(
        played, lambda lines: nth(lines, "model")["data"].update(completion={"$blob": "0" * 64, "of": "str", "size": 9})
    )


@pytest.mark.parametrize(
    ("spoil", "code", "told"),
    [
        (lambda p: p.journal.write_bytes(p.journal.read_bytes()[:-3]), "unfinished", "or the end is lost"),
        (lambda p: edit(p, lambda lines: lines[:20]), "unfinished", "it ends with event 20"),
        (
            lambda p: edit(p, lambda lines: [*lines[:8], lines[9], lines[8], *lines[10:]]),
            "damaged",
            "9 to 9 are missing",
        ),
        (lambda p: edit(p, lambda lines: [*lines[:9], lines[3], *lines[9:]]), "damaged", "are not in order"),
        (lambda p: edit(p, lambda lines: [*lines[:9], *lines[12:]]), "damaged", "events 10 to 12 are missing"),
        (lambda p: edit(p, lambda lines: lines[1:]), "damaged", "events 1 to 1 are missing"),
        (lambda p: edit(p, lambda lines: lines[0].update(kind="turn")), "no-header", "does not begin with a header"),
        (lambda p: edit(p, lambda lines: lines[0]["data"].update(schema=99)), "schema", "it is of schema 99"),
        (lambda p: p.journal.write_bytes(b""), "no-header", "does not begin with a header"),
        (lambda p: p.journal.write_bytes(b"\x00\xff\n" * 9), "damaged", "line 1 is damaged"),
        (lambda p: p.journal.write_bytes(b"[]\n[]\n"), "damaged", "line 1 is damaged"),
        (without_answer_blob, "blob-missing", "blob 000000000000 is missing"),
        (lambda p: p.task.unlink(), "task-missing", "say where it is with --task"),
        (lambda p: p.write("1 / 0"), "task-broken", "ZeroDivisionError"),
        (lambda p: p.write("x = 1"), "task-broken", "has no task"),
    ],
)
def test_what_cannot_be_replayed_says_why_and_is_left_alone(one, spoil, code, told):
    spoil(one)
    with pytest.raises(NotReplayable, match=told) as caught:
        again(one)
    assert caught.value.code == code


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
