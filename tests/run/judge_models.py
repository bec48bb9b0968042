"""Models that judge in tests: they look for words in what they are shown."""

from __future__ import annotations

import json
from typing import Any

from terrarium.core.errors import ModelFault
from terrarium.core.message import Message, Usage
from terrarium.core.model import Completion

asked: list[str] = []
"""The prompts of this process."""


class Lenient:
    """Says yes where the evidence holds "please", and grades by the number of exclamation marks."""

    word = "please"

    def __init__(self, name: str, **settings: Any) -> None:
        self.name = name

    async def generate(self, messages: Any, tools: Any) -> Completion:
        asked.append(messages[1].text)
        evidence = messages[1].text.partition("--- BEGIN")[2]
        verdict = "yes" if self.word in evidence else "no"
        answer = {"why": f"looked for {self.word}", "verdict": verdict, "grade": 1 + min(4, evidence.count("!"))}
        return Completion(Message("assistant", json.dumps(answer)), usage=Usage(100, 10), model="judge-v1", cost=0.5)

    async def close(self) -> None: ...


class Strict(Lenient):
    """Says yes only where it is thanked."""

    word = "thank you"


class Dead(Lenient):
    """Is never there."""

    async def generate(self, messages: Any, tools: Any) -> Completion:
        raise ModelFault("nobody answers")
