"""What a model answers is cut down to what can be kept, written down and sent on."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from terrarium.core.containment import CALLS_LIMIT, NAME_LIMIT, TEXT_LIMIT, contained, plain_call
from terrarium.core.message import Message, TextBlock, ThinkingBlock, ToolUseBlock
from terrarium.core.model import Completion
from terrarium.core.tool import ToolCall
from terrarium.core.values import canonical


def answer(*blocks) -> Completion:
    return Completion(Message("assistant", list(blocks)))


def nested(depth: int):
    value: object = 1
    for _ in range(depth):
        value = {"a": value}
    return value


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=30)
@given(st.text(), st.text(), plain)
def test_what_is_within_bounds_stays_as_it_is(text, name, value):
    completion = answer(TextBlock(text), ThinkingBlock(text), ToolUseBlock("id", name, value))
    assert contained(completion) == completion


def test_text_and_thinking_are_cut():
    found = contained(answer(ThinkingBlock("t" * 9_000_000), TextBlock("x" * 600_000), TextBlock("y" * 50_000_000)))
    thinking, one, two = found.message.content
    assert len(thinking.thinking) < TEXT_LIMIT + 100
    assert len(one.text) == 600_000
    assert len(two.text) < TEXT_LIMIT - 600_000 + 100
    assert two.text.endswith("more characters]")
    assert len(contained(Completion(Message("assistant", "z" * 9_000_000))).message.text) < TEXT_LIMIT + 100


def test_calls_beyond_a_thousand_are_left_out():
    found = contained(answer(TextBlock("so"), *[ToolUseBlock(str(n), "a", {}) for n in range(10_000)]))
    assert [use.id for use in found.message.tool_uses] == [str(n) for n in range(CALLS_LIMIT)]
    assert found.message.text == "so\n[left out: 9000 more tool calls]"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (nested(65), "nested more than"),
        (nested(100_000), "nested more than"),
        ({"a": "x" * 2_000_000}, "more than 1048576 characters"),
        ([0] * 1_100_000, "more than 1048576 characters"),
        ({str(n): {} for n in range(300_000)}, "more than 1048576 characters"),
        ("x" * 2_000_000, "more than 1048576 characters"),
    ],
)
def test_arguments_that_are_too_much_become_a_text(value, told):
    [use] = contained(answer(ToolUseBlock("1", "a", value))).message.tool_uses
    assert told in use.input
    assert len(use.input) < 100
    while isinstance(value, dict) and len(value) == 1:  # deep ones are taken apart here, not by the interpreter
        value = value.popitem()[1]


def test_arguments_of_all_calls_count_together():
    uses = contained(answer(*[ToolUseBlock(str(n), "a", {"t": "x" * 400_000}) for n in range(4)])).message.tool_uses
    assert [isinstance(use.input, dict) for use in uses] == [True, True, False, False]


def test_names_and_ids_of_a_megabyte():
    one, two = contained(
        answer(ToolUseBlock("i" * 10**6, "n" * 10**6, {}), ToolUseBlock("j" * 10**6, "m", {}))
    ).message.tool_uses
    assert len(one.name) == NAME_LIMIT + 3
    assert len(one.id) == len(two.id) == 64
    assert one.id != two.id


def test_lone_surrogates_become_question_marks():
    found = contained(answer(TextBlock("a\ud800b"), ToolUseBlock("i\udcff", "n\udfff", {"k\ud800": ["\ud800", "ü"]})))
    canonical(found.message).encode()
    text, use = found.message.content
    assert (text.text, use.id, use.name, use.input) == ("a?b", "i?", "n?", {"k?": ["?", "ü"]})


def test_control_characters_are_kept_and_written_as_ascii():
    completion = answer(TextBlock("\x1b[2J\x00\x07\u202e"))
    assert contained(completion) is completion
    assert canonical(completion).isascii()
    assert "\x1b" not in canonical(completion)


def test_any_call_can_be_written_down():
    deep = nested(300)
    for arguments in (deep, nested(100_000), {1: 2}, object(), {"a": {1, 2}}, [10 ** (10**6)]):
        call = plain_call(ToolCall("n" * 10**6, arguments, "i" * 10**6))
        json.loads(canonical(call))
        assert len(call.name) < 300
        assert len(call.id) == 64
        while isinstance(arguments, dict) and "a" in arguments:
            arguments = arguments.popitem()[1]
    big = ToolCall("write", {"content": "x" * 5_000_000}, "1")
    assert plain_call(big) == big
