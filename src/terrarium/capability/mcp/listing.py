"""The tools of another server as tools of an agent: names made fit, everything bounded."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from terrarium.core.capability import instance_tool
from terrarium.core.errors import ConfigError
from terrarium.core.tool import Tool, foreign_tool
from terrarium.core.values import Value

TOOLS = 1000  # of one server
SCHEMA_BYTES = 64 * 1024
DESCRIPTION = 16 * 1024  # characters
NAME = 256
_UNFIT = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST = 64


def listed(definition: object) -> dict[str, Value] | None:
    """One entry of `tools/list`, with what is kept of it; None where it is none.

    A schema that is too large, too deep or not about an object becomes one that takes any object.
    """
    if not isinstance(definition, Mapping):
        return None
    name, description = definition.get("name"), definition.get("description")
    if not isinstance(name, str) or not 0 < len(name) <= NAME:
        return None
    schema = definition.get("inputSchema")
    return {
        "name": name,
        "description": description[:DESCRIPTION] if isinstance(description, str) else "",
        "inputSchema": schema if _fit(schema) else {"type": "object"},
    }


def configured(where: str, tools: object) -> list[dict[str, Value]]:
    """The definitions that a task brings.

    Raises:
        ConfigError: One is none.
    """
    if not isinstance(tools, Sequence) or isinstance(tools, str):
        raise ConfigError(f"{where}: tools must be a list of tables, as the server's tools/list has them")
    found: list[dict[str, Value]] = []
    for tool in tools:
        one = listed(tool)
        if one is None:
            raise ConfigError(f"{where}: a tool is a table of name, description and inputSchema, not {tool!r:.100}")
        found.append(one)
    return found


def tools_of(
    site_name: str,
    definitions: Sequence[Mapping[str, Any]],
    call: Callable[[str, dict[str, Value]], Awaitable[Value]],
) -> list[Tool]:
    """Tools called `<capability>_<tool>`, in the server's order; where two would have one name, the later has a number.

    Args:
        site_name: Of the capability.
        definitions: As `listed` gave them.
        call: Uses the server's tool of a name with arguments.
    """
    taken: set[str] = set()
    found: list[Tool] = []
    for definition in definitions:
        name = _named(instance_tool(site_name, _UNFIT.sub("_", definition["name"])), taken)
        taken.add(name)
        described = definition["description"] or f"The tool {definition['name']} of an MCP server."
        found.append(foreign_tool(name, described, definition["inputSchema"], _calling(call, definition["name"])))
    return found


def _calling(call: Callable[[str, dict[str, Value]], Awaitable[Value]], name: str) -> Callable[[dict[str, Value]], Any]:
    return lambda arguments: call(name, arguments)


def _named(name: str, taken: set[str]) -> str:
    number, found = 1, name[:_LONGEST]
    while found in taken:
        number += 1
        found = f"{name[: _LONGEST - len(str(number)) - 1]}_{number}"
    return found


def _fit(schema: object) -> bool:
    if not isinstance(schema, Mapping) or schema.get("type") != "object":
        return False
    try:
        return len(json.dumps(schema, allow_nan=False)) <= SCHEMA_BYTES
    except (ValueError, TypeError, RecursionError):
        return False
