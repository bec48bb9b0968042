"""Messages in the form of Chat Completions, as frameworks hand them around, in ours."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from terrarium.core.message import Block, ImageBlock, Message, TextBlock, ToolResultBlock, ToolUseBlock
from terrarium.core.values import Value

_IMAGE = re.compile(r"data:(image/[\w.+-]+);base64,")


def messages_of(turns: Iterable[Mapping[str, Any]]) -> list[Message]:
    """Turns as messages; the results of tools that follow one another are one message."""
    found: list[Message] = []
    for turn in turns:
        role = str(turn["role"])
        if role == "tool":
            text = Message("tool", _blocks(turn.get("content"))).text
            result = ToolResultBlock(str(turn["tool_call_id"]), text)
            if found and found[-1].role == "tool" and isinstance(found[-1].content, list):
                found[-1].content.append(result)
            else:
                found.append(Message("tool", [result]))
        elif role == "assistant":
            calls = [_use(call) for call in turn.get("tool_calls") or ()]
            found.append(Message(role, [*_blocks(turn.get("content")), *calls]))
        else:
            content = turn.get("content")
            role = "user" if role == "user" else "system"
            found.append(Message(role, content if isinstance(content, str) else _blocks(content)))
    return found


def arguments_of(text: Any) -> Value:
    """The arguments of a call: an object as such, else as it is."""
    if not isinstance(text, str):
        return text
    try:
        tree = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return text
    return tree if isinstance(tree, dict) else text


def text_of_arguments(arguments: Value) -> str:
    """The arguments of a call as frameworks take them: the text of a JSON object."""
    if isinstance(arguments, dict):
        return json.dumps(arguments)
    return json.dumps({"arguments": arguments})  # what is no object is refused by the tool, and not by the framework


def _use(call: Mapping[str, Any]) -> ToolUseBlock:
    function = call["function"]
    return ToolUseBlock(str(call["id"]), str(function["name"]), arguments_of(function.get("arguments")))


def _blocks(content: Any) -> list[Block]:
    if isinstance(content, str):
        return [TextBlock(content)] if content else []
    blocks: list[Block] = []
    for part in content or ():
        if isinstance(part, str):
            blocks.append(TextBlock(part))
        elif part.get("type") == "image_url":
            blocks.append(_image(part["image_url"]))
        elif isinstance(part.get("text"), str):
            blocks.append(TextBlock(part["text"]))
    return blocks


def _image(where: Any) -> Block:
    address = where.get("url", "") if isinstance(where, Mapping) else str(where)
    head = _IMAGE.match(address)
    try:
        return ImageBlock(base64.b64decode(address[head.end() :]), head[1]) if head else TextBlock(f"[{address[:200]}]")
    except binascii.Error:
        return TextBlock("[an image that cannot be read]")
