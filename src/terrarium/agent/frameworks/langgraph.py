"""Agents written with LangGraph or LangChain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from terrarium.agent.frameworks.chat_turns import messages_of
from terrarium.agent.frameworks.framework import FrameworkAgent
from terrarium.agent.frameworks.stand import Stand
from terrarium.core.message import ToolUseBlock
from terrarium.core.tool import Tool, foreign_tool

_NO_END = 1_000_000  # steps of the graph: the limits of the trial hold


class LangGraphAgent(FrameworkAgent):
    """Runs `agent(model, tools)`: a compiled graph, or any runnable, from `{"messages": [...]}` to the same.

    The conversation of a trial is one: each turn goes on with the messages that the one before ended with.
    """

    _history: Sequence[Any] = ()

    async def turn(self, instruction: str, stand: Stand) -> str:
        """Run the graph to its end."""
        try:
            from langchain_core.messages import HumanMessage
        except ImportError as error:
            raise self.needed("langgraph", error) from None
        if self.is_new(stand):
            self._made = self._make(_model(stand), [_tool(tool, stand) for tool in stand.tools])
        state = {"messages": [*self._history, HumanMessage(instruction)]}
        result = await self._made.ainvoke(state, {"recursion_limit": _NO_END})
        self._history = result["messages"]
        return str(self._history[-1].text) if self._history else ""


def _tool(tool: Tool, stand: Stand) -> Any:
    from langchain_core.messages import ToolMessage
    from langchain_core.tools import StructuredTool

    class SeatTool(StructuredTool):
        """Goes by the call as the model asked for it: its id, and arguments that the world's own tool looks at."""

        async def ainvoke(self, input: Any, config: Any = None, **more: Any) -> Any:
            if not (isinstance(input, dict) and input.get("type") == "tool_call"):
                return (await stand.use(tool.name, input)).content
            result = await stand.use(tool.name, input["args"], str(input.get("id") or ""))
            status = "success" if result.error is None else "error"
            return ToolMessage(result.content, tool_call_id=input["id"], name=tool.name, status=status)

    async def run(**arguments: Any) -> str:
        return (await stand.use(tool.name, arguments)).content

    return SeatTool(name=tool.name, description=tool.description, args_schema=dict(tool.parameters), coroutine=run)


def _model(stand: Stand) -> Any:
    """The stand's model as a chat model of LangChain."""
    from langchain_core.language_models.chat_models import BaseChatModel
    from langchain_core.messages import AIMessage, convert_to_openai_messages
    from langchain_core.outputs import ChatGeneration, ChatResult
    from langchain_core.utils.function_calling import convert_to_openai_tool

    class SeatModel(BaseChatModel):
        @property
        def _llm_type(self) -> str:
            return "terrarium"

        def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **more: Any) -> Any:
            raise NotImplementedError("use ainvoke: the world is asynchronous")

        async def _agenerate(self, messages: Any, stop: Any = None, run_manager: Any = None, **more: Any) -> Any:
            turns = convert_to_openai_messages(messages)
            completion = await stand.ask(messages_of(turns), [_plain(tool) for tool in more.get("tools", ())])
            usage = completion.usage
            said = AIMessage(
                completion.message.text,
                tool_calls=[_call(use) for use in completion.message.tool_uses],
                usage_metadata={
                    "input_tokens": usage.input_tokens,
                    "output_tokens": usage.output_tokens,
                    "total_tokens": usage.input_tokens + usage.output_tokens,
                },
                response_metadata={"model_name": completion.model, "finish_reason": completion.stop},
            )
            return ChatResult(generations=[ChatGeneration(message=said)])

        def bind_tools(self, tools: Any, **more: Any) -> Any:
            return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **more)

    return SeatModel()


def _call(use: ToolUseBlock) -> Any:
    arguments = use.input if isinstance(use.input, dict) else {"arguments": use.input}
    return {"name": use.name, "args": arguments, "id": use.id, "type": "tool_call"}


def _plain(tool: Any) -> Tool:
    told = tool["function"]
    return foreign_tool(told["name"], told.get("description", ""), told.get("parameters", {}), lambda arguments: None)
