"""Models behind Chat Completions: OpenAI's, and those of the many servers that speak it too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from terrarium.model.openai_client import OpenAIClient
from terrarium.model.wire.openai_chat import OpenAIChatWire
from terrarium.model.wire.wire import Tree, Wire


class OpenAIChatModel(OpenAIClient):
    """A model by `/v1/chat/completions`; see `OpenAIClient` for its settings. `top_k` goes into `extra`."""

    wire_format: ClassVar[Wire] = OpenAIChatWire()
    path: ClassVar[str] = "/chat/completions"

    def _streamed(self, body: Mapping[str, Any]) -> Tree:
        options = body.get("stream_options")
        options = dict(options) if isinstance(options, Mapping) else {}
        return {**body, "stream": True, "stream_options": {**options, "include_usage": True}}
