"""What the call of a tool comes to: a result the agent can learn from, or the failure of what is behind the tool."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence

from terrarium.core.errors import CapabilityFault, CommandTimeout, Refused, TerrariumError, boundary_of
from terrarium.core.tool import Tool, ToolCall, ToolResult, failure, show
from terrarium.core.values import Value
from terrarium.core.world import World


async def use(tools: Sequence[Tool], call: ToolCall) -> ToolResult:
    """Use one of `tools`; whatever is wrong with the call is a result.

    Raises:
        TerrariumError: The machinery failed, through no fault of the call.
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


def call_back(world: World, number: int, name: str) -> Callable[..., Awaitable[Value]]:
    """The function of a tool that the program registered in its call of that number: run on its thread."""

    async def call(**arguments: Value) -> Value:
        program = world.calls.program
        assert program is not None
        value, error = await program.serve(lambda: world.callbacks.fire(number, tool=name, arguments=arguments))
        if error is not None:
            raise Refused(str(error)) if boundary_of(error) == "task" else error
        return value

    return call
