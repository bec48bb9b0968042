"""The wire format of Google's Gemini API."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from terrarium.core.errors import ModelFault, Refused
from terrarium.core.message import Block, Message, TextBlock, ThinkingBlock, ToolUseBlock, Usage
from terrarium.core.model import Completion
from terrarium.core.tool import Tool
from terrarium.core.values import Value
from terrarium.model.wire.google_parts import ORIGIN, received, sent
from terrarium.model.wire.google_request import BUDGETS, read_request, thinks_by_budget
from terrarium.model.wire.parameters import checked, laid_over
from terrarium.model.wire.tree import (
    at,
    cleaned,
    count_at,
    name_of,
    pieces,
    table_at,
    tables_at,
    text_at,
    with_own_ids,
)
from terrarium.model.wire.wire import Asked, Tree

_LACKS: dict[str, tuple[Value, ...]] = {"parallel_tool_calls": (True,), "cache": (True,)}  # it does both by itself
_WORDS = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "max_tokens": "maxOutputTokens",
    "stop": "stopSequences",
    "seed": "seed",
}
_REFUSALS = frozenset(
    [
        "SAFETY",
        "RECITATION",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
        "MODEL_ARMOR",
    ]
)
_REASONS = {"end": "STOP", "tool_use": "STOP", "length": "MAX_TOKENS", "refusal": "SAFETY"}
_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class GoogleWire:
    """The Gemini API: `POST /v1beta/models/NAME:generateContent` and `:streamGenerateContent?alt=sse`."""

    name: ClassVar[str] = "google"

    def request(
        self,
        model: str,
        messages: Sequence[Message],
        tools: Sequence[Tool],
        parameters: Mapping[str, Value],
        schema: Mapping[str, Any] | None = None,
    ) -> Tree:
        """The body of a request; the model is named by its path, not here."""
        given = checked(parameters, "Google's API", _LACKS)
        body: Tree = {"contents": _contents(model, messages)}
        if system := [{"text": m.text} for m in messages if m.role == "system" and m.text]:
            body["systemInstruction"] = {"parts": system}
        if tools:
            declared = [
                {"name": tool.name, "description": tool.description, "parametersJsonSchema": dict(tool.parameters)}
                for tool in tools
            ]
            body["tools"] = [{"functionDeclarations": declared}]
        config: Tree = {word: given[name] for name, word in _WORDS.items() if name in given}
        if "reasoning" in given:
            config["thinkingConfig"] = _thinking(model, given["reasoning"])
        if given.get("logprobs"):
            config["responseLogprobs"] = True
        if schema is not None:
            config |= {"responseMimeType": "application/json", "responseJsonSchema": dict(schema)}
        if config:
            body["generationConfig"] = config
        made: Tree = cleaned(laid_over(body, given.get("extra", {})))
        return made

    def read_answer(self, body: Mapping[str, Any]) -> Completion:
        """What the first candidate says; a prompt that was blocked is a refusal."""
        candidates = tables_at(body, "candidates")
        blocked = text_at(table_at(body, "promptFeedback"), "blockReason")
        if not candidates and not blocked:
            said = text_at(table_at(body, "error"), "message")
            code = text_at(table_at(body, "error"), "status")[:80] or None
            raise ModelFault(f"this is no answer of Google's API{f': {said[:500]}' if said else ''}", code=code)
        candidate = candidates[0] if candidates else {}
        try:
            parts = tables_at(table_at(candidate, "content"), "parts")
            blocks = with_own_ids([block for part in parts for block in received(part, "the answer")], body)
        except Refused as error:
            raise ModelFault(str(error)) from None
        reason = text_at(candidate, "finishReason")
        stop = "refusal" if reason in _REFUSALS or blocked else _stop(reason, blocks)
        if not blocks and stop == "end":
            blocks = [TextBlock("")]
        if not blocks and stop == "other":
            said = text_at(candidate, "finishMessage")[:500]
            why = f"{reason[:80] or 'no reason'}{f': {said}' if said else ''}"
            raise ModelFault(f"the answer holds nothing (it stopped for {why})", code=reason[:80] or None)
        chosen = tables_at(table_at(candidate, "logprobsResult"), "chosenCandidates")
        chances = [float(c["logProbability"]) for c in chosen if type(c.get("logProbability")) in (int, float)]
        ids = [c["tokenId"] for c in chosen if type(c.get("tokenId")) is int]
        return Completion(
            Message("assistant", blocks),
            stop,
            _usage(table_at(body, "usageMetadata")),
            text_at(body, "modelVersion"),
            completion_token_ids=ids if ids and len(ids) == len(chosen) else None,
            logprobs=chances if chances and len(chances) == len(chosen) else None,
        )

    def assemble(self, events: Iterable[Mapping[str, Any]]) -> Tree:
        """The answer that the chunks make up: text runs on, everything else stands as it came."""
        body: Tree = {}
        candidate: Tree = {}
        parts: list[Tree] = []
        run: list[str] = []
        chosen: list[Any] = []
        for event in events:
            if (error := table_at(event, "error")) or not isinstance(event, Mapping):
                told = text_at(error, "message")[:500] or "no word why"
                code = text_at(error, "status")[:80] or None
                raise ModelFault(f"the stream ended with an error: {told}", code=code)
            for key, value in event.items():
                if key == "usageMetadata":
                    body[key] = {**table_at(body, key), **table_at(event, key)}
                elif key != "candidates":
                    body[key] = value
            for piece in tables_at(event, "candidates")[:1]:
                chosen += tables_at(table_at(piece, "logprobsResult"), "chosenCandidates")
                candidate |= {key: value for key, value in piece.items() if key != "content"}
                for part in tables_at(table_at(piece, "content"), "parts"):
                    _run_on(parts, run, part)
        if run:
            parts[-1]["text"] = "".join(run)
        if not candidate.get("finishReason") and not text_at(table_at(body, "promptFeedback"), "blockReason"):
            raise ModelFault("the stream was cut off before its end")
        if chosen:
            candidate["logprobsResult"] = {"chosenCandidates": chosen}
        return {
            **body,
            "candidates": [{"content": {"role": "model", "parts": parts}, **candidate}] if candidate else [],
        }

    def text_of(self, event: Mapping[str, Any]) -> str:
        """The text of a chunk's parts that is no thought."""
        for candidate in tables_at(event, "candidates")[:1]:
            parts = tables_at(table_at(candidate, "content"), "parts")
            return "".join(text_at(part, "text") for part in parts if at(part, "thought") is not True)
        return ""

    def read_request(self, body: Mapping[str, Any], path: str = "") -> Asked:
        """What a request asks for; the path names the model, and whether a stream is wanted."""
        return read_request(body, path)

    def answer(self, completion: Completion, asked: Asked) -> Tree:
        """The answer, with one candidate."""
        parts = _answered(completion)
        usage = completion.usage
        counts: Tree = {
            "promptTokenCount": usage.input_tokens,
            "candidatesTokenCount": max(0, usage.output_tokens - usage.reasoning_tokens),
            "totalTokenCount": usage.input_tokens + usage.output_tokens,
        }
        if usage.cached_tokens:
            counts["cachedContentTokenCount"] = usage.cached_tokens
        if usage.reasoning_tokens:
            counts["thoughtsTokenCount"] = usage.reasoning_tokens
        candidate: Tree = {
            "content": {"role": "model", "parts": parts},
            "finishReason": _REASONS.get(completion.stop, "OTHER"),
            "index": 0,
        }
        if completion.logprobs is not None:
            ids = completion.completion_token_ids or []
            candidate["logprobsResult"] = {
                "chosenCandidates": [
                    {"logProbability": chance, **({"tokenId": ids[n]} if n < len(ids) else {})}
                    for n, chance in enumerate(completion.logprobs)
                ]
            }
        last = asked.messages[-1:] and repr(asked.messages[-1])
        return {
            "candidates": [candidate],
            "usageMetadata": counts,
            "modelVersion": completion.model or asked.model,
            "responseId": name_of([parts, len(asked.messages), last])[:22],
        }

    def events(self, completion: Completion, asked: Asked) -> Iterator[tuple[str, Tree | str]]:
        """Chunks without names; text comes in pieces, tool calls whole, the reason with the last."""
        whole = self.answer(completion, asked)
        candidate = whole["candidates"][0]
        early = {key: value for key, value in whole.items() if key != "candidates"}
        early["usageMetadata"] = {"promptTokenCount": whole["usageMetadata"]["promptTokenCount"]}
        for part in candidate["content"]["parts"]:
            for piece in _streamed(part):
                content = {"role": "model", "parts": [piece]}
                yield "", {"candidates": [{"content": content, "index": 0}], **early}
        yield "", {**whole, "candidates": [{**candidate, "content": {"role": "model", "parts": [{"text": ""}]}}]}

    def error(self, status: int, message: str) -> Tree:
        """The body of an error; its status follows from the code."""
        word = _STATUSES.get(status, "INVALID_ARGUMENT" if status < 500 else "INTERNAL")
        return {"error": {"code": status, "message": message, "status": word}}


