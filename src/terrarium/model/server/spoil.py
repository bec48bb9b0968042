"""What faults do to an answer: to what it says, and to its bytes."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from terrarium.core.message import Message, TextBlock, ToolUseBlock
from terrarium.core.model import Completion
from terrarium.core.tool import Tool
from terrarium.model.server.fault import Fault

HTML = b"<!doctype html>\n<title>502 Bad Gateway</title>\n<h1>The proxy is not well.</h1>\n"
ESCAPES = "\x1b[2J\x1b[31m\x1b]0;owned\x07\x1b]52;c;b3duZWQ=\x07\x00\x08\x7f\x9b31m\u202egnp.exe\u2028\r\n"
"""Clears a terminal, colours it, sets its title and its clipboard; and what else no text should hold."""
SURROGATES = "\ud800 and \udfff, and a pair the wrong way round: \udc00\ud800"
SAME_ID = "call_again"
_DEEP_CALL, _DEEP_BODY = 500, 100_000
_PIECES = 8  # of a slow answer that is no stream


def spoiled(completion: Completion, fault: Fault | None, wire: str, tools: Sequence[Tool]) -> Completion:
    """The answer as a fault of what it says leaves it; the same where it is none of those."""
    kind = fault.kind if fault else ""
    content = completion.message.content
    blocks: list[Any] = [TextBlock(content)] if isinstance(content, str) else list(content)
    if kind == "empty":
        return Completion(Message("assistant", []), "end", completion.usage, completion.model)
    if kind == "duplicate_ids":
        blocks = [dataclasses.replace(b, id=SAME_ID) if isinstance(b, ToolUseBlock) else b for b in blocks]
    elif kind == "huge" and fault:
        blocks.insert(0, TextBlock("huge " * (fault.size // 5) + "." * (fault.size % 5)))
    elif kind in ("control", "surrogate"):
        blocks.insert(0, TextBlock(ESCAPES if kind == "control" else SURROGATES))
    elif kind == "deep" and fault:
        depth = fault.depth or _DEEP_CALL
        text = f'{{"deep": {"[" * depth}{"]" * depth}}}'
        given = text if wire.startswith("openai") else {"deep": _nested(depth)}  # OpenAI sends arguments as text
        call = ToolUseBlock("call_deep", tools[0].name if tools else "deep", given)
        return dataclasses.replace(completion, message=Message("assistant", [call]), stop="tool_use")
    else:
        return completion
    return dataclasses.replace(completion, message=Message("assistant", blocks))


def _nested(depth: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(depth - 1):
        found = [found]
    return found


def frames(pieces: Iterable[bytes], fault: Fault | None, stream: bool) -> Iterator[bytes]:
    """The bytes of an answer, spoiled where the fault is one of bytes that can be told before they are sent."""
    kind = fault.kind if fault else ""
    if kind not in ("malformed", "cut", "deep_body", "slow"):
        yield from pieces
        return
    whole = list(pieces)
    if kind == "slow":
        yield from whole if stream else _cut_up(whole[0])
    elif kind == "deep_body":
        depth = (fault.depth if fault else None) or _DEEP_BODY
        deep = b'{"deep":' + b"[" * depth + b"]" * depth
        yield b"data: " + deep + b"}\n\n" if stream else deep + b"," + whole[0].partition(b"{")[2]
        yield from whole if stream else ()
    elif not stream:
        yield whole[0][: max(1, len(whole[0]) // 2)]
    else:
        yield from whole[: len(whole) // 2]
        if kind == "malformed":
            yield b'data: {"this": is no JSON\n\n'
            yield from whole[len(whole) // 2 :]


def first_half(pieces: Iterable[bytes], stream: bool) -> list[bytes]:
    """What is sent of an answer that is left off in its middle."""
    whole = list(pieces)
    return whole[: max(1, len(whole) // 2)] if stream else [whole[0][: max(1, len(whole[0]) // 2)]]


def _cut_up(body: bytes) -> Iterator[bytes]:
    step = max(1, -(-len(body) // _PIECES))
    for start in range(0, len(body), step):
        yield body[start : start + step]


def as_json(tree: Any) -> bytes:
    """A tree as ASCII JSON; half characters are escaped, so that they arrive as they are."""
    return json.dumps(tree, separators=(",", ":")).encode("ascii")


def sse(name: str, data: Any) -> bytes:
    """One event of a stream."""
    text = data.encode() if isinstance(data, str) else as_json(data)
    return (b"event: " + name.encode() + b"\n" if name else b"") + b"data: " + text + b"\n\n"
