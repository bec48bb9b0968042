"""Agents as users of each framework write them, and models that stand in for theirs; used by the tests."""

from __future__ import annotations

from typing import Any

from terrarium.core.message import Message, TextBlock, ThinkingBlock, ToolResultBlock, ToolUseBlock
from terrarium.core.model import Completion
from terrarium.model.scripted import ScriptedModel

RULES = "Keep notes."


async def plain(instruction: str, model: Any, tools: Any) -> str:
    talk = [Message("system", RULES), Message("user", instruction)]
    while (answer := await model(talk)).stop == "tool_use":
        results = [ToolResultBlock(use.id, await _used(tools, use)) for use in answer.message.tool_uses]
        talk += [answer.message, Message("tool", list(results))]
    return answer.message.text


async def _used(tools: Any, use: ToolUseBlock) -> str:
    if use.name not in tools or not isinstance(use.input, dict):
        return "error: nonsense"
    return await tools[use.name](**use.input)


def waiting(instruction: str, model: Any, tools: Any) -> str:
    """The same without `await`."""
    answer = model([Message("user", instruction)])
    for use in answer.message.tool_uses:
        tools[use.name](**use.input)
    return model([Message("user", "and?")]).message.text


def openai_agents(model: Any, tools: Any) -> Any:
    from agents import Agent

    return Agent(name="clerk", instructions=RULES, model=model, tools=tools)


def langgraph(model: Any, tools: Any) -> Any:
    from langchain_core.messages import SystemMessage
    from langgraph.graph import START, MessagesState, StateGraph
    from langgraph.prebuilt import ToolNode, tools_condition

    async def think(state: Any) -> Any:
        return {"messages": [await model.bind_tools(tools).ainvoke([SystemMessage(RULES), *state["messages"]])]}

    graph: Any = StateGraph(MessagesState)
    graph.add_node("think", think).add_node("tools", ToolNode(tools))
    graph.add_edge(START, "think").add_conditional_edges("think", tools_condition).add_edge("tools", "think")
    return graph.compile()


def autogen(model: Any, tools: Any) -> Any:
    from autogen_agentchat.agents import AssistantAgent

    return AssistantAgent("clerk", model, tools=tools, system_message=RULES, max_tool_iterations=50)


def broken(*_: Any) -> Any:
    raise RuntimeError("the agent's own mistake")


MADE = {"function": "plain", "openai_agents": "openai_agents", "langgraph": "langgraph", "autogen": "autogen"}
ASKED: list[list[Message]] = []
SCRIPT: list[Any] = []


def telling(name: str) -> ScriptedModel:
    """A model that says what is in `SCRIPT`, the last again and again, and keeps what it was asked."""

    def say(messages: Any, tools: Any) -> Any:
        ASKED.append(list(messages))
        answer = SCRIPT[min(len(ASKED), len(SCRIPT)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return ScriptedModel(say, name)


def signed(number: int) -> Completion:
    """An answer with reasoning that its provider wants back."""
    blocks = [ThinkingBlock("hm", "sealed", "anthropic"), TextBlock("I add."), _add(number)]
    return Completion(Message("assistant", blocks), "tool_use")


def _add(number: int) -> ToolUseBlock:
    return ToolUseBlock(f"c{number}", "notes_add", {"text": f"note {number}"}, "signature of the call")