def _contents(model: str, messages: Sequence[Message]) -> list[Tree]:
    contents: list[Tree] = []
    called: dict[str, str] = {}
    for message in messages:
        if message.role == "system":
            continue
        role = "model" if message.role == "assistant" else "user"
        called |= {block.id: block.name for block in message.tool_uses}
        blocks = [TextBlock(message.content)] if isinstance(message.content, str) else message.content
        parts = sent(model, blocks, called)
        if not parts:
            if role == "model":
                continue
            parts = [{"text": "(empty)"}]
        if contents and contents[-1]["role"] == role:
            contents[-1]["parts"] += parts
        else:
            contents.append({"role": role, "parts": parts})
    return contents


def _thinking(model: str, reasoning: Value) -> Tree:
    if reasoning == "none" or reasoning == 0:
        return {"thinkingBudget": 0}
    if isinstance(reasoning, int):
        return {"thinkingBudget": reasoning, "includeThoughts": True}
    if thinks_by_budget(model):
        return {"thinkingBudget": BUDGETS[reasoning], "includeThoughts": True}
    return {"thinkingLevel": reasoning.upper(), "includeThoughts": True}


def _stop(reason: str, blocks: Sequence[Block]) -> str:
    if reason == "MAX_TOKENS":
        return "length"
    if any(isinstance(block, ToolUseBlock) for block in blocks):
        return "tool_use"
    return "end" if reason == "STOP" else "other"


