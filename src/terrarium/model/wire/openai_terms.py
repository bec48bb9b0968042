"""What both wire formats of OpenAI spell alike: images, arguments of tool calls, schemas, sampling, tokens."""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from terrarium.core.errors import ConfigError, ModelFault, Refused, ValueNotPlain
from terrarium.core.message import Block, ImageBlock, TextBlock, ToolResultBlock, ToolUseBlock, Usage
from terrarium.core.model import Completion
from terrarium.core.tool import Tool
from terrarium.core.values import Value, digest
from terrarium.model.wire.parameters import LEVELS
from terrarium.model.wire.parameters import checked as parameters_checked

_EFFORT_LIKE = {"minimal": "low", "xhigh": "high", "max": "high"}
_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)(?:;[\w=.-]+)*;base64,", re.ASCII)
_NO_NAME = re.compile(r"[^A-Za-z0-9_-]")
_DEPTH = 100  # arguments that are nested deeper cannot be written down, and are kept as text
_MOST_TOKENS = 10**12


# -- requests ---------------------------------------------------------------------------------------------------------


def checked(parameters: Mapping[str, Value], lacks: Sequence[str], wire: str) -> dict[str, Value]:
    """The parameters that are given, known and possible.

    Raises:
        ConfigError: One is unknown, or the format has no word for it.
    """
    for name in lacks:
        if parameters.get(name) is not None:
            raise ConfigError(f"{wire} has no word for {name!r}; if this server takes it, lay it over with `extra`")
    effort = parameters.get("reasoning")
    if effort is not None and effort not in LEVELS:
        raise ConfigError(f"reasoning is one of {', '.join(LEVELS)} in {wire}, not {effort!r}; it counts no tokens")
    extra = parameters.get("extra")
    if extra is not None and not isinstance(extra, Mapping):
        raise ConfigError(f"extra must be a table, not {extra!r:.100}")
    return parameters_checked(parameters, wire, {})


def effort_of(word: object) -> str | None:
    """The effort of reasoning that a request asks for, as one of `LEVELS`."""
    word = _EFFORT_LIKE.get(str(word), word)
    return str(word) if word in LEVELS else None


