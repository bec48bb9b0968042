"""An account of a turn that is being put together: the parts of it that all programs tell, in their own words."""

from __future__ import annotations

import json
import re
from typing import Any

from terrarium.core.errors import ValueNotPlain
from terrarium.core.message import Block, Message, TextBlock, ThinkingBlock, ToolResultBlock, ToolUseBlock
from terrarium.core.values import encode

_SESSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,199}")


class Account:
    """A transcript that is made of JSON objects, one in a line; a subclass says by `event` what each means.

    What an agent did between two answers of its model is one message of the assistant and one of its tools.
    """

    def __init__(self) -> None:
        self.session: str | None = None
        self.messages: list[Message] = []
        self.text = self.error = ""

    def line(self, line: str) -> None:
        """One line; what is no JSON object is passed over."""
        try:
            told = json.loads(line)
        except (ValueError, RecursionError):
            return
        if isinstance(told, dict):
            self.event(told)

    def file(self, content: bytes) -> None:
        """All lines of a file."""
        for line in content.decode("utf-8", "replace").splitlines():
            self.line(line)

    def event(self, told: dict[str, Any]) -> None:
        """What one object means; by default nothing."""

    # -- what happened ------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """What was told until now belongs to earlier turns."""
        self.messages.clear()
        self.text = ""

    def continues(self, session: Any) -> None:
        """It goes on by this id the next time, if that can be one."""
        if isinstance(session, str) and _SESSION.fullmatch(session):
            self.session = session

    def think(self, text: Any) -> None:
        """It thought something."""
        if isinstance(text, str) and text:
            self._add("assistant", ThinkingBlock(text))

    def say(self, text: Any) -> None:
        """It said something."""
        if isinstance(text, str) and text:
            self._add("assistant", TextBlock(text))
            self.text = text

    def call(self, id: Any, name: Any, input: Any) -> None:
        """It used a tool."""
        self._add("assistant", ToolUseBlock(str(id), str(name), shallow(input)))

    def answer(self, id: Any, content: Any, is_error: bool = False) -> None:
        """What a tool gave back."""
        shown = content if content is None or isinstance(content, str) else json.dumps(content)
        self._add("tool", ToolResultBlock(str(id), shown, is_error))

    def _add(self, role: str, block: Block) -> None:
        last = self.messages[-1] if self.messages else None
        if last is not None and last.role == role and isinstance(last.content, list):
            last.content.append(block)
        else:
            self.messages.append(Message(role, [block]))


def shallow(input: Any) -> Any:
    """What can be written down: as it is, or as text where it is nested too deep."""
    try:
        encode(input, None, 100)
    except ValueNotPlain:
        return str(input)
    return input


def table(told: Any) -> dict[str, Any]:
    """A table, or an empty one where there is none."""
    return told if isinstance(told, dict) else {}


def rows(told: Any) -> list[dict[str, Any]]:
    """The tables of a list, or none."""
    return [row for row in told if isinstance(row, dict)] if isinstance(told, list) else []


def words(content: Any) -> str | None:
    """The text of a content that is text, or a list of parts with text."""
    if isinstance(content, list):
        return "\n".join(str(part["text"]) for part in rows(content) if isinstance(part.get("text"), str))
    return content if isinstance(content, str) else None


def arguments(told: Any) -> Any:
    """What a tool was called with: an object, or text where it is no JSON."""
    if not isinstance(told, str):
        return told
    try:
        return json.loads(told)
    except (ValueError, RecursionError):
        return told


def world_name(name: Any, prefix: str) -> str:
    """A tool of the world by its own name, any other by the name its program gives it."""
    return str(name).removeprefix(prefix)
