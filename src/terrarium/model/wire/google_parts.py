"""Parts of contents in the wire format of Google's Gemini API."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from terrarium.core.message import Block, ImageBlock, TextBlock, ThinkingBlock, ToolResultBlock, ToolUseBlock
from terrarium.model.wire.tree import arguments_of, at, image_of, table_at, tables_at, text_at

Tree = dict[str, Any]
ORIGIN = "google"
UNSIGNED = "skip_thought_signature_validator"  # what the API takes in place of a signature that was never given
_OLD = re.compile(r"gemini-[12]\b")


def is_old(model: str) -> bool:
    """Whether it is a Gemini before the third: those have no images in results of tools and check no signatures."""
    return _OLD.search(model) is not None


def field(tree: Any, name: str) -> Any:
    """A field by its name, which the API takes in `camelCase` and in `snake_case`."""
    found = at(tree, name)
    return found if found is not None else at(tree, re.sub(r"[A-Z]", lambda letter: f"_{letter[0].lower()}", name))


def sent(model: str, blocks: Sequence[Block], called: Mapping[str, str]) -> list[Tree]:
    """Blocks of a message as parts.

    Args:
        model: Who is asked.
        blocks: What is said.
        called: The names of the tools that were called so far, by the ids of the calls.
    """
    parts: list[Tree] = []
    for block in blocks:
        if isinstance(block, TextBlock):
            parts += [{"text": block.text}] if block.text else []
        elif isinstance(block, ThinkingBlock):
            if block.origin == ORIGIN and block.signature:
                thought: Tree = {"thought": True} if block.thinking else {}
                parts.append({"text": block.thinking, **thought, "thoughtSignature": block.signature})
        elif isinstance(block, ToolUseBlock):
            given = dict(block.input) if isinstance(block.input, Mapping) else {"arguments": block.input}
            part: Tree = {"functionCall": {"id": block.id, "name": _name(block.name), "args": given}}
            first = not any("functionCall" in before for before in parts)
            if signature := block.signature or (UNSIGNED if first and _wants_signatures(model) else None):
                part["thoughtSignature"] = signature
            parts.append(part)
        elif isinstance(block, ToolResultBlock):
            parts += _result(model, block, called)
        else:
            parts.append(_inline(block))
    return parts


def received(part: Mapping[str, Any], where: str) -> list[Block]:
    """A part as blocks; what we have no word for comes as its name.

    Raises:
        Refused: An image is no base64.
    """
    signature = field(part, "thoughtSignature")
    signature = signature if isinstance(signature, str) and signature not in ("", UNSIGNED) else None
    if isinstance(call := field(part, "functionCall"), Mapping):
        given = arguments_of(call["args"] if call.get("args") is not None else {})
        return [ToolUseBlock(text_at(call, "id"), text_at(call, "name"), given, signature)]
    if isinstance(response := field(part, "functionResponse"), Mapping):
        return [_responded(response, where)]
    if isinstance(field(part, "inlineData"), Mapping):
        return [_image(part, where)]
    text = at(part, "text")
    if isinstance(text, str):
        if at(part, "thought") is True:
            return [ThinkingBlock(text, signature, ORIGIN)] if text or signature else []
        signed = [ThinkingBlock("", signature, ORIGIN)] if signature else []
        return [*([TextBlock(text)] if text else []), *signed]
    names = [name for name in part if name not in ("thought", "thoughtSignature", "thought_signature")]
    return [TextBlock(f"[{name[:80]}]") for name in names[:1]]


def _name(name: str) -> str:
    """A name as the API takes it: a model may ask for a tool by any name, which is refused when it is sent back."""
    return re.sub(r"[^A-Za-z0-9_.:-]", "_", name)[:128] or "_"


def _wants_signatures(model: str) -> bool:
    return "gemini-" in model and not is_old(model)


def _inline(image: ImageBlock) -> Tree:
    return {"inlineData": {"mimeType": image.media_type, "data": base64.b64encode(image.data).decode()}}


def _result(model: str, block: ToolResultBlock, called: Mapping[str, str]) -> list[Tree]:
    told = {"error" if block.is_error else "output": block.content or ""}
    response: Tree = {
        "id": block.tool_use_id,
        "name": _name(called.get(block.tool_use_id, "unknown")),
        "response": told,
    }
    images = [_inline(image) for image in block.images]
    if images and not is_old(model):
        response["parts"] = images
        images = []
    return [{"functionResponse": response}, *images]


def _responded(response: Mapping[str, Any], where: str) -> ToolResultBlock:
    told = table_at(response, "response")
    failed = "error" in told and "output" not in told
    value = told.get("error") if failed else told.get("output", dict(told))
    images = [_image(part, where) for part in tables_at(response, "parts") if field(part, "inlineData")]
    text = value if isinstance(value, str) else json.dumps(value)
    return ToolResultBlock(text_at(response, "id") or text_at(response, "name"), text, failed, images)


def _image(part: Mapping[str, Any], where: str) -> ImageBlock:
    inline = field(part, "inlineData")
    media_type = field(inline, "mimeType")
    return image_of(text_at(inline, "data"), media_type if isinstance(media_type, str) else "", where)
