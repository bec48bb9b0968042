"""The wire format of Anthropic's Messages API."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from terrarium.core.errors import ModelFault
from terrarium.core.message import (
    Block,
    ImageBlock,
    Message,
    TextBlock,
    ThinkingBlock,
    ToolUseBlock,
    Usage,
)
from terrarium.core.model import Completion
from terrarium.core.tool import Tool
from terrarium.core.values import Value
from terrarium.model.wire.anthropic_request import ORIGIN, REDACTED, read_request
from terrarium.model.wire.parameters import checked, laid_over
from terrarium.model.wire.tree import (
    arguments_of,
    at,
    cleaned,
    count_at,
    name_of,
    parsed,
    pieces,
    table_at,
    tables_at,
    text_at,
    with_own_ids,
)
from terrarium.model.wire.wire import Asked, Tree

_ANSWER_TOKENS = 16_000  # the format wants a limit always
_STOPS = {
    "end_turn": "end",
    "stop_sequence": "end",
    "tool_use": "tool_use",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "refusal",
}
_REASONS = {"end": "end_turn", "tool_use": "tool_use", "length": "max_tokens", "refusal": "refusal"}
_WORDS = {"temperature": "temperature", "top_p": "top_p", "top_k": "top_k", "stop": "stop_sequences"}
_ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_LACKS: dict[str, tuple[Value, ...]] = {"seed": (), "logprobs": (False,)}


class AnthropicWire:
    """The Messages API: `POST /v1/messages`."""

    name: ClassVar[str] = "anthropic"

    def request(
        self,
        model: str,
        messages: Sequence[Message],
        tools: Sequence[Tool],
        parameters: Mapping[str, Value],
        schema: Mapping[str, Any] | None = None,
    ) -> Tree:
        """The body of a request; caches end after the tools, the system prompt and the last turns."""
        given = checked(parameters, "Anthropic's API", _LACKS)
        body: Tree = {
            "model": model,
            "max_tokens": given.get("max_tokens") or _most(given),
            "messages": _turns(messages),
        }
        if system := [{"type": "text", "text": m.text} for m in messages if m.role == "system" and m.text.strip()]:
            body["system"] = system
        if tools:
            body["tools"] = [
                {"name": tool.name, "description": tool.description, "input_schema": dict(tool.parameters)}
                for tool in tools
            ]
            if "parallel_tool_calls" in given:
                one_only = not given["parallel_tool_calls"]
                body["tool_choice"] = {"type": "auto", "disable_parallel_tool_use": one_only}
        body |= {word: given[name] for name, word in _WORDS.items() if name in given}
        _reason(given.get("reasoning"), body)
        if schema is not None:
            body.setdefault("output_config", {})["format"] = {"type": "json_schema", "schema": _closed(schema)}
        if given.get("cache"):
            _mark(body)
        made: Tree = cleaned(laid_over(body, given.get("extra", {})))
        return made

    def read_answer(self, body: Mapping[str, Any]) -> Completion:
        """What a message of the API says."""
        if not isinstance(at(body, "content"), list):
            said = text_at(table_at(body, "error"), "message")
            code = text_at(table_at(body, "error"), "type")[:80] or None
            raise ModelFault(f"this is no answer of Anthropic's API{f': {said[:500]}' if said else ''}", code=code)
        blocks = with_own_ids([block for part in tables_at(body, "content") for block in _received(part)], body)
        reason = text_at(body, "stop_reason")
        stop = _STOPS.get(reason, "other")
        if not blocks and stop == "end":
            blocks = [TextBlock("")]
        if not blocks and stop in ("tool_use", "other"):
            raise ModelFault(f"the answer holds nothing (it stopped for {reason[:80] or 'no reason'})")
        calls = any(isinstance(block, ToolUseBlock) for block in blocks)
        if calls != (stop == "tool_use") and stop in ("end", "tool_use", "other"):
            stop = "tool_use" if calls else "end" if stop == "tool_use" else stop
        return Completion(Message("assistant", blocks), stop, _usage(table_at(body, "usage")), text_at(body, "model"))

    def assemble(self, events: Iterable[Mapping[str, Any]]) -> Tree:
        """The message that the events make up, from `message_start` to `message_stop`."""
        answer: Tree | None = None
        parts: dict[int, Tree] = {}
        heard: dict[int, dict[str, list[str]]] = {}
        for event in events:
            kind = text_at(event, "type")
            if kind == "error":
                error = table_at(event, "error")
                told = text_at(error, "message")[:500] or "no word why"
                raise ModelFault(f"the stream ended with an error: {told}", code=text_at(error, "type")[:80] or None)
            if kind == "message_start":
                answer = dict(table_at(event, "message"))
            elif kind == "message_stop" and answer is not None:
                answer["content"] = [_whole(parts[place], heard.get(place, {})) for place in sorted(parts)]
                return answer
            elif kind == "message_delta" and answer is not None:
                answer.update(table_at(event, "delta"))
                usage = {key: value for key, value in table_at(event, "usage").items() if value is not None}
                answer["usage"] = {**table_at(answer, "usage"), **usage}
            elif kind == "content_block_start":
                parts[_place(event)] = dict(table_at(event, "content_block"))
            elif kind == "content_block_delta":
                place = _place(event)
                if place not in parts:
                    raise ModelFault("the stream goes on with a block that it never began")
                for key, piece in table_at(event, "delta").items():
                    if key != "type" and isinstance(piece, str):
                        heard.setdefault(place, {}).setdefault(key, []).append(piece)
        raise ModelFault("the stream was cut off before its end")

    def text_of(self, event: Mapping[str, Any]) -> str:
        """The text of a `text_delta`."""
        delta = table_at(event, "delta")
        return text_at(delta, "text") if text_at(delta, "type") == "text_delta" else ""

    def read_request(self, body: Mapping[str, Any], path: str = "") -> Asked:
        """What a request asks for; the path says nothing."""
        return read_request(body)

    def answer(self, completion: Completion, asked: Asked) -> Tree:
        """The message of an answer."""
        content = completion.message.content
        blocks: Sequence[Block] = [TextBlock(content)] if isinstance(content, str) else content
        parts = [part for block in blocks if (part := _answered(block)) is not None]
        usage = completion.usage
        counts: Tree = {
            "input_tokens": max(0, usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens),
            "cache_creation_input_tokens": usage.cache_write_tokens,
            "cache_read_input_tokens": usage.cached_tokens,
            "output_tokens": usage.output_tokens,
        }
        if usage.reasoning_tokens:
            counts["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
        last = asked.messages[-1:] and repr(asked.messages[-1])
        return {
            "id": f"msg_{name_of([parts, len(asked.messages), last])[:24]}",
            "type": "message",
            "role": "assistant",
            "model": completion.model or asked.model,
            "content": parts,
            "stop_reason": _REASONS.get(completion.stop, "pause_turn"),
            "stop_sequence": None,
            "usage": counts,
        }

    def events(self, completion: Completion, asked: Asked) -> Iterator[tuple[str, Tree | str]]:
        """The events from `message_start` to `message_stop`."""
        whole = self.answer(completion, asked)
        start = {**whole, "content": [], "stop_reason": None, "usage": {**whole["usage"], "output_tokens": 1}}
        yield "message_start", {"type": "message_start", "message": start}
        for place, part in enumerate(whole["content"]):
            begun, deltas = _streamed(part)
            yield "content_block_start", {"type": "content_block_start", "index": place, "content_block": begun}
            if place == 0:
                yield "ping", {"type": "ping"}
            for delta in deltas:
                yield "content_block_delta", {"type": "content_block_delta", "index": place, "delta": delta}
            yield "content_block_stop", {"type": "content_block_stop", "index": place}
        ended = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
        yield "message_delta", {"type": "message_delta", "delta": ended, "usage": whole["usage"]}
        yield "message_stop", {"type": "message_stop"}

    def error(self, status: int, message: str) -> Tree:
        """The body of an error; its type follows from the status."""
        kind = _ERRORS.get(status, "invalid_request_error" if status < 500 else "api_error")
        return {"type": "error", "error": {"type": kind, "message": message}}


def _most(given: Mapping[str, Value]) -> int:
    reasoning = given.get("reasoning")
    return _ANSWER_TOKENS + (reasoning if isinstance(reasoning, int) else 0)


def _reason(reasoning: Value, body: Tree) -> None:
    if reasoning == "none" or reasoning == 0:
        body["thinking"] = {"type": "disabled"}
    elif isinstance(reasoning, int):
        body["thinking"] = {"type": "enabled", "budget_tokens": reasoning}
    elif reasoning is not None:
        body["thinking"] = {"type": "adaptive"}
        body["output_config"] = {"effort": reasoning}


def _turns(messages: Sequence[Message]) -> list[Tree]:
    """The conversation as turns of user and assistant that take turns; results of tools come first in theirs."""
    turns: list[Tree] = []
    for message in messages:
        if message.role == "system":
            continue
        role = "assistant" if message.role == "assistant" else "user"
        blocks = [TextBlock(message.content)] if isinstance(message.content, str) else message.content
        parts = [part for block in blocks if (part := _sent(block)) is not None]
        if not parts:
            if role == "assistant":
                continue
            parts = [{"type": "text", "text": "(empty)"}]
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += parts
        else:
            turns.append({"role": role, "content": parts})
    for turn in turns:
        turn["content"].sort(key=lambda part: part["type"] != "tool_result")
    return turns


def _sent(block: Block) -> Tree | None:
    """A block as part of a request; None where the format refuses such a one."""
    if isinstance(block, TextBlock):
        return {"type": "text", "text": block.text} if block.text.strip() else None
    if isinstance(block, ThinkingBlock):
        return _thought(block) if block.origin == ORIGIN and block.signature else None
    if isinstance(block, ToolUseBlock):
        given = block.input if isinstance(block.input, Mapping) else {"arguments": block.input}
        return {"type": "tool_use", "id": _word(block.id), "name": _word(block.name), "input": dict(given)}
    if isinstance(block, ImageBlock):
        source = {"type": "base64", "media_type": block.media_type, "data": base64.b64encode(block.data).decode()}
        return {"type": "image", "source": source}
    part: Tree = {"type": "tool_result", "tool_use_id": _word(block.tool_use_id)}
    text = [{"type": "text", "text": block.content}] if block.content and block.content.strip() else []
    if content := text + [made for image in block.images if (made := _sent(image)) is not None]:
        part["content"] = content
    if block.is_error:
        part["is_error"] = True
    return part


def _word(name: str) -> str:
    """A name as the format takes it: a model may ask for a tool by any name, which is refused when it is sent back."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)[:128] or "_"


