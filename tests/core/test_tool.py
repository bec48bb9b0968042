"""Tools: schemas from typed functions, arguments checked, values shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any, Literal

import pytest

from terrarium.core.errors import CapabilityFault, ConfigError, NotFound, Refused
from terrarium.core.message import ImageBlock, Usage
from terrarium.core.tool import Tool, failure, foreign_tool, show


def search(
    query: str, limit: int = 10, kind: Literal["mail", "file"] | None = None, since: datetime | None = None
) -> list[str]:
    """Search everything.

    Finds what was written.

    Args:
        query: Words that must
            all occur.
        limit: At most so many.

    Raises:
        Refused: Never shown.
    """
    return [query] * limit


def test_the_schema_comes_from_types_and_docstring():
    tool = Tool.of(search, "notes_search", writes=False)
    assert tool.name == "notes_search"
    assert tool.description == "Search everything.\n\nFinds what was written."
    properties = tool.parameters["properties"]
    assert properties["query"] == {"type": "string", "description": "Words that must all occur."}
    assert properties["limit"] == {"type": "integer", "default": 10, "description": "At most so many."}
    assert tool.parameters["required"] == ["query"]
    assert tool.parameters["additionalProperties"] is False


def test_arguments_become_python_values():
    bound = Tool.of(search).bind('{"query": "x", "since": "2030-01-01T00:00:00Z"}')
    assert bound == {"query": "x", "limit": 10, "kind": None, "since": datetime(2030, 1, 1, tzinfo=UTC)}
    assert Tool.of(search).bind({"query": "x", "limit": "3"})["limit"] == 3


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("{", "not JSON"),
        ("[1]", "must be an object, not list"),
        (7, "must be an object, not int"),
        (None, "query: Field required"),
        ("", "query: Field required"),
        ({"query": None}, "query: Input should be a valid string"),
        ({"query": "x", "limit": "many"}, "limit: "),
        ({"query": "x", "kind": "dog"}, "kind: "),
        ({"query": "x", "extra": 1}, "extra: Extra inputs are not permitted"),
    ],
)
def test_bad_arguments_are_refused_by_name(arguments, told):
    with pytest.raises(Refused, match=told):
        Tool.of(search).bind(arguments)


class Desk:
    def pull(self, drawer: int) -> int:
        """Pull a drawer."""
        return drawer


def test_methods_can_be_tools():
    tool = Tool.of(Desk().pull)
    assert tool.function(**tool.bind({"drawer": 2})) == 2


def untyped(x):  # type: ignore[no-untyped-def]
    """No types."""


def many(*args: int) -> None:
    """Any number."""


def odd(x: NoSuchType) -> None:  # type: ignore[name-defined]  # noqa: F821
    """A type that is not there."""


@pytest.mark.parametrize("function", [untyped, many, odd, lambda: None])
def test_what_has_no_schema_cannot_be_a_tool(function: Any):
    with pytest.raises(ConfigError):
        Tool.of(function)


@pytest.mark.parametrize("name", ["", "a b", "x" * 65, "ä", "a.b"])
def test_tool_names(name: str):
    with pytest.raises(ConfigError, match="not a tool name"):
        Tool.of(partial(search), name or " ")


def test_foreign_tools_take_whatever_is_an_object():
    tool = foreign_tool("x", "Foreign.", {"type": "object"}, lambda arguments: sorted(arguments))
    assert tool.function(**tool.bind({"b": 1, "a": 2})) == ["a", "b"]
    with pytest.raises(Refused):
        tool.bind([1])


@dataclass
class Loose:
    x: int


def test_values_are_shown_as_readers_expect():
    assert show("text\n") == "text\n"
    assert show(None) == "done"
    assert show({"when": datetime(2030, 1, 1, tzinfo=UTC), "n": Decimal("1.5"), "$k": [1]}) == (
        '{"when": "2030-01-01T00:00:00+00:00", "n": "1.5", "$k": [1]}'
    )
    assert '"input_tokens": 3' in show(Usage(3))
    assert show("x" * 2**20 + "yyy").endswith("[cut: 3 more characters]")


def test_failures_as_results():
    assert (failure(NotFound("no")).error, failure(NotFound("no")).content) == ("refused", "error: no")
    assert failure(CapabilityFault("x")).error == "refused"
    assert failure(KeyError("x")).error == "failed"


def test_of_an_image_an_agent_is_told_that_it_is_one():
    assert show(ImageBlock(b"\x89PNG...")) == "[image/png, 7 bytes]"
