"""The wire format of OpenAI's Chat Completions, which most other servers speak too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from terrarium.core.errors import ModelFault, Refused
from terrarium.core.message import Block, ImageBlock, Message, TextBlock, ThinkingBlock, ToolResultBlock, ToolUseBlock
from terrarium.core.model import Completion
from terrarium.core.tool import Tool
from terrarium.core.values import Value
from terrarium.model.wire import openai_terms as terms
from terrarium.model.wire.tree import cleaned
from terrarium.model.wire.wire import Asked, Tree

_STOPS = {"stop": "end", "length": "length", "content_filter": "refusal", "tool_calls": "end", "function_call": "end"}
_FINISH = {"end": "stop", "tool_use": "tool_calls", "length": "length", "refusal": "content_filter", "other": "stop"}
_SAME = {"temperature": "temperature", "top_p": "top_p", "seed": "seed", "parallel_tool_calls": "parallel_tool_calls"}
_SAMPLING = {**_SAME, "max_tokens": "max_tokens", "max_completion_tokens": "max_tokens", "logprobs": "logprobs"}
_READ = frozenset(_SAMPLING).union(
    ("model", "messages", "tools", "stop", "reasoning_effort", "response_format", "stream", "stream_options"),
    ("prompt_cache_options", "n"),
)
_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "tool"}


class OpenAIChatWire:
    """`/v1/chat/completions`. See `terrarium.model.wire.wire.Wire`.

    Thinking is `reasoning_content`, as servers of open models have it, and goes back as that. Images of a tool's
    result follow the results in a message of the user, for there are none in a message of a tool.
    """

    name: ClassVar[str] = "openai_chat"

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
        given = terms.checked(parameters, ("top_k",), self.name)
        body: Tree = {"model": model, "messages": [turn for message in messages for turn in _turns(message)]}
        if tools:
            body["tools"] = [_function(tool) for tool in tools]
        body |= {word: given[word] for word in _SAME if word in given and (tools or word != "parallel_tool_calls")}
        if "max_tokens" in given:
            body["max_completion_tokens"] = given["max_tokens"]
        if "stop" in given:
            body["stop"] = list(given["stop"])
        if "reasoning" in given:
            body["reasoning_effort"] = given["reasoning"]
        if given.get("cache") is False:
            body["prompt_cache_options"] = {"mode": "explicit"}
        if given.get("logprobs"):
            body["logprobs"] = True
        if schema is not None:
            form = {"name": "answer", "schema": dict(schema), "strict": terms.is_strict(schema)}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        return body | dict(given.get("extra", {}))

    def read_answer(self, body: Mapping[str, Any]) -> Completion:
        """What a whole answer says; see `Wire.read_answer`."""
        choice = _first(body)
        message = choice.get("message") if choice is not None else None
        if choice is None or not isinstance(message, Mapping):
            raise terms.failed(body.get("error"), "the answer is none of Chat Completions: it has no message")
        blocks: list[Block] = []
        if thinking := _thinking(message):
            blocks.append(ThinkingBlock(thinking, origin=self.name))
        if text := _text(message.get("content")):
            blocks.append(TextBlock(text))
        refusal = message.get("refusal")
        if isinstance(refusal, str) and refusal:
            blocks.append(TextBlock(refusal))
        calls = message.get("tool_calls")
        uses = [_use(call) for call in calls if isinstance(call, Mapping)] if isinstance(calls, list) else []
        stop = _STOPS.get(str(choice.get("finish_reason")), "other")
        stop = "tool_use" if uses else "refusal" if refusal else stop
        if not blocks and choice.get("finish_reason") == "stop" and not uses:
            blocks = [TextBlock("")]
        if not blocks and not uses and stop not in ("length", "refusal"):
            raise ModelFault("the answer is empty: neither text nor a tool call")
        blocks = terms.own_ids([*blocks, *uses], str(body.get("id")))
        logprobs = choice.get("logprobs")
        return Completion(
            Message("assistant", blocks),
            stop,
            terms.usage_of(body.get("usage"), "prompt_tokens", "completion_tokens"),
            str(body.get("model") or "")[:256],
            prompt_token_ids=terms.integers(body.get("prompt_token_ids")),
            completion_token_ids=terms.integers(choice.get("token_ids")),
            logprobs=terms.logprobs_of(logprobs.get("content") if isinstance(logprobs, Mapping) else None),
        )

    def assemble(self, events: Iterable[Mapping[str, Any]]) -> Tree:
        """The whole answer that a stream makes up; see `Wire.assemble`."""
        from terrarium.model.wire.openai_chat_stream import ChatStream

        stream = ChatStream()
        for event in events:
            stream.add(event)
        return stream.body()

    def text_of(self, event: Mapping[str, Any]) -> str:
        """The piece of text that an event brings; see `Wire.text_of`."""
        choice = _first(event)
        delta = choice.get("delta") if choice is not None else None
        return _text(delta.get("content")) if isinstance(delta, Mapping) else ""

    # -- a server's side --------------------------------------------------------------------------------------------

    def read_request(self, body: Mapping[str, Any], path: str = "") -> Asked:
        """What a request asks for; see `Wire.read_request`."""
        model = terms.field(body, "model", str, "")
        turns = terms.field(body, "messages", list, "")
        if not turns:
            raise Refused("messages is empty")
        if terms.field(body, "n", int, "", 1) != 1:
            raise Refused("n must be 1: one answer is given to a request")
        parameters = terms.sampled(body, _SAMPLING)
        stop = terms.field(body, "stop", (str, list), "", None)
        if stop is not None:
            parameters["stop"] = [stop] if isinstance(stop, str) else stop
        if (effort := terms.effort_of(body.get("reasoning_effort"))) is not None:
            parameters["reasoning"] = effort
        if terms.field(body, "prompt_cache_options", Mapping, "", {}).get("mode") == "explicit":
            parameters["cache"] = False
        if extra := {key: value for key, value in body.items() if key not in _READ}:
            parameters["extra"] = extra
        tools = []
        for number, tool in enumerate(terms.field(body, "tools", list, "", [])):
            if terms.field(tool, "type", str, f"tools[{number}]") == "function":
                where = f"tools[{number}].function"
                tools.append(terms.offered(terms.field(tool, "function", Mapping, f"tools[{number}]"), where))
        options = terms.field(body, "stream_options", Mapping, "", {})
        return Asked(
            model,
            _conversation(turns),
            tools,
            parameters,
            _schema(terms.field(body, "response_format", Mapping, "", {})),
            bool(body.get("stream")),
            bool(options.get("include_usage")),
        )

    def answer(self, completion: Completion, asked: Asked) -> Tree:
        """The body of an answer; see `Wire.answer`."""
        blocks = _blocks(completion.message)
        message: Tree = {"role": "assistant", "content": terms.joined(blocks) or None, "refusal": None}
        finish = _FINISH.get(completion.stop, "stop")
        if completion.stop == "refusal" and message["content"]:
            message |= {"content": None, "refusal": message["content"]}
            finish = "stop"
        if thinking := _thought(blocks):
            message["reasoning_content"] = thinking
        if calls := [_call(block) for block in blocks if isinstance(block, ToolUseBlock)]:
            message["tool_calls"] = calls
        choice: Tree = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
        if completion.logprobs is not None:
            choice["logprobs"] = {"content": terms.written_logprobs(completion.logprobs), "refusal": None}
        if completion.completion_token_ids is not None:
            choice["token_ids"] = list(completion.completion_token_ids)
        body = {**_head(completion, asked, "chat.completion"), "choices": [choice]}
        body["usage"] = terms.written_usage(completion.usage, "prompt_tokens", "completion_tokens")
        if completion.prompt_token_ids is not None:
            body["prompt_token_ids"] = list(completion.prompt_token_ids)
        return body

    def events(self, completion: Completion, asked: Asked) -> Iterator[tuple[str, Tree | str]]:
        """The events of a streamed answer; see `Wire.events`."""
        body = self.answer(completion, asked)
        choice = body["choices"][0]
        message = choice["message"]
        head = _head(completion, asked, "chat.completion.chunk")

        def chunk(delta: Tree, finish: str | None = None, **more: Any) -> tuple[str, Tree]:
            return "", {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish, **more}]}

        name, first = chunk({"role": "assistant", "content": ""})
        yield name, first | {key: body[key] for key in ("prompt_token_ids",) if key in body}
        for word in ("reasoning_content", "content", "refusal"):
            for piece in terms.pieces(message.get(word) or ""):
                yield chunk({word: piece})
        for number, call in enumerate(message.get("tool_calls", ())):
            begun = {**call, "function": {**call["function"], "arguments": ""}}
            yield chunk({"tool_calls": [{"index": number, **begun}]})
            for piece in terms.pieces(call["function"]["arguments"]):
                yield chunk({"tool_calls": [{"index": number, "function": {"arguments": piece}}]})
        more = {key: choice[key] for key in ("logprobs", "token_ids") if choice.get(key) is not None}
        yield chunk({}, choice["finish_reason"], **more)
        if asked.usage:
            yield "", {**head, "choices": [], "usage": body["usage"]}
        yield "", "[DONE]"

    def error(self, status: int, message: str) -> Tree:
        """The body of an error; see `Wire.error`."""
        return openai_error(status, message)


def openai_error(status: int, message: str) -> Tree:
    """The body of an answer of OpenAI that is an error."""
    kinds = {401: "invalid_api_key", 403: "permission_denied", 404: "not_found", 429: "rate_limit_exceeded"}
    kind = "server_error" if status >= 500 else "invalid_request_error"
    return {"error": {"message": message, "type": kind, "param": None, "code": kinds.get(status)}}


# -- writing ----------------------------------------------------------------------------------------------------------


def _turns(message: Message) -> Iterator[Tree]:
    """A message as the messages of the format: each result of a tool is one."""
    if isinstance(message.content, str):
        yield {"role": message.role, "content": terms.plain(message.content)}
        return
    results = [block for block in message.content if isinstance(block, ToolResultBlock)]
    for result in results:
        yield {"role": "tool", "tool_call_id": result.tool_use_id, "content": terms.result_text(result)}
    shown: list[Tree] = []
    for result in results:
        if result.images:
            shown.append({"type": "text", "text": f"Images of the result of {result.tool_use_id}:"})
            shown += [_image(image) for image in result.images]
    if shown:
        yield {"role": "user", "content": shown}
    if message.role == "assistant":
        yield _assistant(message.content)
        return
    parts = [_part(block) for block in message.content if isinstance(block, (TextBlock, ImageBlock))]
    if parts or not results:
        yield {"role": "user" if message.role == "tool" else message.role, "content": parts}


def _assistant(blocks: Sequence[Block]) -> Tree:
    texts = [block.text for block in blocks if isinstance(block, TextBlock)]
    turn: Tree = {"role": "assistant", "content": terms.plain("\n".join(texts)) if texts else None}
    if thinking := _thought([block for block in blocks if getattr(block, "origin", "") == OpenAIChatWire.name]):
        turn["reasoning_content"] = thinking
    if calls := [_call(block) for block in blocks if isinstance(block, ToolUseBlock)]:
        turn["tool_calls"] = calls
    elif turn["content"] is None:
        turn["content"] = ""
    return turn


def _thought(blocks: Sequence[Block]) -> str:
    return terms.plain("\n\n".join(block.thinking for block in blocks if isinstance(block, ThinkingBlock)))


def _call(block: ToolUseBlock) -> Tree:
    function = {"name": terms.tool_name(block.name), "arguments": terms.written(block.input)}
    return {"id": block.id, "type": "function", "function": function}


def _part(block: TextBlock | ImageBlock) -> Tree:
    return {"type": "text", "text": terms.plain(block.text)} if isinstance(block, TextBlock) else _image(block)


def _image(image: ImageBlock) -> Tree:
    return {"type": "image_url", "image_url": {"url": terms.data_url(image)}}


def _function(tool: Tool) -> Tree:
    told = {"name": tool.name, "description": tool.description, "parameters": cleaned(dict(tool.parameters))}
    return {"type": "function", "function": told}


def _head(completion: Completion, asked: Asked, kind: str) -> Tree:
    return {"id": terms.named("chatcmpl", completion), "object": kind, "created": 0, "model": asked.model}


def _blocks(message: Message) -> list[Block]:
    return [TextBlock(message.content)] if isinstance(message.content, str) else list(message.content)


# -- reading ----------------------------------------------------------------------------------------------------------


def _first(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    choices = body.get("choices")
    found = choices[0] if isinstance(choices, list) and choices else None
    return found if isinstance(found, Mapping) else None


def _thinking(message: Mapping[str, Any]) -> str:
    """Reasoning, under either of its names."""
    for word in ("reasoning_content", "reasoning"):
        found = message.get(word)
        if isinstance(found, str) and found:
            return found
    return ""


def _text(content: Any) -> str:
    """Text, also where a server sends it in parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = [part.get("text") for part in parts if isinstance(part, Mapping)]
    return "".join(text for text in texts if isinstance(text, str))


