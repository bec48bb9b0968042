"""Every registered model keeps the contract, a small one too, and the suite notices one that does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from terrarium.core.message import Message, TextBlock, ToolUseBlock, Usage
from terrarium.core.model import Completion, Model
from terrarium.core.registry import TABLES, find
from terrarium.core.tool import Tool
from terrarium.model.server.server import ModelServer, serve_in_thread
from terrarium.testing import check_model


class Parrot:
    """A model that uses its first tool once, and else repeats what it was told."""

    name = "parrot"

    async def generate(self, messages: Sequence[Message], tools: Sequence[Tool]) -> Completion:
        if tools and messages[-1].role == "user":
            use = ToolUseBlock("call_1", tools[0].name, {"word": messages[-1].text})
            return self.change(Completion(Message("assistant", [use]), "tool_use", Usage(3, 1)))
        return self.change(
            Completion(Message("assistant", [TextBlock(messages[-1].text or "found")]), "end", Usage(3, 1))
        )

    def change(self, completion: Completion) -> Completion:
        return completion

    async def close(self) -> None: ...


def test_a_small_model_keeps_it():
    check_model(Parrot)


MADE: dict[str, Callable[[Any, Path], Model]] = {
    "cassette": lambda kind, folder: kind(folder / "tape.jsonl", Parrot()),
    "scripted": lambda kind, folder: kind(["yes"] * 6),
}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server whose model uses its first tool once, whatever wire format is spoken."""

    def answer(messages: Sequence[Message], tools: Sequence[Tool]) -> Any:
        return {"tool": tools[0].name, "args": {"word": "x"}} if tools and messages[-1].role == "user" else "done"

    with serve_in_thread(ModelServer(answer)) as server:
        yield server.url


@pytest.mark.parametrize("name", TABLES["model"])
def test_every_registered_model_keeps_it(name, tmp_path, url):
    address = url if name in ("anthropic", "google") else f"{url}/v1"
    make = MADE.get(name, lambda kind, _: kind("m", base_url=address, retries=0))
    check_model(lambda: make(find("model", name), tmp_path))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda c: None, "NoneType, not a Completion"),
        (lambda c: replace(c, message=Message("user", "x")), "not the assistant's"),
        (lambda c: replace(c, stop="tired"), "no ModelStop"),
        (lambda c: replace(c, stop="end"), "`tool_use` goes with tool calls"),
        (lambda c: replace(c, usage=Usage(-1)), "whole numbers"),
        (lambda c: replace(c, cost=-0.5), "the cost is negative"),
        (
            lambda c: replace(c, message=Message("assistant", [ToolUseBlock("", "look_up")]), stop="tool_use"),
            "not on offer|id of its own",
        ),
    ],
)
def test_the_suite_names_the_broken_clause(change: Any, told: str):
    class Changed(Parrot):
        def change(self, completion: Completion) -> Completion:
            return change(completion)

    with pytest.raises(AssertionError, match=told):
        check_model(Changed)
