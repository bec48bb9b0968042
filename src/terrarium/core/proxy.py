"""The contract of a proxy: it acts in an agent's name for programs of that agent, such as an MCP client."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from terrarium.core.tool import Tool, ToolCall, ToolResult


class Proxy(Protocol):
    """Offers the tools of one agent to programs that run in its sandbox, whatever the agent itself does meanwhile."""

    async def tools(self) -> Sequence[Tool]:
        """The agent's tools: while a turn is under way, those of the turn."""
        ...

    async def call(self, call: ToolCall) -> ToolResult:
        """Use a tool in the agent's name, as one request of a service: its effect is at the present moment.

        It costs the agent a tool call of its turn, and world time. While a tool call of the agent is taking effect
        (a command runs, and a program in it is who calls), the clock stands: the cost is added to that of the tool
        call. Otherwise the time passes before this returns.

        Returns:
            The result; with the error `limit` where the agent has no turn or its turn has no tool calls left, and with
            `refused` where the tool is one that the agent can use only itself.
        """
        ...

    def watch(self, changed: Callable[[], None]) -> None:
        """Have `changed` called where a turn begins with other tools than the one before."""
        ...