def _use(call: Mapping[str, Any]) -> ToolUseBlock:
    function = call.get("function")
    function = function if isinstance(function, Mapping) else {}
    name = call.get("id")
    use = terms.called(function.get("name"))
    return ToolUseBlock(name if isinstance(name, str) else "", use, terms.read_arguments(function.get("arguments")))


def _conversation(turns: Sequence[Any]) -> list[Message]:
    """Messages as they were meant: the results of tools that follow one another are one message."""
    found: list[Message] = []
    for number, turn in enumerate(turns):
        where = f"messages[{number}]"
        role = _ROLES.get(terms.field(turn, "role", str, where))
        if role is None:
            raise Refused(f"{where}.role is none of {', '.join(_ROLES)}")
        if role == "assistant":
            found.append(Message(role, _answered(turn, where)))
            continue
        content = _content(turn, where, role)
        if role != "tool":
            found.append(Message(role, content))
            continue
        text = Message(role, content).text
        result = ToolResultBlock(terms.field(turn, "tool_call_id", str, where), text)
        if found and found[-1].role == "tool" and isinstance(found[-1].content, list):
            found[-1].content.append(result)
        else:
            found.append(Message("tool", [result]))
    return found


def _answered(turn: Mapping[str, Any], where: str) -> list[Block]:
    blocks: list[Block] = []
    if thinking := _thinking(turn):
        blocks.append(ThinkingBlock(thinking, origin=OpenAIChatWire.name))
    if text := _text(turn.get("content")) or _text(turn.get("refusal")):
        blocks.append(TextBlock(text))
    for place, call in enumerate(terms.field(turn, "tool_calls", list, where, [])):
        inner = f"{where}.tool_calls[{place}]"
        function = terms.field(call, "function", Mapping, inner)
        name = terms.field(function, "name", str, f"{inner}.function")
        arguments = terms.read_arguments(function.get("arguments"))
        blocks.append(ToolUseBlock(terms.field(call, "id", str, inner), name, arguments))
    return blocks


def _content(turn: Mapping[str, Any], where: str, role: str) -> str | list[Block]:
    content = terms.field(turn, "content", (str, list), where, "")
    if isinstance(content, str):
        return content
    found: list[Block] = []
    for number, part in enumerate(content):
        inner = f"{where}.content[{number}]"
        kind = terms.field(part, "type", str, inner)
        if kind == "text":
            found.append(TextBlock(terms.field(part, "text", str, inner)))
        elif kind == "image_url" and role == "user":
            address = terms.field(part, "image_url", Mapping, inner)
            found.append(terms.image_at(address.get("url"), f"{inner}.image_url.url"))
        else:
            raise Refused(f"{inner}.type is {kind!r}, which a message of the role {role} cannot have here")
    return found


def _schema(form: Mapping[str, Any]) -> Mapping[str, Any] | None:
    kind = form.get("type")
    if kind == "json_object":
        return {"type": "object"}
    if kind != "json_schema":
        return None
    inner = terms.field(form, "json_schema", Mapping, "response_format")
    return dict(terms.field(inner, "schema", Mapping, "response_format.json_schema", {}))
