"""Messages as text and as blocks."""

from __future__ import annotations

from terrarium.core.message import ImageBlock, Message, TextBlock, ThinkingBlock, ToolUseBlock, Usage
from terrarium.core.values import decode, encode


def test_text_and_tool_uses():
    use = ToolUseBlock("1", "search", {"q": "x"})
    message = Message("assistant", [ThinkingBlock("hm"), TextBlock("a"), use, TextBlock("b"), ImageBlock(b"\x89")])
    assert message.text == "a\nb"
    assert message.tool_uses == [use]
    assert (Message("user", "hi").text, Message("user", "hi").tool_uses) == ("hi", [])
    assert decode(encode(message)) == message


def test_usage_adds_up():
    assert Usage(1, 2, 3, 4) + Usage(10, 20) == Usage(11, 22, 3, 4)
