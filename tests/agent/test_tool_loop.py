"""The tool loop: calls, results, notices, budgets, and whatever a model may answer instead."""

from __future__ import annotations

import json

import pytest
from dialogue import ASKED, talking, told

from terrarium.agent.tool_loop.tool_loop import ToolLoopAgent
from terrarium.core.errors import ConfigError
from terrarium.core.message import ImageBlock, Message, TextBlock, ToolResultBlock, ToolUseBlock
from terrarium.core.model import Completion
from terrarium.model.scripted import ScriptedModel
from terrarium.run.trial import Trial

TASK = """
@entry(["notes"], NOTES)
def fn(env, agent):
    for number in range(TURNS):
        reply = agent.act(f"round {number}")
        env.reward(f"{reply.stop}: {reply.text}", 0)
    return run_checkers({"so": lambda: True})
"""


def add(text: str) -> dict:
    return {"tool": "notes_add", "args": {"text": text}}


@pytest.fixture
def turns(play):
    """`turns(2, answers...)`: what each turn came to, and the trial."""

    def go(number, *answers, limits=None, source=TASK, **settings):
        played = play(source.replace("TURNS", str(number)), talking(*answers, **settings), limits=limits)
        assert played.reward == 1.0
        return played.said, played

    return go


def results(request: int = -1) -> list[ToolResultBlock]:
    """The results in the last message of a request."""
    content = ASKED[request][0][-1].content
    return [block for block in content if isinstance(block, ToolResultBlock)]


def test_calls_are_carried_out_in_order_and_text_ends_the_turn(turns):
    said, played = turns(2, [{"say": "I look."}, add("a"), add("b"), add("c")], "first", add("d"), "second")
    assert said == ["completed: first", "completed: second"]
    calls = [event.data["arguments"]["text"] for event in played.events("tool_call")]
    assert calls == ["a", "b", "c", "d"]
    messages, tools = ASKED[1]
    assert "notes_add" in tools
    assert [message.role for message in messages] == ["system", "user", "assistant", "tool"]
    assert [block.tool_use_id for block in results(1)] == [use.id for use in messages[2].tool_uses]
    assert [message.role for message in ASKED[3][0]][-3:] == ["user", "assistant", "tool"]


def test_prompts_of_task_and_agent_come_first(turns):
    source = TASK.replace("    for", '    agent.system_prompt = "You are a clerk."\n    for')
    turns(1, "done", source=source, system="Be quick.")
    assert ASKED[0][0][0] == Message("system", "You are a clerk.\n\nBe quick.")
    turns(1, "done", system="")
    assert ASKED[0][0][0].role == "user"


def test_what_is_no_call_is_answered_with_an_error_that_programs_can_read(turns):
    wrong = [
        {"tool": "notes_ad", "args": {}},
        {"tool": "notes_add", "args": {"txt": 1}},
        ToolUseBlock("x", "notes_add", '{"text": '),
        ToolUseBlock("y", "notes_add", [1]),
    ]
    said, played = turns(1, wrong, "done")
    assert said == ["completed: done"]
    errors = [json.loads(block.content)["error"] for block in results(1)]
    assert [error["code"] for error in errors] == ["unknown_tool", *["bad_arguments"] * 3]
    assert "notes_add" in errors[0]["expected"]["tool"]["enum"]
    assert errors[1]["expected"]["required"] == ["text"]
    assert "not JSON" in errors[2]["message"]
    assert "must be an object" in errors[3]["message"]
    assert [event.data["result"].error for event in played.events("tool_result")] == [e["code"] for e in errors]


def test_arguments_as_text_that_is_json_are_taken(turns):
    _, played = turns(1, ToolUseBlock("x", "notes_add", '{"text": "hello"}'), "done")
    assert played.events("tool_result")[0].data["result"].error is None


def test_malformed_answers_in_a_row_end_the_turn(turns):
    said, _ = turns(1, {"tool": "nosuch"}, {"tool": "nosuch"}, add("good"), {"tool": "nosuch"}, malformed=3)
    assert said == ["gave_up: "]
    assert len(ASKED) == 6


