"""The admin faces of capabilities as a task program sees them: `env.email.send(...)`, `env.postgres("primary")`."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Iterator
from typing import Any

from terrarium.core.capability import admin_methods
from terrarium.core.errors import CapabilityMissing
from terrarium.core.paths import CLOSE
from terrarium.core.replay import Call
from terrarium.core.world import World


class Selector:
    """The instances of one type of capability: an attribute of `env`."""

    def __init__(self, world: World, name: str, instances: list[str]) -> None:
        self._world = world
        self._name = name
        self._instances = instances

    def __call__(self, instance: str) -> Face:
        """The instance of that name.

        Raises:
            CapabilityMissing: There is none; the message lists the names.
        """
        spec = self._name if instance == "default" else f"{self._name}:{instance}"
        if spec not in self._instances:
            names = ", ".join(found.partition(":")[2] or "default" for found in self._instances)
            raise CapabilityMissing(f"there is no {self._name} called {instance!r}; there are: {names}")
        return Face(self._world, spec)

    def __iter__(self) -> Iterator[Face]:
        return iter([Face(self._world, spec) for spec in self._instances])

    def __len__(self) -> int:
        return len(self._instances)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        spec = self._name if self._name in self._instances else self._instances[0]
        if spec not in (self._name, f"{self._name}:default") and len(self._instances) > 1:
            names = ", ".join(found.partition(":")[2] for found in self._instances)
            raise AttributeError(
                f"there are several {self._name}; pick one: env.{self._name}({names.split(', ')[0]!r})"
            )
        return getattr(Face(self._world, spec), name)


class Face:
    """The admin face of one capability, or a part of it such as `fs`."""

    def __init__(self, world: World, spec: str, prefix: str = "") -> None:
        self._world = world
        self._spec = spec
        self._prefix = prefix

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        world, spec, path = self._world, self._spec, self._prefix + name
        known = world.paths.bound.get(f"{spec}.{path}")
        if known is not None:
            return known
        capability = world.capability(spec)
        if not self._prefix and name in getattr(capability, "faces", ()):
            return Face(world, spec, f"{name}.")
        methods = admin_methods(capability)
        if path == CLOSE:
            return lambda: world.call(Call(f"env.{spec}.{path}", {}))
        if path not in methods:
            raise AttributeError(f"{spec} has no {path!r}; it has: {', '.join(sorted(methods))}")
        if methods[path].fact:
            return world.call(Call(f"env.{spec}.{path}", {}))
        function: Any = capability
        for part in path.split("."):
            function = getattr(function, part)
        names, required = _parameters(getattr(function, "__func__", function), inspect.ismethod(function))

        def call(*args: Any, **kwargs: Any) -> Any:
            arguments = {**dict(zip(names, args, strict=False)), **kwargs}
            if len(arguments) != len(args) + len(kwargs) or not required <= arguments.keys() <= names.keys():
                arguments = _bound(function, args, kwargs)
            for key, value in arguments.items():
                if isinstance(value, os.PathLike):
                    arguments[key] = os.fspath(value)
            return world.call(Call(f"env.{spec}.{path}", arguments))

        call.__name__ = name
        call.__doc__ = function.__doc__
        world.paths.bound[f"{spec}.{path}"] = call
        return call


def _bound(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Arguments by name, those of a method's `**rest` among them.

    Raises:
        TypeError: They do not fit; it says how.
    """
    bound = inspect.signature(function).bind(*args, **kwargs)
    rest = [name for name, p in bound.signature.parameters.items() if p.kind is p.VAR_KEYWORD]
    given = dict(bound.arguments)
    for name in rest:
        given |= given.pop(name, {})
    return given


@functools.cache
def _parameters(function: Callable[..., Any], bound: bool) -> tuple[dict[str, None], frozenset[str]]:
    """Names of a method's parameters in their order, and of those that must be given; worked out once."""
    known = list(inspect.signature(function).parameters.values())[1 if bound else 0 :]
    return dict.fromkeys(p.name for p in known), frozenset(p.name for p in known if p.default is p.empty)
