"""A plain function as an agent: it is given the instruction, a model to ask and tools to use."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from terrarium.agent.frameworks.framework import FrameworkAgent
from terrarium.agent.frameworks.stand import Stand
from terrarium.agent.thread import AgentThread
from terrarium.core.message import Message
from terrarium.core.model import Completion, Model
from terrarium.core.tool import Tool
from terrarium.core.values import Value


class FunctionAgent(FrameworkAgent):
    """Calls `agent(instruction, model, tools)` for each turn; what it returns is what the agent says.

    `model(messages)` asks with all the tools on offer, and `model(messages, tools)` with these; it gives a
    `terrarium.core.model.Completion`. `tools[name](**arguments)` gives the text of the result. An `async def` awaits
    both; a `def` runs in a thread of its own, and simply calls them.
    """

    _threads: ClassVar[str] = "function agent"

    def __init__(self, model: Model, agent: str | Callable[..., Any]) -> None:
        super().__init__(model, agent)
        self._thread = AgentThread(self._threads)

    async def turn(self, instruction: str, stand: Stand) -> str:
        """Call the function."""
        if inspect.iscoroutinefunction(self._make):
            tools = {tool.name: _awaited(tool, stand) for tool in stand.tools}
            return str(await self._make(instruction, _asked(stand), tools) or "")
        ask, thread = _asked(stand), self._thread
        wait = {tool.name: _waited(_awaited(tool, stand), thread) for tool in stand.tools}
        return str(await thread.run(lambda: self._make(instruction, _waited(ask, thread), wait)) or "")

    async def close(self) -> None:
        """End the thread."""
        self._thread.stop()


def _asked(stand: Stand) -> Callable[..., Any]:
    async def model(messages: Sequence[Message], tools: Sequence[Tool] | None = None) -> Completion:
        return await stand.ask(messages, stand.tools if tools is None else tools)

    return model


def _awaited(tool: Tool, stand: Stand) -> Callable[..., Any]:
    async def use(**arguments: Value) -> str:
        return (await stand.use(tool.name, arguments)).content

    return use


def _waited(call: Callable[..., Any], thread: AgentThread) -> Callable[..., Any]:
    def wait(*args: Any, **kwargs: Any) -> Any:
        return thread.ask(call(*args, **kwargs))

    return wait
