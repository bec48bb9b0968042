"""What another server answers, as plain values for programs and agents."""

from __future__ import annotations

from typing import Any

from terrarium.core.errors import Refused
from terrarium.core.tool import OUTPUT_LIMIT
from terrarium.core.values import Value


def value_of(result: Any) -> Value:
    """The result of a tool: its data, else its text.

    Returns:
        The structured content where there is some; of a result that is only text, the text; else a list of blocks.

    Raises:
        Refused: The tool failed, or answered more than an agent can be shown.
    """
    blocks = [_block(block) for block in result.content[:1000]]
    text = "\n".join(block["text"] for block in blocks if "text" in block)
    if result.is_error:
        raise Refused(text[:OUTPUT_LIMIT] or "the tool failed and did not say why")
    structured = result.structured_content
    if isinstance(structured, dict):
        value: Value = structured["result"] if set(structured) == {"result"} else structured
    else:
        value = text if all("text" in block for block in blocks) else blocks
    return _bounded(value)


def content_of(result: Any) -> list[dict[str, Value]]:
    """The contents of a resource: `uri`, `mimeType`, and `text` or `blob` (base64)."""
    found = [item.model_dump(mode="json", by_alias=True, exclude_none=True) for item in result.contents[:1000]]
    _bounded(found)
    return found


def _block(block: Any) -> dict[str, Any]:
    found: dict[str, Any] = block.model_dump(mode="json", by_alias=True, exclude_none=True)
    return found


def _bounded(value: Value) -> Value:
    size, depth = _measured(value)
    if size > 2 * OUTPUT_LIMIT or depth > 100:
        raise Refused(f"the MCP server answered more than {2 * OUTPUT_LIMIT} characters; ask for less")
    return value


def _measured(value: Value) -> tuple[int, int]:
    """(characters, depth), without recursion: what a server sends may be deep."""
    size, depth = 0, 0
    left: list[tuple[Any, int]] = [(value, 1)]
    while left:
        item, level = left.pop()
        depth = max(depth, level)
        if isinstance(item, dict):
            size += sum(len(str(key)) for key in item)
            left += [(child, level + 1) for child in item.values()]
        elif isinstance(item, list):
            left += [(child, level + 1) for child in item]
        else:
            size += len(item) if isinstance(item, str) else 8
        if size > 2 * OUTPUT_LIMIT or depth > 100:
            break
    return size, depth
