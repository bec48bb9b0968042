"""Tools and results as MCP has them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from terrarium.core.tool import OUTPUT_LIMIT, Tool, ToolResult, as_json

if TYPE_CHECKING:
    from mcp_types import CallToolResult
    from mcp_types import Tool as Listed


def as_listed(tool: Tool) -> Listed:
    """A tool as `tools/list` has it: its own name, description and schema."""
    from mcp_types import Tool as Listed
    from mcp_types import ToolAnnotations

    return Listed(
        name=tool.name,
        description=tool.description,
        input_schema=dict(tool.parameters),
        annotations=ToolAnnotations(read_only_hint=not tool.writes),
    )


def as_answer(result: ToolResult) -> CallToolResult:
    """A result: the text that agents see, and the same as data; an error says of what kind it is."""
    from mcp_types import CallToolResult, TextContent

    return CallToolResult(
        content=[TextContent(type="text", text=_sendable(result.content))],
        structured_content=_structured(result),
        is_error=result.error is not None,
    )


def _structured(result: ToolResult) -> dict[str, Any] | None:
    """The value as an object; one that is none as `result`. Left out where there is none, or where it is too large."""
    if result.error is not None:
        return {"error": result.error}
    if result.value is None or len(result.content) > OUTPUT_LIMIT:
        return None
    value = json.loads(_sendable(json.dumps(as_json(result.value), ensure_ascii=False)))
    return value if isinstance(value, dict) else {"result": value}


def _sendable(text: str) -> str:
    """Text without lone surrogates, which JSON in UTF-8 cannot hold."""
    return text.encode("utf-8", "replace").decode()