def test_ids_that_are_missing_or_come_twice_are_mended(turns):
    twice = [ToolUseBlock("a", "notes_add", {"text": "1"}), ToolUseBlock("a", "notes_add", {"text": "2"})]
    missing = [ToolUseBlock("", "notes_add", {"text": "3"}), ToolUseBlock("", "notes_add", {"text": "4"})]
    _, played = turns(1, twice, missing, twice, "done")
    uses = [use.id for message in ASKED[-1][0] for use in message.tool_uses]
    assert len(uses) == len(set(uses)) == 6
    assert "" not in uses
    given = [block.tool_use_id for m in ASKED[-1][0] if m.role == "tool" for block in m.content]
    assert given == uses
    written = [use.id for event in played.events("model") for use in event.data["completion"].message.tool_uses]
    assert written == uses == [event.data["id"] for event in played.events("tool_call")]


def test_an_empty_answer_is_asked_again_and_then_given_up(turns):
    said, _ = turns(2, "", [], "now", "  ", nudges=2)
    assert said == ["completed: now", "gave_up: "]
    assert "Your answer was empty" in told(1)
    assert len(ASKED) == 6


def cut(text: str, stop: str = "length") -> Completion:
    return Completion(Message("assistant", [TextBlock(text)]), stop)


def test_an_answer_that_was_cut_off_goes_on(turns):
    said, _ = turns(1, cut("one, "), cut("two, "), "three")
    assert said == ["completed: one, two, three"]
    assert "cut off" in told(1)
    said, _ = turns(1, cut("x"), nudges=1)
    assert said == ["gave_up: xx"]


def test_a_refusal_ends_the_turn_with_its_words(turns):
    assert turns(1, cut("I will not.", "refusal"))[0] == ["gave_up: I will not."]
    assert turns(1, cut("", "refusal"))[0] == ["gave_up: "]


def test_a_limit_in_the_middle_of_an_answer_leaves_no_call_without_a_result(turns):
    limits = {"tool_calls": 2}
    said, _ = turns(2, [add("a"), add("b"), add("c")], add("d"), "end", limits=limits)
    assert said == ["tool_call_limit: ", "completed: end"]
    messages = ASKED[-1][0]
    uses = [use.id for message in messages for use in message.tool_uses]
    found = [block for message in messages if message.role == "tool" for block in message.content]
    assert [block.tool_use_id for block in found] == uses
    assert found[2].is_error
    assert "not carried out" in found[2].content


def test_steps_end_and_the_trial_is_judged(turns):
    said, played = turns(1, add("a"), limits={"steps": 3})
    assert said == ["step_limit: "]
    assert played.result.verdict.passed


PICTURES = """
from terrarium.core.message import ImageBlock

@entry()
def fn(env, agent):
    def one() -> ImageBlock:
        \"\"\"A picture.\"\"\"
        return ImageBlock(b"PNG")

    def more() -> list[ImageBlock]:
        \"\"\"Two.\"\"\"
        return [ImageBlock(b"1"), ImageBlock(b"2")]

    agent.register_tools(one, more)
    agent.act("look")
    return run_checkers({"so": lambda: True})
"""


@pytest.mark.parametrize("calls", ["native", "text"])
def test_images_of_tools_are_shown(turns, calls):
    asked = [{"tool": "one"}, {"tool": "more"}]
    if calls == "text":
        asked = '<tool name="one"></tool><tool name="more">{}</tool>'
    turns(1, asked, "seen", source=PICTURES, calls=calls)
    content = ASKED[1][0][-1].content
    shown = [image for block in content for image in (block.images if calls == "native" else [block])]
    assert [image.data for image in shown if isinstance(image, ImageBlock)] == [b"PNG", b"1", b"2"]


NOTICES = """
@entry(["email"], notices=["email"])
def fn(env, agent):
    env.after("30m", lambda: env.email.send("ann@corp.example", "agent@world.example", "Lunch?", "Noon?"))
    env.reward(agent.act("wait for mail").text, 0)
    return run_checkers({"so": lambda: True})
"""


