"""A tool: a typed function with a docstring, offered to agents, MCP clients and action parsers alike."""

from __future__ import annotations

import functools
import inspect
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import tzinfo
from typing import TYPE_CHECKING, Any

from terrarium.core.errors import CapabilityFault, ConfigError, Refused
from terrarium.core.message import ImageBlock
from terrarium.core.values import Value, encode, record

if TYPE_CHECKING:
    from pydantic import BaseModel

OUTPUT_LIMIT = 1024 * 1024  # characters of one result shown to an agent


@record
@dataclass(frozen=True)
class ToolCall:
    """A call as an agent asks for it; `arguments` is whatever it sent and may be nonsense."""

    name: str
    arguments: Value
    id: str = ""


@record
@dataclass(frozen=True)
class ToolResult:
    """What an agent gets back: `content` is the text it is shown, `value` the same as data.

    `error` is None, or why there is no value: `unknown_tool`, `bad_arguments`, `refused`, `limit`, `failed`.
    """

    content: str
    value: Value = None
    error: str | None = None
    call_id: str = ""


@dataclass(frozen=True)
class Tool:
    """A named function with a schema.

    Args:
        name: `<capability>_<verb>`, at most 64 characters of `[A-Za-z0-9_-]`.
        description: What it does, for the agent.
        parameters: JSON schema of the arguments (an object).
        function: What runs; arguments by keyword; may be async.
        writes: Whether it can change the world.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    function: Callable[..., Value | Awaitable[Value]]
    writes: bool = True
    command: bool = False
    """It runs a command, and costs the world time of one."""
    signature: Callable[..., Any] | None = None
    """Whose signature the arguments must fit, where it is not that of `function`."""

    def in_zone(self, zone: tzinfo | None) -> Tool:
        """The same tool, telling of this zone wherever it tells of UTC; None: as it is."""
        if zone is None:
            return self
        return replace(self, parameters=json.loads(json.dumps(self.parameters).replace("UTC", str(zone))))

    @classmethod
    def of(
        cls, function: Callable[..., Any], name: str | None = None, *, writes: bool = True, command: bool = False
    ) -> Tool:
        """A tool from a typed function; its docstring describes it and, under `Args:`, its arguments.

        Raises:
            ConfigError: A parameter has no type, or the name is not allowed.
        """
        called = name or function.__name__
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", called):
            raise ConfigError(f"{called!r} is not a tool name: use up to 64 letters, digits, '_' and '-'")
        description, parameters, _ = _described(getattr(function, "__func__", function))
        return cls(called, description, parameters, function, writes, command)

    def bind(self, arguments: Value) -> dict[str, Value]:
        """The arguments checked against the signature, as Python values.

        Raises:
            Refused: They do not fit; the message names each argument and what is wrong with it.
        """
        if isinstance(arguments, str):
            try:
                arguments = json.loads(arguments or "{}")
            except (ValueError, RecursionError) as error:
                raise Refused(f"the arguments are not JSON: {error}") from None
        if arguments is None:
            arguments = {}
        if not isinstance(arguments, Mapping):
            raise Refused(f"the arguments must be an object, not {type(arguments).__name__}")
        signature = self.signature or self.function
        model = _described(getattr(signature, "__func__", signature))[2]
        if model is None:
            return dict(arguments)
        from pydantic import ValidationError

        try:
            checked = model.model_validate(dict(arguments))
        except ValidationError as error:
            problems = [
                f"{'.'.join(map(str, problem['loc'])) or 'arguments'}: {problem['msg']}"
                for problem in error.errors()[:5]
            ]
            raise Refused("; ".join(problems)) from None
        return {name: getattr(checked, name) for name in type(checked).model_fields}


def foreign_tool(
    name: str, description: str, parameters: Mapping[str, Any], function: Callable[[dict[str, Value]], Any]
) -> Tool:
    """A tool whose schema comes from elsewhere (MCP, a data file); `function` gets the arguments as one dict."""

    def call(**arguments: Value) -> Any:
        return function(arguments)

    call.__terrarium_foreign__ = True  # type: ignore[attr-defined]
    return Tool(name, description, parameters, call)


def show(value: Value) -> str:
    """A value as the text an agent sees: text as it is, everything else as JSON, cut at 1 MiB.

    Of an image only that it is one: whoever shows images takes it from the result's `value`.
    """
    if isinstance(value, str):
        text = value
    elif isinstance(value, ImageBlock):
        text = f"[{value.media_type}, {len(value.data)} bytes]"
    elif value is None:
        text = "done"
    else:
        text = json.dumps(as_json(value), ensure_ascii=False)
    if len(text) > OUTPUT_LIMIT:
        return text[:OUTPUT_LIMIT] + f"\n[cut: {len(text) - OUTPUT_LIMIT} more characters]"
    return text


def as_json(value: Value) -> Any:
    """A value as JSON for readers: moments as text, bytes in base64, records as objects."""
    return _plain(encode(value))


def failure(error: BaseException) -> ToolResult:
    """An exception of a tool as the result that the agent sees."""
    kind = "refused" if isinstance(error, CapabilityFault) else "failed"
    return ToolResult(content=f"error: {error}", error=kind)


def _plain(tree: Any) -> Any:
    """The codec's tags as the text a reader expects."""
    if isinstance(tree, list):
        return [_plain(item) for item in tree]
    if not isinstance(tree, dict):
        return tree
    tag = next(iter(tree), "")
    if tag == "$record":
        return {key: _plain(item) for key, item in tree["fields"].items()}
    if tag == "$dict":
        return {key: _plain(item) for key, item in tree["$dict"]}
    return tree[tag] if tag.startswith("$") else {key: _plain(item) for key, item in tree.items()}


