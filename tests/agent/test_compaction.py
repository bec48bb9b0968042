"""Compaction: what gives way in a long conversation, and that what is left is still one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from dialogue import ASKED, talking, told
from hypothesis import given
from hypothesis import strategies as st

from terrarium.agent.tool_loop.compaction import Room, summary, trim
from terrarium.agent.tool_loop.history import Exchange, History, tokens_of
from terrarium.core.errors import ModelRefused
from terrarium.core.message import ImageBlock, Message, TextBlock, ToolResultBlock, ToolUseBlock, Usage
from terrarium.core.model import Completion
from terrarium.run.replaying import replay
from terrarium.run.trial import Trial

TASK = """
def look() -> str:
    \"\"\"Look.\"\"\"
    return "word " * 400

@entry()
def fn(env, agent):
    agent.register_tools(look)
    for number in range(2):
        env.reward(agent.act(f"instruction {number}").text, 0)
    return run_checkers({"so": lambda: True})
"""

LOOK = ToolUseBlock("", "look", {})


def paired(messages: Sequence[Message]) -> None:
    """Every result stands behind its call, and every call has one."""
    open_calls: list[str] = []
    for message in messages:
        if message.role == "tool":
            assert [block.tool_use_id for block in message.content] == open_calls
            open_calls = []
        else:
            assert not open_calls
            open_calls = [use.id for use in message.tool_uses]
    assert not open_calls


def asking(word: str):
    """A model that looks many times in each turn; where it is asked for a summary, it gives one."""
    state = {"done": 0}

    def answer(messages):
        if "Summarize the work" in messages[-1].text:
            return word
        state["done"] += 1
        return [LOOK, LOOK] if state["done"] % 13 else f"end {state['done'] // 13}"

    return answer


@pytest.mark.parametrize("strategy", ["trim", "summary"])
def test_a_long_trial_stays_within_its_context(play, strategy):
    config = talking(asking("WHAT WAS"), context=6000, compaction=strategy, keep=3)
    played = play(TASK, config)
    assert played.reward == 1.0
    assert played.said == ["end 1", "end 2"]
    for messages, tools in ASKED:
        paired(messages)
        assert sum(map(tokens_of, messages)) < 7500
        if tools:
            assert any("instruction" in message.text for message in messages)
    assert "instruction 1" in told()
    assert ("Summary of" in told()) == ("WHAT WAS" in told()) == (strategy == "summary")
    if strategy == "summary":
        asked_for = [messages for messages, tools in ASKED if not tools]
        assert 0 < len(asked_for) == len(played.events("model")) - 26
        assert not any(message.tool_uses for messages in asked_for for message in messages)


def test_without_compaction_everything_is_sent(play):
    for settings in ({"context": 0}, {"context": 100, "compaction": "none"}):
        play(TASK, talking(asking(""), **settings))
        assert sum(map(tokens_of, ASKED[-1][0])) > 20_000


def test_what_was_counted_decides(play):
    """A model whose tokens are many: its usage is believed, not the characters."""

    def answer(messages):
        if len(messages) > 40:
            raise AssertionError("nothing gave way")
        done = sum(message.role == "assistant" for message in ASKED[-1][0])
        usage = Usage(90_000 if done > 3 else 10, 1)
        content = [TextBlock("end")] if len(ASKED) % 13 == 0 else [LOOK]
        return Completion(Message("assistant", content), usage=usage)

    assert play(TASK, talking(answer, context=50_000)).reward == 1.0
    assert "older exchanges were left out" in told()


@pytest.mark.parametrize(
    "error",
    [
        ModelRefused("no", code="context_length_exceeded"),
        ModelRefused("prompt is too long: 215000 tokens > 200000 maximum", code="400"),
        ModelRefused("This model's maximum context length is 4096 tokens", code="400"),
        ModelRefused("The input token count exceeds the maximum number of tokens allowed"),
    ],
)
def test_a_model_that_takes_less_is_asked_with_less(play, error):
    def answer(messages):
        if sum(map(tokens_of, messages)) > 4000:
            raise error
        return "end" if len(ASKED) % 13 == 0 else [LOOK, LOOK]

    played = play(TASK, talking(answer))
    assert played.reward == 1.0
    assert len(ASKED) > len(played.events("model"))
    played = play(TASK, talking(answer, context=0))
    assert str(error) in played.error


async def drop_all(exchanges, room):
    return [exchange for exchange in exchanges if exchange.instruction][-1:] + exchanges[-1:]


async def nonsense(exchanges, room):
    return "nothing"


def test_a_strategy_of_ones_own(play):
    config = talking(asking(""), context=3000, compaction="test_compaction:drop_all")
    assert play(TASK, config).reward == 1.0
    assert max(len(messages) for messages, _ in ASKED) < 12
    played = play(TASK, talking(asking(""), context=3000, compaction="test_compaction:nonsense"))
    assert "must give a list of exchanges" in played.error


def exchange(size: int, calls: int, number: int) -> Exchange:
    uses = [ToolUseBlock(f"c{number}_{place}", "look", {}) for place in range(calls)]
    answers = [ToolResultBlock(use.id, "x" * size, images=[ImageBlock(b"x")] if size % 2 else []) for use in uses]
    messages = [Message("assistant", [TextBlock("t" * 10), *uses])]
    return Exchange([*messages, *([Message("tool", answers)] if answers else []), Message("user", "note")])


@given(
    st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 3)), max_size=12),
    st.integers(0, 12),
    st.integers(0, 8000),
    st.integers(1, 5),
)
def test_trimming_never_breaks_a_pair_and_keeps_the_last(sizes, place, tokens, keep):
    made = [exchange(size, calls, number) for number, (size, calls) in enumerate(sizes)]
    made.insert(min(place, len(made)), Exchange([Message("user", "do it")], instruction=True))
    before = sum(one.tokens for one in made)

    async def ask(messages):
        raise AssertionError("trimming asks nobody")

    after = asyncio.run(trim(list(made), Room(tokens, keep, ask)))
    paired([message for one in after for message in one.messages])
    assert sum(one.instruction for one in after) == 1
    assert len(after) >= min(keep, len(made))
    assert sum(one.tokens for one in after) <= before + 30
    if before <= tokens:
        assert after == made
    again = asyncio.run(trim(list(after), Room(tokens, keep, ask)))
    assert sum(one.tokens for one in again) <= sum(one.tokens for one in after) + 30


def test_a_summary_that_says_nothing_is_none():
    made = [exchange(3000, 1, number) for number in range(9)]
    made.insert(0, Exchange([Message("user", "do it")], instruction=True))

    async def silent(messages):
        return "  "

    after = asyncio.run(summary(made, Room(600, 2, silent)))
    assert "were left out" in after[0].messages[0].text
    assert sum(one.tokens for one in after) <= 650


def test_sizes_are_counted_once_and_kept_over_save():
    history = History()
    history.instruct(Message("user", "x" * 400))
    assert history.size(lambda: ["y" * 400]) == 204
    history.answer(Message("assistant", [TextBlock("z" * 40)]), 1000)
    assert history.size(lambda: []) == 1000 + 14
    history.add(Message("user", [TextBlock("w" * 40)]))
    twin = History()
    twin.load(history.saved())
    assert twin.size(lambda: []) == history.size(lambda: []) == 1000 + 28


@pytest.mark.parametrize("settings", [{"compaction": "summary"}, {"compaction": "trim", "calls": "text"}])
def test_a_trial_with_compaction_is_replayed_without_its_model(play, settings):
    def answer(messages):
        if "Summarize the work" in messages[-1].text:
            return "SUMMARY"
        if len(ASKED) % 11 == 0:
            return "end"
        return '<tool name="look"></tool>' if "calls" in settings else [LOOK, LOOK]

    played = play(TASK, talking(answer, context=4000, keep=2, **settings))
    assert played.reward == 1.0
    asked = len(ASKED)
    done = asyncio.run(replay(played.journal))
    assert done.identical, done.difference.text()
    assert len(ASKED) == asked


def test_a_trial_that_is_killed_around_a_summary_goes_on(play):
    def answer(messages):
        if "Summarize the work" in messages[-1].text:
            return "SUMMARY"
        return [LOOK]

    config = talking(answer, context=2500, keep=2, compaction="summary")
    played = play(TASK, config, snapshot="every-step", limits={"steps": 9})
    assert played.reward == 1.0
    whole, steps = played.parts(), played.events("model")
    summaries = [number for number, step in enumerate(steps) if step.data["completion"].message.text == "SUMMARY"]
    assert len(summaries) > 2
    for number in (summaries[0], summaries[0] + 1):
        played.crash_behind(played.events("model")[number], more=0)
        assert Trial(played.config).run_sync().verdict.reward == 1.0
        assert played.parts()[1:] == whole[1:]
