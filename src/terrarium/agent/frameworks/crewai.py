"""Agents and crews of CrewAI."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from importlib import import_module
from typing import Any

from terrarium.agent.frameworks.chat_turns import messages_of
from terrarium.agent.frameworks.framework import FrameworkAgent
from terrarium.agent.frameworks.stand import Stand
from terrarium.core.message import ToolUseBlock
from terrarium.core.tool import Tool


class CrewAIAgent(FrameworkAgent):
    """Runs `agent(model, tools)`: an `Agent`, whose `kickoff` gets the instruction, or a `Crew`, as `{instruction}`.

    CrewAI is synchronous: it runs on a thread, and its model and tools wait there for the world. It keeps no
    conversation between turns but what it remembers by itself.
    """

    async def turn(self, instruction: str, stand: Stand) -> str:
        """Run it to its end."""
        loop = asyncio.get_running_loop()

        def wait(work: Coroutine[Any, Any, Any]) -> Any:
            return asyncio.run_coroutine_threadsafe(work, loop).result()

        def run() -> str:
            try:
                crewai = import_module("crewai")
            except ImportError as error:
                raise self.needed("crewai", error) from None
            if self.is_new(stand):
                self._made = self._make(_model(stand, wait), [_tool(tool, stand, wait) for tool in stand.tools])
            crew = isinstance(self._made, crewai.Crew)
            given = {"inputs": {"instruction": instruction}} if crew else {"messages": instruction}
            return str(self._made.kickoff(**given).raw)

        return await asyncio.to_thread(run)


def _tool(tool: Tool, stand: Stand, wait: Any) -> Any:
    from pydantic import BaseModel, ConfigDict

    class Arguments(BaseModel):
        """Whatever the model sends: the world's own tool looks at it."""

        model_config = ConfigDict(extra="allow")

        @classmethod
        def model_json_schema(cls, *args: Any, **more: Any) -> dict[str, Any]:
            """The schema of the world's tool."""
            return dict(tool.parameters)

    base: Any = import_module("crewai.tools").BaseTool

    class SeatTool(base):  # type: ignore[misc]
        def _run(self, **arguments: Any) -> str:
            return str(wait(stand.use(tool.name, arguments)).content)

    return SeatTool(name=tool.name, description=tool.description, args_schema=Arguments)


def _model(stand: Stand, wait: Any) -> Any:
    """The stand's model as one of CrewAI's."""
    base: Any = import_module("crewai").BaseLLM

    class SeatModel(base):  # type: ignore[misc]
        def supports_function_calling(self) -> bool:
            return True

        def call(self, messages: Any, tools: Any = None, *args: Any, **more: Any) -> Any:
            turns = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
            offered = {told.get("function", told)["name"] for told in tools or ()}
            known = [tool for tool in stand.tools if tool.name in offered]
            completion = wait(stand.ask(messages_of(turns), known))
            uses = completion.message.tool_uses
            return [_call(use) for use in uses] if uses else completion.message.text

    return SeatModel(model=stand.name)


def _call(use: ToolUseBlock) -> dict[str, Any]:
    arguments = use.input if isinstance(use.input, str) else json.dumps(use.input)
    return {"id": use.id, "type": "function", "function": {"name": use.name, "arguments": arguments}}
