"""Models behind OpenAI's Responses."""

from __future__ import annotations

from typing import ClassVar

from terrarium.model.openai_client import OpenAIClient
from terrarium.model.retry import Failure
from terrarium.model.wire.openai_responses import OpenAIResponsesWire
from terrarium.model.wire.wire import Wire


class OpenAIResponsesModel(OpenAIClient):
    """A model by `/v1/responses`; see `OpenAIClient` for its settings. There is no `stop`, `seed` or `top_k`."""

    wire_format: ClassVar[Wire] = OpenAIResponsesWire()
    path: ClassVar[str] = "/responses"

    def _advice(self, failure: Failure) -> str:
        if failure.message.startswith("404"):
            return f"; if the server speaks only Chat Completions, ask for openai-chat/{self._model}"
        return super()._advice(failure)