def _usage(counts: Mapping[str, Any]) -> Usage:
    thoughts = count_at(counts, "thoughtsTokenCount")
    return Usage(
        count_at(counts, "promptTokenCount") + count_at(counts, "toolUsePromptTokenCount"),
        count_at(counts, "candidatesTokenCount") + thoughts,
        count_at(counts, "cachedContentTokenCount"),
        thoughts,
    )


def _run_on(parts: list[Tree], run: list[str], part: Mapping[str, Any]) -> None:
    """Take in a part of a stream: text goes on in the part before where both are alike; a signature ends the run."""
    text = set(part) <= {"text", "thought", "thoughtSignature"} and isinstance(part.get("text"), str)
    goes_on = text and run and at(parts[-1], "thought") is at(part, "thought") and "thoughtSignature" not in parts[-1]
    if goes_on:
        run.append(part["text"])
        parts[-1] |= {key: value for key, value in part.items() if key != "text"}
        return
    if run:
        parts[-1]["text"] = "".join(run)
        run.clear()
    if text and part["text"] == "" and "thoughtSignature" not in part:
        return
    parts.append(dict(part))
    if text:
        run.append(part["text"])


def _answered(completion: Completion) -> list[Tree]:
    content = completion.message.content
    blocks: Sequence[Block] = [TextBlock(content)] if isinstance(content, str) else content
    parts: list[Tree] = []
    for block in blocks:
        if isinstance(block, TextBlock):
            parts.append({"text": block.text})
        elif isinstance(block, ThinkingBlock):
            own = block.origin == ORIGIN and block.signature
            signed: Tree = {"thoughtSignature": block.signature} if own else {}
            if block.thinking or own:
                parts.append({"text": block.thinking, **({"thought": True} if block.thinking else {}), **signed})
        elif isinstance(block, ToolUseBlock):
            signed = {"thoughtSignature": block.signature} if block.signature else {}
            parts.append({"functionCall": {"id": block.id, "name": block.name, "args": block.input}, **signed})
    return parts


def _streamed(part: Tree) -> Iterator[Tree]:
    if not part.get("text"):
        yield part
        return
    said = list(pieces(part["text"]))
    plain = {key: value for key, value in part.items() if key != "thoughtSignature"}
    for piece in said[:-1]:
        yield {**plain, "text": piece}
    yield {**part, "text": said[-1]}
