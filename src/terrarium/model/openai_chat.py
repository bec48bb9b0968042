"""Models behind Chat Completions: OpenAI's, and those of the many servers that speak it too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from terrarium.model.openai_client import OpenAIClient
from terrarium.model.wire.openai_chat import OpenAIChatWire
from terrarium.model.wire.wire import Tree, Wire


class OpenAIChatModel(OpenAIClient):
    """A model by `/v1/chat/completions`; see `Client` for its settings. `top_k` goes into `extra`."""

    wire: ClassVar[str] = "openai_chat"
    _format: ClassVar[Wire] = OpenAIChatWire()
    _path: ClassVar[str] = "/chat/completions"

    def _streamed(self, body: Tree) -> Tree:
        options = body.get("stream_options")
        options = dict(options) if isinstance(options, Mapping) else {}
        return {**body, "stream": True, "stream_options": {**options, "include_usage": True}}
