"""What a model is shown of a long text: its head and its tail."""

from __future__ import annotations

from terrarium.core.containment import sendable


def excerpt(text: str, limit: int) -> str:
    """`text` in at most about `limit` characters, without lone surrogates; what is left out is counted."""
    if len(text) > limit:
        head, tail = limit * 2 // 3, limit // 3
        text = f"{text[:head]}\n[left out: {len(text) - head - tail} characters]\n{text[len(text) - tail :]}"
    return text if text.isascii() else sendable(text)
