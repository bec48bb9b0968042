"""The wire formats by their names, each imported when it is first spoken."""

from __future__ import annotations

import functools
import importlib

from terrarium.model.wire.wire import Wire

_PLACES = {
    "openai_chat": "terrarium.model.wire.openai_chat:OpenAIChatWire",
    "openai_responses": "terrarium.model.wire.openai_responses:OpenAIResponsesWire",
    "anthropic": "terrarium.model.wire.anthropic:AnthropicWire",
    "google": "terrarium.model.wire.google:GoogleWire",
}


@functools.cache
def wire_named(name: str) -> Wire:
    """The format of that name."""
    module, _, attribute = _PLACES[name].partition(":")
    found: Wire = getattr(importlib.import_module(module), attribute)()
    return found
