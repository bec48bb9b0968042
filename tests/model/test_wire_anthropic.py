"""What is particular in the wire format of Anthropic."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from terrarium.core.message import ImageBlock, Message, ToolResultBlock, ToolUseBlock, Usage
from terrarium.core.model import Completion
from terrarium.core.tool import foreign_tool
from terrarium.model.wire.anthropic import AnthropicWire
from terrarium.model.wire.wire import Asked

ANTHROPIC = AnthropicWire()
ASKED = Asked("claude", [Message("user", "hello")])
PNG = ImageBlock(b"\x89PNG...", "image/png")


def tool_of(name: str, description: str, fields: dict[str, Any]) -> Any:
    return foreign_tool(name, description, {"type": "object", "properties": fields}, lambda given: None)


def test_anthropic_has_four_cache_marks_at_most_and_results_come_first():
    messages = [Message("system", "s"), Message("system", "t")]
    for number in range(4):
        call = ToolUseBlock(f"c{number}", "f")
        messages += [Message("user", "go on"), Message("assistant", [call])]
        messages += [Message("user", "by the way"), Message("tool", [ToolResultBlock(f"c{number}", "", images=[PNG])])]
    body = ANTHROPIC.request("claude", messages, [tool_of("f", "", {})] * 3, {"cache": True})
    assert json.dumps(body).count("cache_control") == 4
    roles = [turn["role"] for turn in body["messages"]]
    assert all(one != other for one, other in itertools.pairwise(roles))
    assert body["messages"][2]["content"][0]["type"] == "tool_result"
    assert "cache_control" not in json.dumps(ANTHROPIC.request("claude", messages, [], {}))


def test_anthropic_counts_the_whole_input():
    usage = {"input_tokens": 10, "cache_read_input_tokens": 200, "cache_creation_input_tokens": 30, "output_tokens": 7}
    body = {"content": [{"type": "text", "text": "x"}], "stop_reason": "end_turn", "usage": usage}
    assert ANTHROPIC.read_answer(body).usage == Usage(240, 7, 200, 0, 30)


@pytest.mark.parametrize(
    ("reason", "stop"),
    [("pause_turn", "other"), ("model_context_window_exceeded", "length"), ("stop_sequence", "end"), (None, "other")],
)
def test_anthropic_stop_reasons(reason, stop):
    body = {"content": [{"type": "text", "text": "x"}], "stop_reason": reason}
    assert ANTHROPIC.read_answer(body).stop == stop


def test_anthropic_keeps_redacted_thinking_and_sends_it_back():
    part = {"type": "redacted_thinking", "data": "c2VhbGVk"}
    message = ANTHROPIC.read_answer({"content": [part], "stop_reason": "end_turn"}).message
    assert ANTHROPIC.request("claude", [message], [], {})["messages"][0]["content"] == [part]
    body = ANTHROPIC.answer(Completion(message), ASKED)
    assert body["content"] == [part]
    assert ANTHROPIC.assemble(event for _, event in ANTHROPIC.events(Completion(message), ASKED)) == body


def test_anthropic_reads_what_it_has_no_word_for_by_its_name():
    content = [
        {"type": "document", "source": {"type": "url"}},
        {"type": "image", "source": {"type": "url", "url": "x"}},
    ]
    asked = ANTHROPIC.read_request({"model": "m", "messages": [{"role": "user", "content": content}]})
    assert asked.messages[0].text == "[document]\n[image]"


def test_anthropic_closes_every_object_of_a_schema():
    schema = {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "object", "properties": {}}}}}
    sent = ANTHROPIC.request("claude", [], [], {}, schema)["output_config"]["format"]["schema"]
    assert sent["additionalProperties"] is False
    assert sent["properties"]["a"]["items"]["additionalProperties"] is False
