"""What a model server says of its models, and counts of tokens."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from terrarium.model.wire.wire import Tree

_PER_TOKEN = 4  # characters
_SINCE = "2030-01-01T00:00:00Z"


def models(names: Sequence[str]) -> Tree:
    """The list of models. The providers have it at one path (Google also at another): each SDK finds its own keys."""
    listed = [model(name) for name in names]
    ends = {"first_id": names[0] if names else None, "last_id": names[-1] if names else None}
    return {"object": "list", "data": listed, "has_more": False, **ends, "models": listed}


def model(name: str) -> Tree:
    """One of them, with the keys of all providers."""
    methods = ["generateContent", "streamGenerateContent", "countTokens"]
    google = {"name": f"models/{name}", "displayName": name, "supportedGenerationMethods": methods}
    ours = {"id": name, "object": "model", "created": 1_893_456_000, "owned_by": "terrarium"}
    return {**ours, "type": "model", "display_name": name, "created_at": _SINCE, **google}


def count(wire: str, body: Any) -> Tree:
    """The tokens of a request: one for four characters of its body."""
    tokens = max(1, len(json.dumps(body)) // _PER_TOKEN)
    return {"totalTokens": tokens} if wire == "google" else {"input_tokens": tokens}
