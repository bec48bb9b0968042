"""A model whose last answers were lost with the end of a journal: who asks the same again is not charged again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from terrarium.core.message import Message
from terrarium.core.model import Completion, Model
from terrarium.core.tool import Tool
from terrarium.model.tape import Request


class RememberedModel:
    """Gives the answers that are remembered where the same is asked, each once, and asks the model for all else.

    Args:
        model: The client.
        answers: In the order in which they were given; known by the digest of their request. Those without are not
            used.
    """

    def __init__(self, model: Model, answers: Iterable[Completion]) -> None:
        self.name = model.name
        self._model = model
        self._answers: dict[str, list[Completion]] = {}
        for answer in answers:
            if answer.request:
                self._answers.setdefault(answer.request, []).append(answer)

    async def generate(self, messages: Sequence[Message], tools: Sequence[Tool]) -> Completion:
        """The remembered answer, or the model's.

        Raises:
            ModelFault: As the model's.
        """
        if self._answers:
            parameters = getattr(self._model, "parameters", None) or {}
            asked = Request.of(self.name, parameters, messages, tools).digest
            found = self._answers.get(asked)
            if found:
                return found.pop(0)
        return await self._model.generate(messages, tools)

    async def close(self) -> None:
        """Close the model."""
        await self._model.close()
