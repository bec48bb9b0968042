"""Agents and teams written with AutoGen (`autogen-agentchat`)."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from terrarium.agent.frameworks.chat_turns import arguments_of, text_of_arguments
from terrarium.agent.frameworks.framework import FrameworkAgent
from terrarium.agent.frameworks.stand import Stand
from terrarium.core.message import Block, ImageBlock, Message, TextBlock, ToolResultBlock, ToolUseBlock
from terrarium.core.tool import Tool, foreign_tool

_FINISH = {"end": "stop", "tool_use": "function_calls", "length": "length", "refusal": "content_filter"}


class AutoGenAgent(FrameworkAgent):
    """Runs `agent(model, tools)`: an agent or a team, anything with `run(task=...)`.

    An `AssistantAgent` uses tools once for each task unless it is made with `max_tool_iterations`.
    """

    async def turn(self, instruction: str, stand: Stand) -> str:
        """Run the task to its end; its last message is the answer."""
        try:
            import autogen_core  # noqa: F401
        except ImportError as error:
            raise self.needed("autogen-agentchat", error) from None
        if self.is_new(stand):
            before = await self._made.save_state() if self._made is not None else None
            self._made = self._make(_model(stand), [_tool(tool, stand) for tool in stand.tools])
            if before is not None:
                await self._made.load_state(before)
        result = await self._made.run(task=instruction)
        return str(result.messages[-1].to_text()) if result.messages else ""


def _tool(tool: Tool, stand: Stand) -> Any:
    from autogen_core.tools import BaseTool
    from pydantic import BaseModel, ConfigDict

    class Arguments(BaseModel):
        model_config = ConfigDict(extra="allow")

    class SeatTool(BaseTool[Arguments, Any]):
        @property
        def schema(self) -> Any:
            return {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}

        async def run_json(self, args: Mapping[str, Any], cancellation_token: Any, call_id: str | None = None) -> Any:
            return (await stand.use(tool.name, dict(args), call_id or "")).content

        async def run(self, args: Arguments, cancellation_token: Any) -> str:
            return (await stand.use(tool.name, args.model_dump())).content

        def return_value_as_string(self, value: Any) -> str:
            return str(value)

    return SeatTool(Arguments, str, tool.name, tool.description)


def _model(stand: Stand) -> Any:
    """The stand's model as a client of AutoGen."""
    from autogen_core import FunctionCall
    from autogen_core.models import ChatCompletionClient, CreateResult, ModelInfo, RequestUsage

    class SeatClient(ChatCompletionClient):
        component_type = "model"

        def __init__(self) -> None:
            self._used = RequestUsage(0, 0)

        async def create(
            self, messages: Any, *, tools: Any = (), tool_choice: Any = "auto", json_output: Any = None, **more: Any
        ) -> Any:
            schema = json_output.model_json_schema() if hasattr(json_output, "model_json_schema") else None
            offered = [] if tool_choice == "none" else [_plain(tool) for tool in tools]
            completion = await stand.ask(_messages(messages), offered, schema)
            text, uses = completion.message.text, completion.message.tool_uses
            calls = [FunctionCall(id=use.id, name=use.name, arguments=text_of_arguments(use.input)) for use in uses]
            usage = RequestUsage(completion.usage.input_tokens, completion.usage.output_tokens)
            self._used.prompt_tokens += usage.prompt_tokens
            self._used.completion_tokens += usage.completion_tokens
            finish: Any = _FINISH.get(completion.stop, "unknown")
            thought = text if calls and text else None
            return CreateResult(finish_reason=finish, content=calls or text, usage=usage, cached=False, thought=thought)

        async def create_stream(self, messages: Any, **more: Any) -> Any:
            more.pop("cancellation_token", None)
            yield await self.create(messages, **more)

        async def close(self) -> None:
            """The model is not the framework's to close."""

        def actual_usage(self) -> Any:
            return self._used

        def total_usage(self) -> Any:
            return self._used

        def count_tokens(self, messages: Any, *, tools: Any = ()) -> int:
            return sum(len(str(message.content)) for message in messages) // 4

        def remaining_tokens(self, messages: Any, *, tools: Any = ()) -> int:
            return 1_000_000 - self.count_tokens(messages)

        @property
        def model_info(self) -> Any:
            can = {"vision": True, "function_calling": True, "json_output": True, "structured_output": True}
            return ModelInfo(**can, family="unknown", multiple_system_messages=True)  # type: ignore[typeddict-item]

        @property
        def capabilities(self) -> Any:
            return self.model_info

    return SeatClient()


def _plain(tool: Any) -> Tool:
    told = tool if isinstance(tool, Mapping) else tool.schema
    return foreign_tool(told["name"], told.get("description", ""), told.get("parameters", {}), lambda arguments: None)


def _messages(messages: Sequence[Any]) -> list[Message]:
    found: list[Message] = []
    for message in messages:
        if message.type == "SystemMessage":
            found.append(Message("system", message.content))
        elif message.type == "UserMessage":
            content = message.content
            found.append(Message("user", content if isinstance(content, str) else [_part(part) for part in content]))
        elif message.type == "AssistantMessage":
            found.append(Message("assistant", _said(message)))
        else:
            results = [ToolResultBlock(each.call_id, each.content, bool(each.is_error)) for each in message.content]
            found.append(Message("tool", list(results)))
    return found


def _said(message: Any) -> list[Block]:
    if isinstance(message.content, str):
        return [TextBlock(message.content)]
    calls: list[Block] = [ToolUseBlock(call.id, call.name, arguments_of(call.arguments)) for call in message.content]
    return [TextBlock(message.thought), *calls] if message.thought else calls


def _part(part: Any) -> Block:
    return TextBlock(part) if isinstance(part, str) else ImageBlock(base64.b64decode(part.to_base64()))
