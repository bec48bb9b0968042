"""Where requests to a model server go: which wire format a path is of, and what is wanted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Wanted = Literal["answer", "count", "models", "model", "health"]


@dataclass(frozen=True)
class Route:
    """What a path means.

    Attributes:
        wanted: An answer of the model, a count of its tokens, the list of models, one of them, or a sign of life.
        wire: The format: `openai_chat`, `openai_responses`, `anthropic` or `google`.
        model: The one that the path names.
        stream: Whether the path asks for a stream; None: the body says so.
    """

    wanted: Wanted
    wire: str
    model: str = ""
    stream: bool | None = None


_GOOGLE = re.compile(
    r"/v1(?:alpha|beta)?/(?:models|tunedModels)/(.+):(generateContent|streamGenerateContent|countTokens)"
)
_MODELS = re.compile(r"(.*)/models(?:/(.+))?")
_POSTED = {
    "/chat/completions": Route("answer", "openai_chat"),
    "/responses": Route("answer", "openai_responses"),
    "/messages": Route("answer", "anthropic"),
    "/messages/count_tokens": Route("count", "anthropic"),
}


def route(method: str, path: str) -> Route | None:
    """What a request is about; None where there is nothing at its path.

    The paths of OpenAI and Anthropic are known by their ends, so that every base address works: `/v1`, `/api/v1`, none.
    """
    path = path.rstrip("/") or "/"
    if method in ("GET", "HEAD"):
        if path in ("/", "/health"):
            return Route("health", "openai_chat")
        if found := _MODELS.fullmatch(path):
            wire = "google" if found[1].endswith("/v1beta") else "openai_chat"
            return Route("model" if found[2] else "models", wire, found[2] or "")
        return None
    if method != "POST":
        return None
    if found := _GOOGLE.fullmatch(path):
        wanted: Wanted = "count" if found[2] == "countTokens" else "answer"
        return Route(wanted, "google", found[1], found[2] == "streamGenerateContent")
    longest = max((end for end in _POSTED if path.endswith(end)), key=len, default=None)
    return None if longest is None else _POSTED[longest]


def wire_of(path: str) -> str:
    """The format in which errors at a path are told, whether or not there is anything."""
    if "/v1beta" in path or "/v1alpha" in path:
        return "google"
    if "/messages" in path:
        return "anthropic"
    return "openai_responses" if "/responses" in path else "openai_chat"
