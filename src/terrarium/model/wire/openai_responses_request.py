"""A request of Responses, as a server reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from terrarium.core.errors import Refused
from terrarium.core.message import Block, ImageBlock, Message, TextBlock, ToolResultBlock, ToolUseBlock
from terrarium.core.tool import Tool
from terrarium.core.values import Value
from terrarium.model.wire import openai_terms as terms
from terrarium.model.wire.openai_reasoning import thought
from terrarium.model.wire.wire import Asked

_SAMPLING = {
    "temperature": "temperature",
    "top_p": "top_p",
    "parallel_tool_calls": "parallel_tool_calls",
    "max_output_tokens": "max_tokens",
}
_READ = frozenset(_SAMPLING).union(
    (
        "model",
        "input",
        "instructions",
        "tools",
        "reasoning",
        "text",
        "include",
        "stream",
        "store",
        "prompt_cache_options",
    )
)
_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
_CALLS = {"function_call": "arguments", "custom_tool_call": "input"}
_RESULTS = ("function_call_output", "custom_tool_call_output")


def read_request(body: Mapping[str, Any]) -> Asked:
    """What a request asks for. Tools that the provider itself would run are not on offer.

    Raises:
        Refused: It is no request of this format, or refers to what a server would have kept.
    """
    model = terms.field(body, "model", str, "")
    for key in ("previous_response_id", "conversation"):
        if body.get(key) is not None:
            raise Refused(f"{key}: nothing is kept here; send the whole conversation with store=false")
    said = terms.field(body, "input", (str, list), "")
    messages: list[Message] = []
    if instructions := terms.field(body, "instructions", str, "", ""):
        messages.append(Message("system", instructions))
    if isinstance(said, str):
        messages.append(Message("user", said))
    else:
        for number, item in enumerate(said):
            _take_in(messages, item, f"input[{number}]")
    if all(message.role == "system" for message in messages):
        raise Refused("input is empty")
    text = terms.field(body, "text", Mapping, "", {})
    spaces: dict[str, tuple[str, str]] = {}
    return Asked(
        model,
        messages,
        _tools(terms.field(body, "tools", list, "", []), spaces),
        _parameters(body),
        _schema(terms.field(text, "format", Mapping, "text", {})),
        bool(body.get("stream")),
        spaces=spaces,
    )


def _parameters(body: Mapping[str, Any]) -> dict[str, Value]:
    parameters = terms.sampled(body, _SAMPLING)
    reasoning = terms.field(body, "reasoning", Mapping, "", {})
    if (effort := terms.effort_of(reasoning.get("effort"))) is not None:
        parameters["reasoning"] = effort
    if terms.field(body, "prompt_cache_options", Mapping, "", {}).get("mode") == "explicit":
        parameters["cache"] = False
    if "message.output_text.logprobs" in terms.field(body, "include", list, "", []):
        parameters["logprobs"] = True
    if extra := {key: value for key, value in body.items() if key not in _READ}:
        parameters["extra"] = extra
    return parameters


def _tools(tools: list[Any], spaces: dict[str, tuple[str, str]]) -> list[Tool]:
    """The functions on offer; those of a namespace, which other formats do not have, have its name before their own."""
    found = []
    for number, tool in enumerate(tools):
        where = f"tools[{number}]"
        kind = terms.field(tool, "type", str, where)
        if kind == "function":
            found.append(terms.offered(tool, where))
        elif kind == "namespace":
            space = terms.field(tool, "name", str, where)
            for place, inner in enumerate(terms.field(tool, "tools", list, where, [])):
                if terms.field(inner, "type", str, f"{where}.tools[{place}]", "function") == "function":
                    own = terms.offered(inner, f"{where}.tools[{place}]")
                    found.append(replace(own, name=_joined(space, own.name)))
                    spaces[found[-1].name] = (space, own.name)
    return found


def _joined(space: str, name: str) -> str:
    return f"{space}__{name}"


def _schema(form: Mapping[str, Any]) -> Mapping[str, Any] | None:
    kind = form.get("type")
    if kind == "json_schema":
        return dict(terms.field(form, "schema", Mapping, "text.format"))
    return {"type": "object"} if kind == "json_object" else None


def _take_in(messages: list[Message], item: Any, where: str) -> None:
    """Add an item: what the assistant did in a row is one message, and so are the results of its calls."""
    kind = terms.field(item, "type", str, where, "message")
    if kind == "message":
        role = _ROLES.get(terms.field(item, "role", str, where))
        if role is None:
            raise Refused(f"{where}.role is none of {', '.join(_ROLES)}")
        content = _content(item, where)
        if role == "assistant":
            _add(messages, role, [TextBlock(content)] if isinstance(content, str) else content)
        else:
            messages.append(Message(role, content))
    elif kind == "reasoning":
        _add(messages, "assistant", [*thought(item)])
    elif kind in _CALLS:
        call = terms.field(item, "call_id", str, where)
        arguments: Value = terms.field(item, _CALLS[kind], str, where, "")
        if kind == "function_call":
            arguments = terms.read_arguments(arguments)
        name = terms.field(item, "name", str, where)
        if space := terms.field(item, "namespace", str, where, ""):
            name = _joined(space, name)
        _add(messages, "assistant", [ToolUseBlock(call, name, arguments)])
    elif kind in _RESULTS:
        _add(messages, "tool", [_result(item, where)])
    elif kind == "item_reference":
        raise Refused(f"{where}: nothing is kept here that could be referred to; send the item itself")
    # Items of tools that a provider runs itself say nothing to another model.


def _add(messages: list[Message], role: str, blocks: list[Block]) -> None:
    if messages and messages[-1].role == role and isinstance(messages[-1].content, list):
        messages[-1].content.extend(blocks)
    else:
        messages.append(Message(role, blocks))


def _result(item: Mapping[str, Any], where: str) -> ToolResultBlock:
    call = terms.field(item, "call_id", str, where)
    output = terms.field(item, "output", (str, list), where, "")
    if isinstance(output, str):
        return ToolResultBlock(call, output)
    blocks = _content({"content": output}, where)
    images = [block for block in blocks if isinstance(block, ImageBlock)]
    return ToolResultBlock(call, "\n".join(b.text for b in blocks if isinstance(b, TextBlock)), images=images)


def _content(item: Mapping[str, Any], where: str) -> str | list[Block]:
    content = terms.field(item, "content", (str, list), where, "")
    if isinstance(content, str):
        return content
    found: list[Block] = []
    for number, part in enumerate(content):
        inner = f"{where}.content[{number}]"
        kind = terms.field(part, "type", str, inner)
        if kind in ("input_text", "output_text", "text"):
            found.append(TextBlock(terms.field(part, "text", str, inner)))
        elif kind == "refusal":
            found.append(TextBlock(terms.field(part, "refusal", str, inner)))
        elif kind == "input_image":
            found.append(terms.image_at(part.get("image_url"), f"{inner}.image_url"))
        else:
            raise Refused(f"{inner}.type is {kind!r}, which is neither text nor an image")
    return found
