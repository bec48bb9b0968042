"""Tools in a namespace, which Responses alone has, are tools like any other to a model of another provider."""

from __future__ import annotations

from terrarium.core.message import Message, ToolUseBlock, Usage
from terrarium.core.model import Completion
from terrarium.model.wire.openai_responses import OpenAIResponsesWire


def test_a_tool_of_a_namespace_is_offered_called_and_remembered() -> None:
    wire = OpenAIResponsesWire()
    inner = {"type": "function", "name": "email_list", "parameters": {"type": "object", "properties": {}}}
    call = {
        "type": "function_call",
        "call_id": "c1",
        "namespace": "mcp__world",
        "name": "email_list",
        "arguments": "{}",
    }
    body = {
        "model": "m",
        "tools": [{"type": "namespace", "name": "mcp__world", "tools": [inner, {"type": "web_search"}]}],
        "input": [
            {"type": "message", "role": "user", "content": "read"},
            call,
            {"type": "function_call_output", "call_id": "c1", "output": "none"},
        ],
    }
    asked = wire.read_request(body)
    assert [tool.name for tool in asked.tools] == ["mcp__world__email_list"]
    assert asked.messages[1].tool_uses[0].name == "mcp__world__email_list"
    message = Message("assistant", [ToolUseBlock("c2", "mcp__world__email_list", {}), ToolUseBlock("c3", "bash", {})])
    first, second = wire.answer(Completion(message, "tool_use", Usage(), "m"), asked)["output"]
    assert (first["namespace"], first["name"]) == ("mcp__world", "email_list")
    assert (second.get("namespace"), second["name"]) == (None, "bash")
