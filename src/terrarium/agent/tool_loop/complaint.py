"""What a model is told of a call that cannot be carried out: an object that a program could read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from terrarium.agent.excerpt import excerpt
from terrarium.core.tool import Tool, ToolResult

MALFORMED = frozenset({"unknown_tool", "bad_arguments"})
"""The errors of a result that say that the call was none."""

_EXPECTED = 4000  # characters of a schema


def complaint(code: str, message: str, expected: Any = None) -> str:
    """The error as JSON: `{"error": {"code": ..., "message": ..., "expected": ...}}`."""
    told: dict[str, Any] = {"code": code, "message": excerpt(message, 2000)}
    if expected is not None:
        told["expected"] = expected
    return json.dumps({"error": told}, ensure_ascii=False)


def of_result(name: str, result: ToolResult, tools: Sequence[Tool]) -> str:
    """What is told of a call that came to an `unknown_tool` or to `bad_arguments`."""
    message = result.content.removeprefix("error: ")
    if result.error == "unknown_tool":
        return complaint("unknown_tool", message, {"tool": {"enum": [tool.name for tool in tools]}})
    schema = next((tool.parameters for tool in tools if tool.name == name), None)
    return complaint("bad_arguments", message, _within(schema))


def _within(schema: Any) -> Any:
    """A schema that is not too long: else only its arguments' types and which of them must be there."""
    if schema is None or len(json.dumps(schema)) <= _EXPECTED:
        return schema
    properties = schema.get("properties", {})
    short = {name: {"type": entry.get("type", "any")} for name, entry in list(properties.items())[:50]}
    return {"type": "object", "properties": short, "required": list(schema.get("required", ()))[:50]}
