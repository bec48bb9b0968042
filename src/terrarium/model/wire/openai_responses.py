"""The wire format of OpenAI's Responses, used without state on the server: `store` is false."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from terrarium.core.errors import ModelFault
from terrarium.core.message import Block, ImageBlock, Message, TextBlock, ThinkingBlock, ToolResultBlock, ToolUseBlock
from terrarium.core.model import Completion
from terrarium.core.tool import Tool
from terrarium.core.values import Value
from terrarium.model.wire import openai_reasoning as reasoning
from terrarium.model.wire import openai_terms as terms
from terrarium.model.wire.openai_chat import openai_error
from terrarium.model.wire.openai_responses_request import read_request
from terrarium.model.wire.tree import cleaned
from terrarium.model.wire.wire import Asked, Tree

_SAME = {"temperature": "temperature", "top_p": "top_p", "parallel_tool_calls": "parallel_tool_calls"}
_REASONING, _LOGPROBS = "reasoning.encrypted_content", "message.output_text.logprobs"
_NO_REASONING = ("gpt-3", "gpt-4", "chatgpt-")  # these refuse to be asked for it
_END = {"end": None, "tool_use": None, "length": "max_output_tokens", "refusal": "content_filter", "other": None}


class OpenAIResponsesWire:
    """`/v1/responses`. See `terrarium.model.wire.wire.Wire`.

    The whole conversation is sent every time. Reasoning comes and goes encrypted, as the signature of its block; what
    came without is not sent back, for no server could tell that it is genuine. A signature of another provider, which
    a server hands out, carries the name of its origin before it.
    """

    name: ClassVar[str] = "openai_responses"

    # -- a client's side --------------------------------------------------------------------------------------------

    def request(
        self,
        model: str,
        messages: Sequence[Message],
        tools: Sequence[Tool],
        parameters: Mapping[str, Value],
        schema: Mapping[str, Any] | None = None,
    ) -> Tree:
        """The body of a request; see `Wire.request`."""
        given = terms.checked(parameters, ("top_k", "stop", "seed"), self.name)
        first = next((n for n, message in enumerate(messages) if message.role != "system"), len(messages))
        body: Tree = {"model": model, "store": False}
        if first:
            body["instructions"] = terms.plain("\n\n".join(message.text for message in messages[:first]))
        body["input"] = [item for message in messages[first:] for item in _items(message)]
        if tools:
            body["tools"] = [_function(tool) for tool in tools]
        body |= {word: given[word] for word in _SAME if word in given and (tools or word != "parallel_tool_calls")}
        if "max_tokens" in given:
            body["max_output_tokens"] = given["max_tokens"]
        if "reasoning" in given:
            body["reasoning"] = {"effort": given["reasoning"]}
        if given.get("cache") is False:
            body["prompt_cache_options"] = {"mode": "explicit"}
        include = [] if model.removeprefix("ft:").startswith(_NO_REASONING) else [_REASONING]
        include += [_LOGPROBS] if given.get("logprobs") else []
        if include:
            body["include"] = include
        if schema is not None:
            form = {"type": "json_schema", "name": "answer", "schema": dict(schema), "strict": terms.is_strict(schema)}
            body["text"] = {"format": form}
        return body | dict(given.get("extra", {}))

    def read_answer(self, body: Mapping[str, Any]) -> Completion:
        """What a whole answer says; see `Wire.read_answer`."""
        output = body.get("output")
        status = body.get("status")
        if status in ("failed", "cancelled") or not isinstance(output, list):
            raise terms.failed(body.get("error"), f"the answer is none of Responses: it has no output ({status!r:.40})")
        blocks: list[Block] = []
        logprobs: list[float] | None = None
        refused = False
        for item in output:
            kind = item.get("type") if isinstance(item, Mapping) else None
            if kind == "reasoning":
                blocks += reasoning.thought(item)
            elif kind == "function_call":
                name = item.get("call_id") or item.get("id")
                arguments = terms.read_arguments(item.get("arguments"))
                use = ToolUseBlock(name if isinstance(name, str) else "", terms.called(item.get("name")), arguments)
                blocks.append(use)
            elif kind == "message":
                for part in _parts(item):
                    refused = refused or part.get("type") == "refusal"
                    if isinstance(text := part.get("text") or part.get("refusal"), str) and text:
                        blocks.append(TextBlock(text))
                    if (found := terms.logprobs_of(part.get("logprobs"))) is not None:
                        logprobs = [*(logprobs or ()), *found]
        stop = _stop(body, blocks, refused)
        if not blocks and stop == "end":
            blocks = [TextBlock("")]
        if not blocks and stop == "other":
            raise ModelFault("the answer is empty: neither text nor a tool call")
        message = Message("assistant", terms.own_ids(blocks, str(body.get("id"))))
        usage = terms.usage_of(body.get("usage"), "input_tokens", "output_tokens")
        return Completion(message, stop, usage, str(body.get("model") or "")[:256], logprobs=logprobs)

    def assemble(self, events: Iterable[Mapping[str, Any]]) -> Tree:
        """The whole answer that a stream makes up; see `Wire.assemble`."""
        done: dict[Any, Any] = {}
        for event in events:
            if not isinstance(event, Mapping):
                raise ModelFault("the stream holds something that is no event of Responses")
            kind = event.get("type")
            response = event.get("response")
            if kind == "error" or (kind is None and event.get("error")):
                error = event.get("error")
                raise terms.failed(error if isinstance(error, Mapping) else event, "")
            if kind == "response.output_item.done":
                done[event.get("output_index", len(done))] = event.get("item")
            elif kind == "response.failed":
                error = response.get("error") if isinstance(response, Mapping) else None
                raise terms.failed(error, "the answer failed; the stream does not say why")
            elif kind in ("response.completed", "response.incomplete") and isinstance(response, Mapping):
                whole = dict(response)
                return whole if whole.get("output") else {**whole, "output": list(done.values())}
        raise ModelFault("the stream was cut off: no event says that the answer is complete")

    def text_of(self, event: Mapping[str, Any]) -> str:
        """The piece of text that an event brings; see `Wire.text_of`."""
        delta = event.get("delta") if event.get("type") == "response.output_text.delta" else None
        return delta if isinstance(delta, str) else ""

    # -- a server's side --------------------------------------------------------------------------------------------

    def read_request(self, body: Mapping[str, Any], path: str = "") -> Asked:
        """What a request asks for; see `Wire.read_request`."""
        return read_request(body)

    def answer(self, completion: Completion, asked: Asked) -> Tree:
        """The body of an answer; see `Wire.answer`."""
        name = terms.named("resp", completion)
        output = [_output(block, f"{name[5:21]}{number}") for number, block in enumerate(_blocks(completion.message))]
        written = [_spaced(item, asked) for item in output if item is not None]
        if completion.logprobs is not None:
            texts = [item for item in written if item["type"] == "message"]
            for item in texts[:1]:  # it is not known which of them are of which text
                item["content"][0]["logprobs"] = terms.written_logprobs(completion.logprobs)
        said = [item for item in written if item["type"] == "message"]
        reason = _END.get(completion.stop)
        if completion.stop == "refusal" and said:
            reason = None
            for item in said:
                item["content"] = [{"type": "refusal", "refusal": part["text"]} for part in item["content"]]
        return {
            **_head(name, asked),
            "status": "completed" if reason is None else "incomplete",
            "incomplete_details": None if reason is None else {"reason": reason},
            "output": written,
            "usage": terms.written_usage(completion.usage, "input_tokens", "output_tokens"),
        }

    def events(self, completion: Completion, asked: Asked) -> Iterator[tuple[str, Tree | str]]:
        """The events of a streamed answer; see `Wire.events`."""
        for number, (kind, data) in enumerate(self._events(completion, asked)):
            yield kind, {"type": kind, "sequence_number": number, **data}

    def _events(self, completion: Completion, asked: Asked) -> Iterator[tuple[str, Tree]]:
        body = self.answer(completion, asked)
        begun = {**_head(body["id"], asked), "status": "in_progress", "incomplete_details": None}
        begun |= {"output": [], "usage": None}
        yield "response.created", {"response": begun}
        yield "response.in_progress", {"response": begun}
        for index, item in enumerate(body["output"]):
            place = {"output_index": index, "item_id": item["id"]}
            empty = {**item, **{key: type(item[key])() for key in ("content", "summary", "arguments") if key in item}}
            empty |= {"status": "in_progress"} if "status" in item else {}
            yield "response.output_item.added", {"output_index": index, "item": empty}
            if item["type"] == "function_call":
                yield from _said("response.function_call_arguments", place, "arguments", item["arguments"])
            for number, part in enumerate(item.get("summary", ())):
                spot = {**place, "summary_index": number}
                yield "response.reasoning_summary_part.added", {**spot, "part": {**part, "text": ""}}
                yield from _said("response.reasoning_summary_text", spot, "text", part["text"])
                yield "response.reasoning_summary_part.done", {**spot, "part": part}
            for number, part in enumerate(item.get("content", ())):
                spot = {**place, "content_index": number}
                word = "refusal" if part["type"] == "refusal" else "text"
                yield "response.content_part.added", {**spot, "part": {**part, word: ""}}
                yield from _said(
                    "response.refusal" if word == "refusal" else "response.output_text", spot, word, part[word]
                )
                yield "response.content_part.done", {**spot, "part": part}
            yield "response.output_item.done", {"output_index": index, "item": item}
        yield f"response.{body['status']}", {"response": body}

    def error(self, status: int, message: str) -> Tree:
        """The body of an error; see `Wire.error`."""
        return openai_error(status, message)


def _said(kind: str, place: Tree, word: str, text: str) -> Iterator[tuple[str, Tree]]:
    for piece in terms.pieces(text):
        yield f"{kind}.delta", {**place, "delta": piece}
    yield f"{kind}.done", {**place, word: text}


# -- writing ----------------------------------------------------------------------------------------------------------


def _items(message: Message) -> Iterator[Tree]:
    """A message as the items of the format: results, calls and reasoning are items of their own."""
    if isinstance(message.content, str):
        if message.role == "assistant":
            yield _message("assistant", [_said_part(message.content)])
        else:
            yield {"type": "message", "role": message.role, "content": terms.plain(message.content)}
        return
    parts: list[Tree] = []
    for block in message.content:
        if isinstance(block, (TextBlock, ImageBlock)):
            if message.role != "assistant":
                parts.append(_part(block))
            elif isinstance(block, TextBlock):
                parts.append(_said_part(block.text))
            continue
        if parts:
            yield _message(message.role, parts)
            parts = []
        yield from _other(block)
    if parts:
        yield _message(message.role, parts)


def _other(block: Block) -> Iterator[Tree]:
    if isinstance(block, ToolUseBlock):
        call = {"call_id": block.id, "name": terms.tool_name(block.name), "arguments": terms.written(block.input)}
        yield {"type": "function_call", **call}
    elif isinstance(block, ToolResultBlock):
        text = terms.result_text(block)
        parts: list[Tree] = [{"type": "input_text", "text": text}] if text else []
        output = [*parts, *(_part(image) for image in block.images)] if block.images else text
        yield {"type": "function_call_output", "call_id": block.tool_use_id, "output": output}
    elif isinstance(block, ThinkingBlock) and (item := reasoning.sent_back(block)) is not None:
        yield item


def _message(role: str, parts: list[Tree]) -> Tree:
    return {"type": "message", "role": "user" if role == "tool" else role, "content": parts}


def _said_part(text: str) -> Tree:
    return {"type": "output_text", "text": terms.plain(text), "annotations": []}


def _part(block: TextBlock | ImageBlock) -> Tree:
    if isinstance(block, TextBlock):
        return {"type": "input_text", "text": terms.plain(block.text)}
    return {"type": "input_image", "image_url": terms.data_url(block), "detail": "auto"}


def _function(tool: Tool) -> Tree:
    told = {"name": tool.name, "description": tool.description, "parameters": cleaned(dict(tool.parameters))}
    return {"type": "function", **told, "strict": False}  # strict is the default here, and few schemas are


def _head(name: str, asked: Asked) -> Tree:
    return {
        "id": name,
        "object": "response",
        "created_at": 0,
        "model": asked.model,
        "error": None,
        "instructions": None,
        "metadata": {},
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "temperature": None,
        "top_p": None,
        "store": False,
    }


def _blocks(message: Message) -> list[Block]:
    return [TextBlock(message.content)] if isinstance(message.content, str) else list(message.content)


def _spaced(item: Tree, asked: Asked) -> Tree:
    """A call of a tool that was offered in a namespace names it."""
    if item["type"] == "function_call" and item["name"] in asked.spaces:
        space, name = asked.spaces[item["name"]]
        return {**item, "name": name, "namespace": space}
    return item


def _output(block: Block, name: str) -> Tree | None:
    if isinstance(block, TextBlock):
        part = _said_part(block.text)
        return {"type": "message", "id": f"msg_{name}", "status": "completed", "role": "assistant", "content": [part]}
    if isinstance(block, ToolUseBlock):
        call = {"call_id": block.id, "name": terms.tool_name(block.name), "arguments": terms.written(block.input)}
        return {"type": "function_call", "id": f"fc_{name}", "status": "completed", **call}
    if isinstance(block, ThinkingBlock):
        return reasoning.handed_out(block, f"rs_{name}")
    return None


# -- reading ----------------------------------------------------------------------------------------------------------


def _parts(item: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    content = item.get("content")
    return [part for part in content if isinstance(part, Mapping)] if isinstance(content, list) else []


def _stop(body: Mapping[str, Any], blocks: Sequence[Block], refused: bool) -> str:
    if any(isinstance(block, ToolUseBlock) for block in blocks):
        return "tool_use"
    if refused:
        return "refusal"
    if body.get("status") == "incomplete":
        details = body.get("incomplete_details")
        reason = details.get("reason") if isinstance(details, Mapping) else None
        return {"max_output_tokens": "length", "content_filter": "refusal"}.get(str(reason), "other")
    return "end" if body.get("status") in ("completed", None) else "other"
