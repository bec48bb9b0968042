"""Requests in the wire format of Google's Gemini API, as a server reads them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from terrarium.core.errors import Refused
from terrarium.core.message import Block, Message, ThinkingBlock, ToolResultBlock, ToolUseBlock
from terrarium.core.tool import Tool, foreign_tool
from terrarium.core.values import Value
from terrarium.model.wire.google_parts import field, received
from terrarium.model.wire.tree import tables_at, text_at, wanted
from terrarium.model.wire.wire import Asked

BUDGETS = {"low": 1024, "medium": 8192, "high": 24576}  # tokens of thinking, where a model knows no levels
_NUMBERS = {
    "temperature": "temperature",
    "topP": "top_p",
    "topK": "top_k",
    "maxOutputTokens": "max_tokens",
    "seed": "seed",
}


def thinks_by_budget(model: str) -> bool:
    """Whether the model counts tokens of thinking, and knows no levels."""
    return re.search(r"gemini-2\.5\b", model) is not None


def read_request(body: Mapping[str, Any], path: str) -> Asked:
    """What a request asks for.

    Raises:
        Refused: It is no request of this format; says where.
    """
    named = re.search(r"/(?:models|tunedModels)/([^/:?]+):(\w+)", path)
    model = unquote(named[1]) if named else text_at(body, "model").removeprefix("models/")
    if not model:
        raise Refused("the path names no model: it is /v1beta/models/NAME:generateContent")
    contents = wanted(body, "contents", list, "request")
    if not contents:
        raise Refused("request.contents: at least one message is needed")
    messages: list[Message] = []
    system = field(body, "systemInstruction")
    for part in tables_at(system, "parts"):
        messages.append(Message("system", text_at(part, "text")))
    if isinstance(system, str):
        messages.append(Message("system", system))
    for number, content in enumerate(contents):
        messages += _messages(content, f"request.contents[{number}]")
    config = field(body, "generationConfig")
    schema = field(config, "responseJsonSchema") or _plain(field(config, "responseSchema"))
    stream = named is not None and named[2] == "streamGenerateContent"
    tools = [t for n, tool in enumerate(tables_at(body, "tools")) for t in _tools(tool, f"request.tools[{n}]")]
    return Asked(model, _answering(messages), tools, _parameters(config), schema, stream)


def _tools(tool: Mapping[str, Any], where: str) -> list[Tool]:
    made = []
    declarations = field(tool, "functionDeclarations")
    for number, declared in enumerate(declarations if isinstance(declarations, list) else []):
        name = wanted(declared, "name", str, f"{where}.functionDeclarations[{number}]")
        schema = field(declared, "parametersJsonSchema") or _plain(field(declared, "parameters"))
        parameters = schema if isinstance(schema, Mapping) else {"type": "object", "properties": {}}
        made.append(foreign_tool(name, text_at(declared, "description"), dict(parameters), lambda arguments: None))
    return made


def _messages(content: Any, where: str) -> list[Message]:
    role = text_at(content, "role") or "user"
    if role not in ("user", "model", "function", "tool"):
        raise Refused(f"{where}.role: user or model, not {role[:80]!r}")
    parts = wanted(content, "parts", list, where)
    blocks: list[Block] = []
    for number, part in enumerate(parts):
        if not isinstance(part, Mapping):
            raise Refused(f"{where}.parts[{number}]: an object is needed here")
        blocks += received(part, f"{where}.parts[{number}]")
    if role == "model":
        return [Message("assistant", blocks)]
    results: list[Block] = [block for block in blocks if isinstance(block, ToolResultBlock)]
    others: list[Block] = [block for block in blocks if not isinstance(block, (ToolResultBlock, ThinkingBlock))]
    made = [Message("tool", results)] if results else []
    return made + ([Message("user", others)] if others or not results else [])


def _answering(messages: list[Message]) -> list[Message]:
    """The same conversation, in which every call has an id and every result names one: the format can do without."""
    made: list[Message] = []
    open_calls: list[tuple[str, str]] = []  # id and name
    number = 0
    for message in messages:
        blocks: list[Block] = []
        for block in message.content if isinstance(message.content, list) else []:
            if isinstance(block, ToolUseBlock):
                number += 1
                block = replace(block, id=block.id or f"call_{number}")
                open_calls.append((block.id, block.name))
            elif isinstance(block, ToolResultBlock):
                of = block.tool_use_id
                call = next((call for call in open_calls if of == call[0]), None)
                call = call or next((call for call in open_calls if of == call[1]), None)
                if call is not None:
                    open_calls.remove(call)
                    block = replace(block, tool_use_id=call[0])
            blocks.append(block)
        made.append(message if isinstance(message.content, str) else Message(message.role, blocks))
    return made


def _parameters(config: Any) -> dict[str, Value]:
    given: dict[str, Value] = {}
    for word, name in _NUMBERS.items():
        value = field(config, word)
        if type(value) in (int, float):
            given[name] = value
    stop = field(config, "stopSequences")
    if isinstance(stop, list) and all(isinstance(word, str) for word in stop):
        given["stop"] = list(stop)
    thinking = field(config, "thinkingConfig")
    budget, level = field(thinking, "thinkingBudget"), field(thinking, "thinkingLevel")
    if type(budget) is int and budget >= 0:
        given["reasoning"] = budget or "none"
    elif isinstance(level, str):
        given["reasoning"] = {"minimal": "low", "xhigh": "high"}.get(level.lower(), level.lower())
    if field(config, "responseLogprobs") is True:
        given["logprobs"] = True
    return given


def _plain(schema: Any, depth: int = 0) -> Any:
    """A schema of the API's older kind, which writes types in capitals, as a JSON schema."""
    if depth > 50:
        raise Refused("a schema is nested too deep")
    if isinstance(schema, list):
        return [_plain(item, depth + 1) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    return {
        key: value.lower() if key == "type" and isinstance(value, str) else _plain(value, depth + 1)
        for key, value in schema.items()
    }