def plain(text: str) -> str:
    """Text that UTF-8 can spell: half a surrogate pair becomes a mark."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    return text


def data_url(image: ImageBlock) -> str:
    """An image as a `data:` address."""
    return f"data:{image.media_type};base64,{base64.b64encode(image.data).decode()}"


def tool_name(name: str) -> str:
    """The name of a call as the format allows it; models make up others, and their calls are sent back to them."""
    return _NO_NAME.sub("_", name)[:64] or "unnamed"


def written(arguments: Value) -> str:
    """The arguments of a call as the text that is sent."""
    if isinstance(arguments, str):
        return plain(arguments)
    return json.dumps(arguments, separators=(",", ":"), default=str)


def result_text(result: ToolResultBlock) -> str:
    """The result of a call as text; the formats have no other word for one that is an error."""
    text = plain(result.content or "")
    return f"error: {text}" if result.is_error and not text.lower().startswith("error") else text


def is_strict(schema: Any) -> bool:
    """Whether OpenAI can hold an answer to it: every object closed, and every property required."""
    if isinstance(schema, Mapping):
        properties = schema.get("properties")
        if schema.get("type") == "object" or isinstance(properties, Mapping):
            names = set(properties) if isinstance(properties, Mapping) else set()
            if schema.get("additionalProperties") is not False or names != set(schema.get("required") or ()):
                return False
        return all(is_strict(inner) for inner in schema.values())
    return all(is_strict(inner) for inner in schema) if isinstance(schema, (list, tuple)) else True


# -- requests, as a server reads them ------------------------------------------------------------------------------


def field(tree: Any, name: str, kind: type | tuple[type, ...], where: str, default: Any = ...) -> Any:
    """A field of a request.

    Raises:
        Refused: It is missing, or of another type.
    """
    if not isinstance(tree, Mapping):
        raise Refused(f"{where or 'the request'} must be an object")
    value = tree.get(name)
    place = f"{where}.{name}" if where else name
    if value is None and default is not ...:
        return default
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise Refused(f"{place} is {'missing' if value is None else f'of the wrong type ({type(value).__name__})'}")
    return value


def image_at(address: Any, where: str) -> ImageBlock:
    """The image of a `data:` address.

    Raises:
        Refused: It is none.
    """
    head = _DATA_URL.match(address) if isinstance(address, str) else None
    if head is None:
        raise Refused(f"{where} must be a data URL in base64: nothing is fetched from here")
    try:
        return ImageBlock(base64.b64decode(address[head.end() :], validate=True), head[1])
    except (binascii.Error, ValueError):
        raise Refused(f"{where} is not base64") from None


def offered(tree: Mapping[str, Any], where: str) -> Tool:
    """The tool of a function of a request; it does nothing.

    Raises:
        Refused: It is no function.
    """
    name = field(tree, "name", str, where)
    parameters = field(tree, "parameters", Mapping, where, {"type": "object", "properties": {}})
    return Tool(name, field(tree, "description", str, where, ""), dict(parameters), lambda **_: None)


def sampled(body: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Value]:
    """Parameters by our names, of the fields that are called otherwise in the body."""
    return {ours: body[theirs] for theirs, ours in names.items() if body.get(theirs) is not None}


# -- answers ----------------------------------------------------------------------------------------------------------


def read_arguments(text: Any) -> Value:
    """The arguments of a call: an object as such, whatever else was sent as text."""
    if isinstance(text, Mapping):  # some servers send them as they are
        text = json.dumps(text)
    if not isinstance(text, str):
        text = "" if text is None else repr(text)
    if not text.strip():
        return {}
    try:
        tree = json.loads(text, parse_constant=_no_json)
    except (ValueError, RecursionError):
        return text
    return tree if isinstance(tree, dict) and _shallow(tree) else text


def _no_json(word: str) -> Any:
    raise ValueError(word)


def _shallow(tree: Any) -> bool:
    """Whether it is nested at most so deep, and all its numbers are finite."""
    level = [tree]
    for _ in range(_DEPTH):
        inner: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                inner.extend(item.values())
            elif isinstance(item, list):
                inner.extend(item)
            elif isinstance(item, float) and not math.isfinite(item):
                return False
        if not inner:
            return True
        level = inner
    return False


def own_ids(blocks: Iterable[Block], answer: str) -> list[Block]:
    """The blocks with tool calls whose ids are there and differ; `answer` names what they came in."""
    seen: set[str] = set()
    found: list[Block] = []
    for number, block in enumerate(blocks):
        if isinstance(block, ToolUseBlock) and (not 0 < len(block.id) <= 256 or block.id in seen):
            fresh = f"call_{digest([answer, number, block.name, block.id])[:24]}"
            block = ToolUseBlock(fresh, block.name, block.input, block.signature)
        if isinstance(block, ToolUseBlock):
            seen.add(block.id)
        found.append(block)
    return found


def called(name: Any) -> str:
    """The name of a tool that a model asks for, whatever it sent."""
    return name[:256] if isinstance(name, str) else "" if name is None else repr(name)[:256]


def usage_of(tree: Any, sent: str, received: str) -> Usage:
    """Tokens, from a usage whose counts have these names; what is no count is taken as none."""
    tree = tree if isinstance(tree, Mapping) else {}
    inside, outside = tree.get(f"{sent}_details"), tree.get(f"{received}_details")
    return Usage(
        _count(tree, sent),
        _count(tree, received),
        _count(inside, "cached_tokens"),
        _count(outside, "reasoning_tokens"),
        _count(inside, "cache_write_tokens"),
    )


def _count(tree: Any, name: str) -> int:
    value = tree.get(name) if isinstance(tree, Mapping) else None
    return value if type(value) is int and 0 <= value <= _MOST_TOKENS else 0


def written_usage(usage: Usage, sent: str, received: str) -> dict[str, Any]:
    """Usage as OpenAI spells it."""
    inside = {"cached_tokens": usage.cached_tokens}
    if usage.cache_write_tokens:
        inside["cache_write_tokens"] = usage.cache_write_tokens
    return {
        sent: usage.input_tokens,
        received: usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        f"{sent}_details": inside,
        f"{received}_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


def integers(tree: Any) -> list[int] | None:
    """Token ids; None where it is no list of them."""
    return list(tree) if isinstance(tree, list) and all(type(item) is int for item in tree) else None


def logprobs_of(tree: Any) -> list[float] | None:
    """The log-probabilities of a list of tokens; None where there are none."""
    if not isinstance(tree, list) or not tree:
        return None
    found = [item.get("logprob") if isinstance(item, Mapping) else None for item in tree]
    good = all(isinstance(item, (int, float)) and math.isfinite(item) for item in found)
    return [float(item) for item in found] if good else None  # type: ignore[arg-type]


def written_logprobs(logprobs: Sequence[float]) -> list[dict[str, Any]]:
    """Log-probabilities as both formats have them; the tokens themselves are not known here."""
    return [{"token": "", "logprob": value, "bytes": None, "top_logprobs": []} for value in logprobs]


def failed(error: Any, otherwise: str) -> ModelFault:
    """The fault that an `error` in an answer or a stream tells of."""
    if isinstance(error, Mapping):
        code = error.get("code") or error.get("type")
        told = str(error.get("message") or code or "an error without a message")[:1000]
        return ModelFault(f"the answer is an error: {told}", code=None if code is None else str(code)[:100])
    return ModelFault(otherwise if error is None else f"the answer is an error: {str(error)[:1000]}")


def joined(blocks: Iterable[Block]) -> str:
    """The text among the blocks."""
    return "".join(block.text for block in blocks if isinstance(block, TextBlock))


def pieces(text: str) -> Iterator[str]:
    """Text in up to four pieces, as a stream brings it."""
    size = max(1, -(-len(text) // 4))
    for start in range(0, len(text), size):
        yield text[start : start + size]


def named(kind: str, completion: Completion) -> str:
    """An id of an answer: the same for the same answer."""
    try:
        return f"{kind}_{digest(completion)[:32]}"
    except ValueNotPlain:  # it is nested so deep that it cannot be written down
        return f"{kind}_{digest([completion.message.text, completion.stop])[:32]}"
