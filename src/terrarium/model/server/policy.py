"""Small policies that answer by rules: functions of messages and tools, as `ScriptedModel` takes them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from terrarium.core.message import Message
from terrarium.core.tool import Tool

_LETTERS = r"[A-Za-z0-9_]"


def echo(messages: Sequence[Message], tools: Sequence[Tool]) -> str:
    """Says what the user said last."""
    return next((message.text for message in reversed(messages) if message.role == "user"), "") or "(nothing)"


def tools(messages: Sequence[Message], tools: Sequence[Tool]) -> Any:
    """Calls each tool that the first instruction names, one after the other, and then says that it did.

    An object of JSON behind a name, as in `email_list {"limit": 5}`, is what the tool is called with. A tool that is
    offered behind a prefix, such as `mcp__world__email_list`, is known by its own name too.
    """
    wanted = _named(_instruction(messages), tools)
    done = sum(len(message.tool_uses) for message in messages if message.role == "assistant")
    if done < len(wanted):
        name, arguments = wanted[done]
        return {"tool": name, "args": arguments}
    return f"Done: {', '.join(name for name, _ in wanted)}." if wanted else "There is no tool to call."


def _instruction(messages: Sequence[Message]) -> str:
    told = []
    for message in messages:
        if message.role == "assistant":
            break
        if message.role == "user":
            told.append(message.text)
    return "\n".join(told)


def _named(text: str, tools: Sequence[Tool]) -> list[tuple[str, Any]]:
    """(name of a tool, its arguments) in the order in which a text names them."""
    found = []
    for tool in tools:
        short = tool.name.rpartition("__")[2]
        for mention in re.finditer(rf"(?<!{_LETTERS}){re.escape(short)}(?!{_LETTERS})", text):
            found.append((mention.start(), tool.name, _object_at(text, mention.end())))
    return [(name, arguments) for _, name, arguments in sorted(found, key=lambda each: each[0])]


def _object_at(text: str, start: int) -> dict[str, Any]:
    rest = text[start:].lstrip(" :(`")
    try:
        found, _ = json.JSONDecoder().raw_decode(rest) if rest.startswith("{") else ({}, 0)
    except (ValueError, RecursionError):
        return {}
    return dict(found)
