"""How a model and its tool loop speak of tool calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from terrarium.core.containment import contained
from terrarium.core.message import Block, ImageBlock, Message, ToolResultBlock, ToolUseBlock
from terrarium.core.model import Completion, Model
from terrarium.core.tool import Tool

NOT_DONE = "not carried out: the turn ended before"


@dataclass(frozen=True)
class Answer:
    """What a model's answer comes to.

    Attributes:
        text: What it says beside its calls.
        calls: What it asks for, in order.
        wrong: What it asks for in a way that cannot be carried out, as machine-readable errors.
    """

    text: str
    calls: list[ToolUseBlock] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Result:
    """What a call came to, as the model is shown it."""

    call: ToolUseBlock
    content: str
    is_error: bool = False
    images: list[ImageBlock] = field(default_factory=list)


class Calls(Protocol):
    """One way to speak of tool calls."""

    def explain(self, tools: Sequence[Tool]) -> str:
        """What the system prompt must say of the tools."""
        ...

    async def ask(self, model: Model, messages: Sequence[Message], tools: Sequence[Tool]) -> Completion:
        """Have the model answer.

        Raises:
            ModelFault: As `Model.generate`.
        """
        ...

    def read(self, completion: Completion, step: int) -> Answer:
        """Find the calls of an answer; `step` numbers it within the agent's life."""
        ...

    def results(self, results: Sequence[Result]) -> Message:
        """The results of all calls of one answer, as the model is told them."""
        ...


class NativeCalls:
    """Calls and results are blocks of their own; the model's provider knows what they are."""

    def explain(self, tools: Sequence[Tool]) -> str:
        """Nothing: the tools are sent beside the messages."""
        return ""

    async def ask(self, model: Model, messages: Sequence[Message], tools: Sequence[Tool]) -> Completion:
        """Have the model answer, with every call under an id of its own."""
        return mended(await model.generate(messages, tools), messages)

    def read(self, completion: Completion, step: int) -> Answer:
        """The calls are blocks of the message."""
        return Answer(completion.message.text, completion.message.tool_uses)

    def results(self, results: Sequence[Result]) -> Message:
        """One block for each result."""
        blocks: list[Block] = [
            ToolResultBlock(one.call.id, one.content, one.is_error, list(one.images)) for one in results
        ]
        return Message("tool", blocks)


def mended(completion: Completion, messages: Sequence[Message]) -> Completion:
    """The same answer within bounds, with ids that are there and differ; a result could not be matched else."""
    completion = contained(completion)
    uses = completion.message.tool_uses
    if not uses:
        return completion
    known = {block.id for message in messages if message.role == "assistant" for block in message.tool_uses}
    taken: set[str] = set()
    blocks: list[Block] = []
    changed = False
    for place, block in enumerate(completion.message.content, 1):
        assert not isinstance(block, str)
        if isinstance(block, ToolUseBlock):
            given = called = block.id or f"call_{len(messages)}_{place}"
            number = 1
            while called in taken or called in known:
                number += 1
                called = f"{given}_{number}"
            taken.add(called)
            if called != block.id:
                changed = True
                block = ToolUseBlock(called, block.name, block.input, block.signature)
        blocks.append(block)
    if not changed:
        return completion
    return replace(completion, message=Message(completion.message.role, blocks))
