"""What every client of a language model keeps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, get_args

from terrarium.core.message import Message, TextBlock, ToolResultBlock, ToolUseBlock, Usage
from terrarium.core.model import Completion, Model, ModelStop
from terrarium.core.tool import Tool
from terrarium.core.values import canonical, decode, encode
from terrarium.testing.clause import engine, holds


def check_model(make: Callable[[], Model]) -> None:
    """The contract of `terrarium.core.model.Model`.

    Args:
        make: Gives a client; it must be able to answer three short conversations.

    Raises:
        AssertionError: A clause does not hold; says which.
    """
    with engine() as wait:
        wait(_check(make()))


def _look_up(word: str, language: str = "en") -> str:
    """Look up a word.

    Args:
        word: What to look up.
        language: In which dictionary.
    """
    return f"{word} ({language})"


async def _check(model: Model) -> None:
    holds(type(model.name) is str and model.name != "", "name: a model has one")
    use = ToolUseBlock("call_1", "look_up", {"word": "terrarium"})
    conversations: list[tuple[list[Message], list[Tool]]] = [
        ([Message("system", "Be brief."), Message("user", "Say hello.")], []),
        ([Message("user", [TextBlock("Look up the word: gr\u00fc\u00df")])], [Tool.of(_look_up, "look_up")]),
        (
            [
                Message("user", "Look up terrarium."),
                Message("assistant", [use]),
                Message("tool", [ToolResultBlock("call_1", "a small world behind glass")]),
            ],
            [Tool.of(_look_up, "look_up")],
        ),
    ]
    try:
        for messages, tools in conversations:
            before = canonical(messages)
            _check_completion(await model.generate(messages, tools), tools)
            holds(canonical(messages) == before, "generate: it changed the messages it was given")
        several = await asyncio.gather(*(model.generate(messages, tools) for messages, tools in conversations))
        for completion, (_, tools) in zip(several, conversations, strict=True):
            _check_completion(completion, tools)
    finally:
        await model.close()
        await model.close()  # idempotent


def _check_completion(completion: Any, tools: list[Tool]) -> None:
    holds(isinstance(completion, Completion), f"generate: it gave {type(completion).__name__}, not a Completion")
    message = completion.message
    holds(isinstance(message, Message) and message.role == "assistant", "generate: the message is not the assistant's")
    holds(
        completion.stop in get_args(ModelStop), f"generate: it stopped for {completion.stop!r}, which is no ModelStop"
    )
    used = {block.name for block in message.tool_uses}
    holds(used <= {tool.name for tool in tools}, f"generate: it asks for tools that are not on offer: {sorted(used)}")
    holds(
        bool(used) == (completion.stop == "tool_use"), "generate: `tool_use` goes with tool calls, and only with them"
    )
    ids = [block.id for block in message.tool_uses]
    holds(all(ids) and len(set(ids)) == len(ids), "generate: every tool call has an id of its own")
    holds(isinstance(completion.usage, Usage), "generate: usage is there always")
    counts = vars(completion.usage).values()
    holds(all(type(count) is int and count >= 0 for count in counts), "generate: tokens are counted in whole numbers")
    holds(completion.cost is None or completion.cost >= 0, "generate: the cost is negative")
    holds(decode(encode(completion)) == completion, "generate: the completion does not survive being written down")
