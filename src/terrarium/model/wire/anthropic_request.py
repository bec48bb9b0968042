"""Requests in the wire format of Anthropic's Messages API, as a server reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from terrarium.core.errors import Refused
from terrarium.core.message import (
    Block,
    ImageBlock,
    Message,
    TextBlock,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
)
from terrarium.core.tool import Tool, foreign_tool
from terrarium.core.values import Value
from terrarium.model.wire.tree import arguments_of, image_of, table_at, tables_at, text_at, wanted
from terrarium.model.wire.wire import Asked

ORIGIN = "anthropic"
REDACTED = "redacted_thinking:"  # before the signature of thinking that came without its text
_WORDS = {"temperature": "temperature", "top_p": "top_p", "top_k": "top_k", "max_tokens": "max_tokens"}


def read_request(body: Mapping[str, Any]) -> Asked:
    """What a request asks for.

    Raises:
        Refused: It is no request of this format; says where.
    """
    model = wanted(body, "model", str, "request")
    turns = wanted(body, "messages", list, "request")
    if not turns:
        raise Refused("request.messages: at least one message is needed")
    messages = [Message("system", text) for text in _system(body.get("system"))]
    for number, turn in enumerate(turns):
        messages += _messages(turn, f"request.messages[{number}]")
    tools = [_tool(tool, f"request.tools[{n}]") for n, tool in enumerate(tables_at(body, "tools")) if _is_own(tool)]
    shape = table_at(table_at(body, "output_config"), "format") or table_at(body, "output_format")
    schema = table_at(shape, "schema") or None
    return Asked(model, messages, tools, _parameters(body), schema, body.get("stream") is True)


def _is_own(tool: Mapping[str, Any]) -> bool:
    """Whether it is the caller's, not one that the provider runs itself."""
    return text_at(tool, "type") in ("", "custom")


def _tool(tool: Mapping[str, Any], where: str) -> Tool:
    name = wanted(tool, "name", str, where)
    parameters = dict(wanted(tool, "input_schema", dict, where))
    return foreign_tool(name, text_at(tool, "description"), parameters, lambda arguments: None)


def _system(system: Any) -> Iterator[str]:
    if isinstance(system, str):
        yield system
    elif isinstance(system, list):
        yield from (text_at(part, "text") for part in system)
    elif system is not None:
        raise Refused("request.system: text or a list of blocks is needed here")


def _messages(turn: Any, where: str) -> list[Message]:
    """A turn as messages: results of tools are a message of their own, before what the user says."""
    role = wanted(turn, "role", str, where)
    if role not in ("user", "assistant", "system"):
        raise Refused(f"{where}.role: user or assistant, not {role[:80]!r}")
    content = turn.get("content")
    if isinstance(content, str):
        return [Message(role, content)]
    if not isinstance(content, list):
        raise Refused(f"{where}.content: text or a list of blocks is needed here")
    blocks = [_block(part, f"{where}.content[{number}]") for number, part in enumerate(content)]
    results: list[Block] = [block for block in blocks if isinstance(block, ToolResultBlock)]
    others: list[Block] = [block for block in blocks if not isinstance(block, ToolResultBlock)]
    made = [Message("tool", results)] if results else []
    return made + ([Message(role, others)] if others or not results else [])


def _block(part: Any, where: str) -> Block:
    kind = wanted(part, "type", str, where)
    if kind == "text":
        return TextBlock(wanted(part, "text", str, where))
    if kind == "thinking":
        return ThinkingBlock(text_at(part, "thinking"), text_at(part, "signature") or None, ORIGIN)
    if kind == "redacted_thinking":
        return ThinkingBlock("", REDACTED + text_at(part, "data"), ORIGIN)
    if kind == "tool_use":
        name = wanted(part, "name", str, where)
        return ToolUseBlock(wanted(part, "id", str, where), name, arguments_of(part.get("input", {})))
    if kind == "tool_result":
        return _result(part, where)
    if kind == "image" and text_at(table_at(part, "source"), "type") == "base64":
        return _image(part, where)
    return TextBlock(f"[{kind[:80]}]")  # what we have no word for: documents, pictures elsewhere, the provider's tools


def _image(part: Mapping[str, Any], where: str) -> ImageBlock:
    source = table_at(part, "source")
    return image_of(text_at(source, "data"), text_at(source, "media_type"), f"{where}.source.data")


def _result(part: Mapping[str, Any], where: str) -> ToolResultBlock:
    content = part.get("content")
    images: list[ImageBlock] = []
    texts: list[str] = []
    if isinstance(content, str):
        texts.append(content)
    elif isinstance(content, list):
        for number, inner in enumerate(content):
            block = _block(inner, f"{where}.content[{number}]")
            if isinstance(block, ImageBlock):
                images.append(block)
            elif isinstance(block, TextBlock):
                texts.append(block.text)
    failed = part.get("is_error") is True
    return ToolResultBlock(wanted(part, "tool_use_id", str, where), "\n".join(texts) if texts else None, failed, images)


def _parameters(body: Mapping[str, Any]) -> dict[str, Value]:
    given: dict[str, Value] = {
        name: body[word] for name, word in _WORDS.items() if type(body.get(word)) in (int, float)
    }
    stop = body.get("stop_sequences")
    if isinstance(stop, list) and all(isinstance(word, str) for word in stop):
        given["stop"] = list(stop)
    thinking, effort = table_at(body, "thinking"), text_at(table_at(body, "output_config"), "effort")
    if text_at(thinking, "type") == "disabled":
        given["reasoning"] = "none"
    elif type(thinking.get("budget_tokens")) is int:
        given["reasoning"] = thinking["budget_tokens"]
    elif effort:
        given["reasoning"] = effort if effort in ("low", "medium") else "high"
    choice = table_at(body, "tool_choice")
    if isinstance(choice.get("disable_parallel_tool_use"), bool):
        given["parallel_tool_calls"] = not choice["disable_parallel_tool_use"]
    turns = [part for turn in tables_at(body, "messages") for part in tables_at(turn, "content")]
    if any("cache_control" in part for part in [*tables_at(body, "tools"), *tables_at(body, "system"), *turns]):
        given["cache"] = True
    return given
