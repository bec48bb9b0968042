"""Answers that are one JSON object each: an action of a schema, to which a model can be held while it decodes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from terrarium.agent.tool_loop.calls import Answer, Result
from terrarium.agent.tool_loop.complaint import complaint
from terrarium.agent.tool_loop.loose_json import NOTHING, loose_json, object_call
from terrarium.agent.tool_loop.text_calls import TextCalls, in_text, listed
from terrarium.core.message import Message, ToolUseBlock
from terrarium.core.model import Completion, Model, Structured
from terrarium.core.tool import Tool

FORM = (
    '{"thought": TEXT, "action": {"tool": NAME, "args": {"ARGUMENT": VALUE}}} or {"thought": TEXT, "action": '
    '{"say": TEXT}}'
)


class JsonCalls:
    """An answer is `{"thought": ..., "action": ...}`: the action calls a tool, or says the last word of the turn.

    A model that is `Structured` gets the schema of that; others are told in words, and read as far as they keep to it.
    """

    def explain(self, tools: Sequence[Tool]) -> str:
        """The form of an answer, and every tool with its schema."""
        return (
            f"Every answer of yours is one JSON object and nothing else:\n{FORM}\nThe first calls a tool; you get its "
            "result in the next message. The second ends your turn.\n\n" + listed(tools)
        )

    async def ask(self, model: Model, messages: Sequence[Message], tools: Sequence[Tool]) -> Completion:
        """Have the model answer, held to the schema where it can be."""
        if isinstance(model, Structured):
            return in_text(await model.generate_json(messages, action_schema(tools)))
        return in_text(await model.generate(messages, []))

    def read(self, completion: Completion, step: int) -> Answer:
        """Take the object apart."""
        text = completion.message.text.strip()
        if not text:
            return Answer("")
        value = loose_json(text)
        if value is NOTHING:
            found = _first_object(text)
            if found is None:
                return Answer("", [], [complaint("not_json", "the answer is not one JSON object", FORM)])
            value = found
        action = value.get("action", value) if isinstance(value, Mapping) else value
        if isinstance(action, str) and isinstance(value, Mapping):
            action = value  # {"action": NAME, "action_input": {...}}
        if isinstance(action, Mapping) and isinstance(action.get("say"), str):
            return Answer(action["say"])
        call = object_call(action)
        if call is None:
            return Answer("", [], [complaint("no_action", "the object holds neither a call nor words", FORM)])
        return Answer("", [ToolUseBlock(f"call_{step}_1", *call)])

    def results(self, results: Sequence[Result]) -> Message:
        """As text."""
        return TextCalls().results(results)


def action_schema(tools: Sequence[Tool]) -> dict[str, Any]:
    """The JSON schema of an answer with these tools on offer."""
    definitions: dict[str, Any] = {}
    actions = [_object(say={"type": "string"})]
    for tool in tools:
        parameters = _moved(dict(tool.parameters), tool.name)
        for name, definition in parameters.pop("$defs", {}).items():
            definitions[f"{tool.name}.{name}"] = definition
        actions.append(_object(tool={"const": tool.name, "type": "string"}, args=parameters))
    schema = _object(thought={"type": "string"}, action={"anyOf": actions})
    return {**schema, "$defs": definitions} if definitions else schema


def _object(**properties: Any) -> dict[str, Any]:
    required = list(properties)
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _moved(tree: Any, tool: str) -> Any:
    """A schema whose definitions stand under the name of its tool."""
    if isinstance(tree, list):
        return [_moved(item, tool) for item in tree]
    if not isinstance(tree, dict):
        return tree
    return {
        key: f"#/$defs/{tool}.{item.removeprefix('#/$defs/')}"
        if key == "$ref" and isinstance(item, str) and item.startswith("#/$defs/")
        else _moved(item, tool)
        for key, item in tree.items()
    }


def _first_object(text: str) -> Any:
    """The first object in a text that says more than it should; None: there is none."""
    begin = text.find("{")
    if begin < 0:
        return None
    try:
        value, _ = json.JSONDecoder(strict=False).raw_decode(text, begin)
    except (ValueError, RecursionError):
        return None
    return value
