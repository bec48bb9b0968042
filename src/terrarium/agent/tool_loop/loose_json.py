"""JSON as models write it: in fences, with raw line ends, or as Python does."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from typing import Final

from terrarium.core.values import Value

NOTHING: Final = object()
"""What is read where there is no JSON."""

_FENCE = re.compile(r"\s*```[A-Za-z_]*[ \t]*\n(.*?)\n?```\s*", re.DOTALL)
_PYTHON = 20_000  # characters that are tried as Python's own spelling
_NAMES = ("tool", "name", "tool_name", "action", "function")
_ARGUMENTS = ("args", "arguments", "parameters", "params", "tool_input", "action_input", "input", "kwargs")
_decoder = json.JSONDecoder(strict=False)


def loose_json(text: str) -> Value:
    """The one value that a text is; `NOTHING` where it is none.

    Text without anything in it is an empty object: a call without arguments.
    """
    fenced = _FENCE.fullmatch(text)
    stripped = (fenced[1] if fenced else text).strip()
    if not stripped:
        return {}
    try:
        return _decoder.decode(stripped)
    except (ValueError, RecursionError):
        pass
    if len(stripped) > _PYTHON or stripped[0] not in "{[":
        return NOTHING
    try:
        value = ast.literal_eval(stripped)
        json.dumps(value)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return NOTHING
    return value


def object_call(value: Value) -> tuple[str, Value] | None:
    """(name, arguments) of a call that is an object, in one of the common spellings; None: it is no call."""
    if not isinstance(value, Mapping):
        return None
    inner = value.get("function")
    if isinstance(inner, Mapping):
        return object_call({"arguments": {}, **inner})
    key = next((key for key in _NAMES if isinstance(value.get(key), str) and value[key]), None)
    if key is None:
        return None
    given = next((name for name in _ARGUMENTS if name in value), None)
    if given is not None:
        return value[key], value[given]
    if key not in ("tool", "tool_name"):  # {"name": "Ann"} is data
        return None
    rest = {name: item for name, item in value.items() if name != key}
    return value[key], rest
