"""The wire formats that a gateway speaks, loaded when they are first needed."""

from __future__ import annotations

import importlib

from terrarium.model.wire.wire import Wire

_WIRES = {
    "openai_chat": "terrarium.model.wire.openai_chat:OpenAIChatWire",
    "openai_responses": "terrarium.model.wire.openai_responses:OpenAIResponsesWire",
    "anthropic": "terrarium.model.wire.anthropic:AnthropicWire",
    "google": "terrarium.model.wire.google:GoogleWire",
}


def wire(name: str) -> Wire:
    """The wire format of that name."""
    module, _, kind = _WIRES[name].partition(":")
    made: Wire = getattr(importlib.import_module(module), kind)()
    return made