@functools.cache
def _described(function: Callable[..., Any]) -> tuple[str, dict[str, Any], type[BaseModel] | None]:
    """(description, JSON schema, validator) of a function, worked out once."""
    if getattr(function, "__terrarium_foreign__", False):
        return "", {"type": "object"}, None
    from pydantic import ConfigDict, Field, create_model
    from pydantic.errors import PydanticUserError

    description, arguments = _docstring(function)
    fields: dict[str, Any] = {}
    try:
        signature = inspect.signature(function, eval_str=True)
    except (NameError, TypeError) as error:
        raise ConfigError(f"the types of {function.__qualname__} cannot be read: {error}") from error
    for position, parameter in enumerate(signature.parameters.values()):
        if position == 0 and parameter.name == "self":
            continue
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise ConfigError(f"{function.__qualname__} cannot be a tool: *args, **kwargs and / have no schema")
        kind: Any = parameter.annotation
        if kind is parameter.empty:
            raise ConfigError(f"{function.__qualname__} cannot be a tool: parameter {parameter.name!r} has no type")
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[parameter.name] = (kind, Field(default, description=arguments.get(parameter.name)))
    try:
        model = create_model(function.__name__, __config__=ConfigDict(extra="forbid"), **fields)
        schema = model.model_json_schema()
    except PydanticUserError as error:
        raise ConfigError(f"{function.__qualname__} cannot be a tool: {error}") from error
    schema.pop("title", None)
    for entry in schema.get("properties", {}).values():
        entry.pop("title", None)
    return description, schema, model


def _docstring(function: Callable[..., Any]) -> tuple[str, dict[str, str]]:
    """The text before `Args:` and the description of each argument, from a Google-style docstring."""
    text = inspect.getdoc(function) or ""
    head, _, rest = text.partition("\nArgs:\n")
    arguments: dict[str, str] = {}
    name = ""
    for line in rest.splitlines():
        if line and not line.startswith(" "):
            break
        entry = re.match(r" {2,4}(\w+)(?: \([^)]*\))?: (.*)", line)
        if entry:
            name = entry[1]
            arguments[name] = entry[2]
        elif name and line.strip():
            arguments[name] += " " + line.strip()
    for section in ("\nReturns:\n", "\nRaises:\n"):
        head = head.partition(section)[0]
    return head.strip(), arguments
