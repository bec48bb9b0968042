"""What a model may answer: whatever it sends is cut down to what can be kept, written down and shown."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace

from terrarium.core.errors import ValueNotPlain
from terrarium.core.message import Block, Message, TextBlock, ThinkingBlock, ToolUseBlock
from terrarium.core.model import Completion
from terrarium.core.tool import ToolCall
from terrarium.core.values import Value, encode

TEXT_LIMIT = 1024 * 1024  # characters of all text of one answer, and of the arguments of all of its calls
CALLS_LIMIT = 1000  # tool calls in one answer
NAME_LIMIT = 200  # characters of the name of a tool
_ID_LIMIT = 128
_DEPTH_LIMIT = 64


def contained(completion: Completion) -> Completion:
    """`completion` within bounds; the same object where it is, as nearly always.

    Text beyond 1 MiB is cut, thinking likewise; of more than 1,000 tool calls those at the end are left out; arguments
    that are larger than 1 MiB or nested more than 64 deep become a text that says so, which no tool takes; lone
    surrogates, which nobody can send on, become question marks.
    """
    message = completion.message
    if isinstance(message.content, str):
        text = _text(message.content, TEXT_LIMIT)
        return completion if text is message.content else replace(completion, message=replace(message, content=text))
    room = {"text": TEXT_LIMIT, "thinking": TEXT_LIMIT, "arguments": TEXT_LIMIT}
    blocks: list[Block] = []
    calls, same = 0, True
    for block in message.content:
        calls += isinstance(block, ToolUseBlock)
        if calls > CALLS_LIMIT:
            same = False
            if isinstance(block, ToolUseBlock):
                continue
        kept = _block(block, room)
        same = same and kept is block
        blocks.append(kept)
    if calls > CALLS_LIMIT:
        blocks.append(TextBlock(f"[left out: {calls - CALLS_LIMIT} more tool calls]"))
    return completion if same else replace(completion, message=Message(message.role, blocks))


def plain_call(call: ToolCall) -> ToolCall:
    """A call as it may be written down, whoever asks for it: arguments that are not plain become their text."""
    name, call_id = str(call.name), _identity(str(call.id))
    name = name if len(name) <= NAME_LIMIT else name[:NAME_LIMIT] + "..."
    try:
        encode(call.arguments)
    except ValueNotPlain:
        return ToolCall(name, _as_text(call.arguments), call_id)
    except RecursionError:
        return ToolCall(name, "[arguments nested too deep]", call_id)
    return ToolCall(name, call.arguments, call_id)


def _as_text(arguments: object) -> str:
    try:
        return repr(arguments)[:TEXT_LIMIT]
    except (RecursionError, ValueError):  # a number of a million digits is a ValueError
        return "[arguments that cannot be shown]"


def _block(block: Block, room: dict[str, int]) -> Block:
    if isinstance(block, TextBlock):
        text = _text(block.text, room["text"])
        room["text"] = max(0, room["text"] - len(block.text))
        return block if text is block.text else TextBlock(text)
    if isinstance(block, ThinkingBlock):
        text = _text(block.thinking, room["thinking"])
        room["thinking"] = max(0, room["thinking"] - len(block.thinking))
        return block if text is block.thinking else replace(block, thinking=text)
    if isinstance(block, ToolUseBlock):
        name = block.name if len(block.name) <= NAME_LIMIT else block.name[:NAME_LIMIT] + "..."
        name, call = _text(name, NAME_LIMIT * 2), _text(_identity(block.id), _ID_LIMIT)
        size, deep, plain = _measure(block.input, room["arguments"])
        given = block.input
        if deep:
            given = f"[arguments nested more than {_DEPTH_LIMIT} deep]"
        elif size > room["arguments"]:
            given = f"[arguments of more than {TEXT_LIMIT} characters]"
        else:
            room["arguments"] -= size
            if not plain:
                given = _sendable(block.input)
        if name is block.name and call is block.id and given is block.input:
            return block
        return replace(block, id=call, name=name, input=given)
    return block


def _identity(call: str) -> str:
    """An id of bearable length, for different ids a different one."""
    if len(call) <= _ID_LIMIT:
        return call
    return hashlib.sha256(call.encode("utf-8", "surrogatepass")).hexdigest()


def _text(text: str, limit: int) -> str:
    if len(text) > limit:
        text = text[:limit] + f"\n[cut: {len(text) - limit} more characters]"
    return text if text.isascii() else sendable(text)


def sendable(text: str) -> str:
    """`text` without lone surrogates; the same object where it has none."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode("utf-8")
    return text


def _measure(value: Value, limit: int) -> tuple[int, bool, bool]:
    """(characters, whether it is nested too deep, whether all of it is ascii) of arguments; not all where too large."""
    size, ascii_only = 0, True
    level: list[Value] = [value]
    for _ in range(_DEPTH_LIMIT):
        below: list[Value] = []
        for item in level:
            if isinstance(item, str):
                size += len(item)
                ascii_only = ascii_only and item.isascii()
            elif isinstance(item, Mapping):
                for key in item:
                    size += len(str(key)) + 1
                    ascii_only = ascii_only and str(key).isascii()
                below.extend(item.values())
            elif isinstance(item, (list, tuple)):
                below.extend(item)
            size += 1
            if size > limit:
                return size, False, ascii_only
        if not below:
            return size, False, ascii_only
        level = below
    return size, True, ascii_only


def _sendable(value: Value) -> Value:
    if isinstance(value, str):
        return sendable(value)
    if isinstance(value, Mapping):
        return {sendable(str(key)): _sendable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_sendable(item) for item in value]
    return value
