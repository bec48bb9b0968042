"""Arguments of admin methods, held against the types that the methods declare."""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, Literal

from terrarium.core.errors import Refused
from terrarium.core.values import Value

Test = Callable[[Any], bool]

_ALSO: dict[Any, tuple[type, ...]] = {float: (float, int), list: (list, tuple), dict: (Mapping,)}


def check_arguments(path: str, function: Callable[..., Any], arguments: Mapping[str, Value]) -> None:
    """Let only arguments pass that are of the types their parameters declare.

    A tuple is as good as a list, an int as a float. What a type cannot be looked into for is taken.

    Args:
        path: What is called, for the message.
        function: The method.
        arguments: By the names of its parameters.

    Raises:
        Refused: One is of another type; the message names it, and the types.
    """
    tests = _tests(getattr(function, "__func__", function))
    for name, value in arguments.items():
        test = tests.get(name)
        if test is not None and not test[1](value):
            raise Refused(f"{path}: {name} must be {test[0]}, and is {_told(value)}")


@functools.cache
def _tests(function: Callable[..., Any]) -> dict[str, tuple[str, Test]]:
    """(type as text, test) by parameter, of those that declare a type that says something."""
    try:
        parameters = inspect.signature(function, eval_str=True).parameters.values()
    except (NameError, TypeError, ValueError, SyntaxError, AttributeError):
        return {}
    found = {}
    for parameter in parameters:
        test = None if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL) else _test(parameter)
        if test is not None:
            found[parameter.name] = (inspect.formatannotation(parameter.annotation).replace("typing.", ""), test)
    return found


def _test(parameter: inspect.Parameter) -> Test | None:
    test = None if parameter.annotation is parameter.empty else _fits(parameter.annotation)
    if test is None or parameter.default is parameter.empty or test(parameter.default):
        return test
    return _either(test, parameter.default)


def _either(test: Test, default: object) -> Test:
    return lambda value: value is default or test(value)


def _fits(kind: Any) -> Test | None:
    """What tells whether a value is of a type; None where every value passes."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if kind is None or kind is types.NoneType:
        return lambda value: value is None
    if origin in (typing.Union, types.UnionType):
        tests = [_fits(part) for part in inner]
        known = [test for test in tests if test is not None]
        return (lambda value: any(test(value) for test in known)) if len(known) == len(tests) else None
    if origin is Literal:
        return lambda value: value in inner
    if origin is list:
        return _all(list, _fits(inner[0]))
    if origin is dict:
        return _all(dict, _fits(inner[1]))
    plain = origin or kind
    if not isinstance(plain, type) or plain in (Any, object):
        return None
    allowed = _ALSO.get(plain, (plain,))
    return lambda value: isinstance(value, allowed)


def _all(kind: type, inside: Test | None) -> Test:
    allowed: Any = _ALSO[kind]
    if inside is None:
        return lambda value: isinstance(value, allowed)
    test = inside
    if kind is dict:
        return lambda value: isinstance(value, allowed) and all(test(item) for item in value.values())
    return lambda value: isinstance(value, allowed) and all(test(item) for item in value)


def _told(value: Value) -> str:
    return "None" if value is None else f"{type(value).__name__}: {value!r:.60}"
