"""A model for trials in a test: it says what the test told it to, and keeps what it was asked."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from terrarium.core.message import Message
from terrarium.core.tool import Tool
from terrarium.run.config import AgentConfig

ANSWERS: list[Any] = []
ASKED: list[tuple[list[Message], list[str]]] = []
"""Messages and names of the tools of every request."""


def say(messages: Sequence[Message], tools: Sequence[Tool]) -> Any:
    ASKED.append((list(messages), [tool.name for tool in tools]))
    answer = ANSWERS[min(len(ASKED), len(ANSWERS)) - 1]
    return answer(messages) if callable(answer) else answer


def talking(*answers: Any, agent: str = "tool_loop", **settings: Any) -> AgentConfig:
    """An agent whose model gives these answers, the last one again and again; a function makes one of the messages."""
    assert all(not inspect.isclass(answer) for answer in answers)
    ANSWERS[:], ASKED[:] = answers, []
    return AgentConfig(name=agent, model_name="scripted/dialogue:say", kwargs=settings)


def told(request: int = -1) -> str:
    """The text of everything in a request, results too."""
    return "\n".join(_text(message) for message in ASKED[request][0])


def _text(message: Message) -> str:
    if isinstance(message.content, str):
        return message.content
    return "\n".join(getattr(block, "text", None) or getattr(block, "content", None) or "" for block in message.content)
