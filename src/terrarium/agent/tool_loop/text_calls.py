"""Tool calls that stand in a model's text, for models that know no tools."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from terrarium.agent.tool_loop.calls import Answer, Result
from terrarium.agent.tool_loop.complaint import complaint
from terrarium.agent.tool_loop.loose_json import NOTHING, loose_json, object_call
from terrarium.core.containment import CALLS_LIMIT, contained
from terrarium.core.message import Block, Message, TextBlock, ToolUseBlock
from terrarium.core.model import Completion, Model
from terrarium.core.tool import Tool
from terrarium.core.values import Value

FORM = '<tool name="NAME">{"ARGUMENT": VALUE}</tool>'

_OPEN = re.compile(r"<(tool|tool_call|function_call)(\s[^<>]{0,400})?>", re.IGNORECASE)
_NAME = re.compile(r"""name\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
_FENCE = re.compile(r"```([A-Za-z_]*)[ \t]*\n(.*?)```", re.DOTALL)
_FENCED = frozenset({"", "json", "tool", "tool_call", "tool_code"})
_LIKE_A_CALL = re.compile(r'"(?:tool|tool_name|action)"\s*:')


@dataclass(frozen=True)
class Found:
    """A call in a text: `name` is None where it has none."""

    name: str | None
    arguments: Value
    begin: int
    end: int


class TextCalls:
    """A call is `<tool name="NAME">{...}</tool>` in the model's text; a result is the user's text.

    Also taken: `<tool_call>{"name": ..., "arguments": {...}}</tool_call>`, the same object in a fence or as the whole
    answer, and its common spellings (`tool` and `args`, `action` and `action_input`, ...).
    """

    def explain(self, tools: Sequence[Tool]) -> str:
        """How to call, and every tool with its schema."""
        return (
            f"You call a tool by writing, in your answer:\n{FORM}\nSeveral calls may stand in one answer; each is "
            "carried out in order, and you get the results in the next message. Do not write results yourself.\n\n"
            + listed(tools)
        )

    async def ask(self, model: Model, messages: Sequence[Message], tools: Sequence[Tool]) -> Completion:
        """Have the model answer in text; calls that it makes otherwise become text."""
        return in_text(await model.generate(messages, []))

    def read(self, completion: Completion, step: int) -> Answer:
        """Find the calls in the text."""
        text = completion.message.text
        calls: list[ToolUseBlock] = []
        wrong: list[str] = []
        found = calls_in(text)
        for place, one in enumerate(found, 1):
            if one.name:
                calls.append(ToolUseBlock(f"call_{step}_{place}", one.name, one.arguments))
            else:
                wrong.append(complaint("no_call", "this is no call that can be read", FORM))
        return Answer(_without(text, found), calls, wrong)

    def results(self, results: Sequence[Result]) -> Message:
        """One text for each result, and its images."""
        blocks: list[Block] = []
        for one in results:
            kind = ' error="true"' if one.is_error else ""
            text = f'<result tool="{one.call.name}" call="{one.call.id}"{kind}>\n{one.content}\n</result>'
            blocks += [TextBlock(text), *one.images]
        return Message("user", blocks)


def listed(tools: Sequence[Tool]) -> str:
    """Every tool with its description and the schema of its arguments."""
    lines = ["The tools:" if tools else "There are no tools."]
    for tool in tools:
        schema = json.dumps(dict(tool.parameters), ensure_ascii=False, default=str)
        lines.append(f"- {tool.name}: {tool.description}\n  arguments: {schema}")
    return "\n".join(lines)


def in_text(completion: Completion) -> Completion:
    """The same answer within bounds, without blocks of calls: they would want results of their own kind."""
    completion = contained(completion)
    if not completion.message.tool_uses:
        return completion
    blocks: list[Block] = [
        TextBlock(f'<tool name="{block.name}">{_written(block.input)}</tool>')
        if isinstance(block, ToolUseBlock)
        else block
        for block in completion.message.content
        if not isinstance(block, str)
    ]
    return replace(completion, message=Message(completion.message.role, blocks), stop="end")


def calls_in(text: str) -> list[Found]:
    """The calls of an answer, in order: in tags, else in fences, else the answer itself."""
    return _tagged(text) or _fenced(text) or _bare(text)


def _tagged(text: str) -> list[Found]:
    found: list[Found] = []
    at = 0
    closed = True
    while len(found) < CALLS_LIMIT:
        tag = _OPEN.search(text, at)
        if tag is None:
            break
        end = text.find(f"</{tag[1]}>", tag.end()) if closed else -1
        closed = end >= 0
        if closed:
            body, at = text[tag.end() : end], end + len(tag[1]) + 3
        else:  # it was forgotten, or cut off
            following = _OPEN.search(text, tag.end())
            at = following.start() if following else len(text)
            body = text[tag.end() : at]
        named = _NAME.search(tag[2] or "")
        name = next((group for group in named.groups() if group), None) if named else None
        found += _in_tag(name, body, tag.start(), at)
    return found


def _in_tag(name: str | None, body: str, begin: int, end: int) -> list[Found]:
    value = loose_json(body)
    if name:
        return [Found(name, body.strip() if value is NOTHING else _inner(value, name), begin, end)]
    calls = [] if value is NOTHING else _objects(value, begin, end)
    return calls or [Found(None, body, begin, end)]


def _inner(value: Value, name: str) -> Value:
    """The arguments, where a model wraps them once more in an object that repeats the tool's name."""
    call = object_call(value)
    return call[1] if call is not None and call[0] == name else value


def _fenced(text: str) -> list[Found]:
    found: list[Found] = []
    for fence in _FENCE.finditer(text):
        if fence[1].lower() not in _FENCED:
            continue
        value = loose_json(fence[2])
        if value is not NOTHING:
            found += _objects(value, fence.start(), fence.end())
        elif _LIKE_A_CALL.search(fence[2]):
            found.append(Found(None, fence[2], fence.start(), fence.end()))
        if len(found) >= CALLS_LIMIT:
            break
    return found


def _bare(text: str) -> list[Found]:
    stripped = text.strip()
    if stripped[:1] not in ("{", "["):
        return []
    value = loose_json(stripped)
    if value is NOTHING:
        return [Found(None, stripped, 0, len(text))] if _LIKE_A_CALL.search(stripped) else []
    return _objects(value, 0, len(text))


def _objects(value: Value, begin: int, end: int) -> list[Found]:
    """The calls that an object is, or that a list holds."""
    if isinstance(value, dict) and isinstance(value.get("tool_calls"), list):
        value = value["tool_calls"]
    items = value if isinstance(value, list) else [value]
    calls = [object_call(item) for item in items[:CALLS_LIMIT]]
    return [Found(call[0], call[1], begin, end) for call in calls if call is not None]


def _without(text: str, found: Sequence[Found]) -> str:
    """What is said beside the calls."""
    kept, at = [], 0
    for one in found:
        kept.append(text[at : one.begin])
        at = max(at, one.end)
    return "".join([*kept, text[at:]]).strip()


def _written(value: Any) -> str:
    try:
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        return repr(value)