def _thought(block: ThinkingBlock) -> Tree:
    signature = block.signature or ""
    if signature.startswith(REDACTED):
        return {"type": "redacted_thinking", "data": signature.removeprefix(REDACTED)}
    return {"type": "thinking", "thinking": block.thinking, "signature": signature}


def _closed(schema: Any) -> Any:
    """The schema with every object closed: the API takes no other."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    made = {key: value if key in ("enum", "const", "default") else _closed(value) for key, value in schema.items()}
    if schema.get("type") == "object" and isinstance(schema.get("properties", {}), Mapping):
        made.setdefault("additionalProperties", False)
    return made


def _mark(body: Tree) -> None:
    """Mark where caches end: after the tools, the system prompt and the last two turns of the user; four at most."""
    users = [turn["content"][-1] for turn in body["messages"] if turn["role"] == "user"]
    for part in [*body.get("tools", [])[-1:], *body.get("system", [])[-1:], *users[-2:]]:
        part["cache_control"] = {"type": "ephemeral"}


def _received(part: Mapping[str, Any]) -> list[Block]:
    kind = text_at(part, "type")
    if kind == "text":
        text = text_at(part, "text")
        return [TextBlock(text)] if text else []
    if kind == "thinking":
        return [ThinkingBlock(text_at(part, "thinking"), text_at(part, "signature") or None, ORIGIN)]
    if kind == "redacted_thinking":
        return [ThinkingBlock("", REDACTED + text_at(part, "data"), ORIGIN)]
    if kind == "tool_use":
        return [ToolUseBlock(text_at(part, "id"), text_at(part, "name"), arguments_of(part.get("input", {})))]
    return []  # of tools that the provider runs itself


def _usage(counts: Mapping[str, Any]) -> Usage:
    read, written = count_at(counts, "cache_read_input_tokens"), count_at(counts, "cache_creation_input_tokens")
    return Usage(
        count_at(counts, "input_tokens") + read + written,
        count_at(counts, "output_tokens"),
        read,
        count_at(table_at(counts, "output_tokens_details"), "thinking_tokens"),
        written,
    )


def _place(event: Mapping[str, Any]) -> int:
    place = at(event, "index")
    if type(place) is not int:
        raise ModelFault("the stream does not say of which block it speaks")
    return place


def _whole(part: Tree, heard: Mapping[str, list[str]]) -> Tree:
    for key, said in heard.items():
        if key == "partial_json":
            part["input"] = parsed("".join(said))
        else:
            part[key] = text_at(part, key) + "".join(said)
    return part


def _answered(block: Block) -> Tree | None:
    if isinstance(block, TextBlock):
        return {"type": "text", "text": block.text}
    if isinstance(block, ThinkingBlock):
        own = block.origin == ORIGIN
        return _thought(block) if own else {"type": "thinking", "thinking": block.thinking, "signature": ""}
    if isinstance(block, ToolUseBlock):
        return {"type": "tool_use", "id": block.id, "name": block.name, "input": block.input}
    return None


def _streamed(part: Tree) -> tuple[Tree, Iterator[Tree]]:
    """A block as its stream begins it, and the pieces that follow."""
    if part["type"] == "text":
        return {**part, "text": ""}, ({"type": "text_delta", "text": piece} for piece in pieces(part["text"]))
    if part["type"] == "thinking":
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in pieces(part["thinking"])]
        return {**part, "thinking": "", "signature": ""}, iter(
            [*deltas, {"type": "signature_delta", "signature": part["signature"]}]
        )
    if part["type"] == "tool_use":
        text = part["input"] if isinstance(part["input"], str) else json.dumps(part["input"])
        said = ({"type": "input_json_delta", "partial_json": piece} for piece in ["", *pieces(text)])
        return {**part, "input": {}}, said
    return part, iter(())
