"""Items of reasoning in Responses: encrypted, so that nothing need be kept on the server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from terrarium.core.message import ThinkingBlock
from terrarium.model.wire.openai_terms import plain
from terrarium.model.wire.wire import Tree

ORIGIN = "openai_responses"
_OTHERS = ("anthropic", "google", "openai_chat")


def sent_back(block: ThinkingBlock) -> Tree | None:
    """The item that gives reasoning back to its provider; None where it is another's, or came without a signature."""
    if not block.signature or block.origin != ORIGIN:
        return None
    return {"type": "reasoning", "summary": _summary(block), "encrypted_content": block.signature}


def handed_out(block: ThinkingBlock, name: str) -> Tree:
    """The item of an answer; the signature of another provider carries the name of its origin before it."""
    signature = block.signature
    if signature and block.origin in _OTHERS:
        signature = f"{block.origin}:{signature}"
    return {"type": "reasoning", "id": name, "summary": _summary(block), "encrypted_content": signature}


def thought(item: Mapping[str, Any]) -> list[ThinkingBlock]:
    """The reasoning of an item: its summary, and where the model is an open one, all of it; none where it is empty."""
    texts: list[str] = []
    for key in ("summary", "content"):
        found = item.get(key)
        for part in found if isinstance(found, list) else ():
            if isinstance(part, Mapping) and isinstance(part.get("text"), str):
                texts.append(part["text"])
    signature = item.get("encrypted_content")
    if not isinstance(signature, str) or not signature:
        return [ThinkingBlock("\n\n".join(texts), origin=ORIGIN)] if texts else []
    before, colon, after = signature.partition(":")
    foreign = bool(colon) and before in _OTHERS
    return [ThinkingBlock("\n\n".join(texts), after if foreign else signature, before if foreign else ORIGIN)]


def _summary(block: ThinkingBlock) -> list[Tree]:
    return [{"type": "summary_text", "text": plain(block.thinking)}] if block.thinking else []
