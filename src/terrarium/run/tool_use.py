"""The use of a tool: the call is bound to it and carried out, and whatever comes of it is a result."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

from terrarium.core.errors import CapabilityFault, CommandTimeout, Refused, TerrariumError, boundary_of
from terrarium.core.tool import Tool, ToolCall, ToolResult, failure, show


async def carried_out(call: ToolCall, tools: Sequence[Tool]) -> ToolResult:
    """What comes of a call; also of one that is nonsense, or is refused.

    Raises:
        TerrariumError: The machinery failed.
    """
    tool = next((tool for tool in tools if tool.name == call.name), None)
    if tool is None:
        known = ", ".join(tool.name for tool in tools) or "none"
        return ToolResult(f"error: there is no tool {call.name!r}; there are: {known}", error="unknown_tool")
    try:
        arguments = tool.bind(call.arguments)
    except Refused as error:
        return ToolResult(f"error: bad arguments for {tool.name}: {error}", error="bad_arguments")
    try:
        value = tool.function(**arguments)
        if inspect.isawaitable(value):
            value = await value
        return ToolResult(show(value), value)
    except CommandTimeout as error:
        return failure(error)
    except TerrariumError as error:
        if boundary_of(error) == "task":
            return failure(error)
        raise
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        raise CapabilityFault(f"the tool {tool.name} broke: {type(error).__name__}: {error}") from error
