"""Models behind OpenAI's Responses."""

from __future__ import annotations

from typing import ClassVar

from terrarium.model.openai_client import OpenAIClient
from terrarium.model.wire.openai_responses import OpenAIResponsesWire
from terrarium.model.wire.wire import Wire


class OpenAIResponsesModel(OpenAIClient):
    """A model by `/v1/responses`; see `Client` for its settings. There is no `stop`, `seed` or `top_k`."""

    wire: ClassVar[str] = "openai_responses"
    _format: ClassVar[Wire] = OpenAIResponsesWire()
    _path: ClassVar[str] = "/responses"

    def _advice(self, status: int) -> str:
        if status == 404:
            return f"; if the server speaks only Chat Completions, ask for openai-chat/{self.name}"
        return super()._advice(status)