def test_it_waits_and_is_told_what_came(turns):
    said, played = turns(1, {"tool": "clock_wait", "args": {"minutes": 120}}, "it came", source=NOTICES)
    assert said == ["it came"]
    assert "[notice from email] " in told(1)
    assert "Lunch?" in told(1)
    assert ASKED[1][0][-1].role == "user"
    [result] = played.events("tool_result")
    assert 29 < result.data["result"].value["waited_minutes"] < 31


def test_it_is_told_once_of_each_budget_that_runs_out(turns):
    limits = {"steps": 10, "tool_calls": 5, "tokens": 10**9}
    said, _ = turns(2, *[add("x")] * 4, "one", *[add("x")] * 4, "two", limits=limits)
    assert said == ["completed: one", "completed: two"]
    assert told().count("You have used 4 of 5 tool calls of this turn.") == 2  # each turn has its own
    assert "steps" not in told()
    turns(1, *[add("x")] * 8, "end", limits={"steps": 10}, warn_at=0.5)
    assert told().count("You have used 5 of 10 steps of this turn.") == 1
    turns(1, *[add("x")] * 8, "end", limits={"steps": 10}, warn_at=1)
    assert "You have used" not in told()


def priced(text: str) -> Completion:
    message = Message("assistant", [ToolUseBlock("", "notes_add", {"text": text})])
    return Completion(message, "tool_use", cost=0.3)


def test_money_tokens_and_world_time_run_out_too(turns):
    turns(1, priced("a"), priced("b"), priced("c"), "end", limits={"cost": 1.0})
    assert "You have used $0.90 of $1.00 of all your turns." in told()
    turns(1, add("a"), add("b"), "end", limits={"tokens": 1000}, warn_at=0.01)
    assert "of 1,000 tokens of all your turns." in told()
    turns(1, add("a"), "end", limits={"model_cost": "20h", "world_days": 1})
    assert "You have used 20.0 of 24.0 hours of world time of all your turns." in told()
    said, _ = turns(1, priced("a"), limits={"cost": 1.0})
    assert said == ["cost_limit: "]


def test_a_long_result_shows_head_and_tail(turns):
    source = TASK.replace("    for", "    agent.register_tools(long)\n    for").replace(
        "@entry", 'def long() -> str:\n    """Long."""\n    return "a" * 5000 + "b" * 5000\n\n@entry'
    )
    turns(1, {"tool": "long"}, "end", source=source, result_limit=300)
    [block] = results(1)
    assert block.content == "a" * 200 + "\n[left out: 9700 characters]\n" + "b" * 100


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"calls": "nativ"}, "did you mean 'native'"),
        ({"compaction": "sumary"}, "did you mean 'summary'"),
        ({"compaction": "nowhere:fn"}, "cannot be imported"),
        ({"context": -1}, "context must be a whole number of at least 0"),
        ({"keep": True}, "keep must be"),
        ({"warn_at": 0}, "warn_at must be"),
        ({"malformed": "x"}, "malformed must be"),
    ],
)
def test_bad_settings_are_refused(settings, told):
    with pytest.raises(ConfigError, match=told):
        ToolLoopAgent(ScriptedModel([]), **settings)


def test_its_memory_in_the_middle_of_a_turn_is_all_it_needs(play):
    """Saved before each step, and loaded into another one: it asks the same again, and comes to the same end."""

    def use(text: str) -> ToolUseBlock:
        return ToolUseBlock("", "notes_add", {"text": text})  # with ids that do not come from the model

    plan = [use("a"), "", use("b"), "one", use("c"), "two"]

    def answer(messages):
        return plan[sum(message.role == "assistant" for message in messages)]

    source = TASK.replace("TURNS", "2")
    played = play(source, talking(answer), snapshot="every-step")
    assert played.reward == 1.0
    whole, asked = played.parts(), [request for request, _ in ASKED]
    assert len(asked) == len(plan)
    for number in range(1, len(plan)):
        ASKED.clear()
        played.crash_behind(played.events("model")[number], more=0)
        assert Trial(played.config).run_sync().verdict.reward == 1.0
        assert played.parts()[1:] == whole[1:]
        again = [request for request, _ in ASKED]
        assert 0 < len(again) <= len(plan) - number
        assert again == asked[-len(again) :]
