"""Models that play people in tests, named as `people_models:Class/name`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from terrarium.core.errors import ModelFault, ModelRefused
from terrarium.core.message import Message
from terrarium.core.model import Completion
from terrarium.core.tool import Tool
from terrarium.model.scripted import ScriptedModel

heard: list[Sequence[Message]] = []
"""What the models of this process were asked, in order."""


class Listed:
    """Answers from a list in its settings."""

    shared = False

    def __init__(self, name: str, answers: Sequence[Any] = ()) -> None:
        self.name = name
        self._model = ScriptedModel(list(answers), name)

    async def generate(self, messages: Sequence[Message], tools: Sequence[Tool]) -> Completion:
        heard.append(list(messages))
        return await self._model.generate(messages, tools)

    async def close(self) -> None:
        pass


class Down(Listed):
    """Is never there."""

    async def generate(self, messages: Sequence[Message], tools: Sequence[Tool]) -> Completion:
        raise ModelFault("nobody answers")


class Refusing(Listed):
    """Will never answer."""

    async def generate(self, messages: Sequence[Message], tools: Sequence[Tool]) -> Completion:
        raise ModelRefused("no such model")
