"""What a program is told of an agent, worked out from the events of a journal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from terrarium.core.agent import Reply
from terrarium.core.journal import BEGINS, Event, EventKind
from terrarium.core.trajectory import Conversation, Trajectory
from terrarium.core.values import Value


def told(events: Sequence[Event], agent: str, path: str, what: str) -> Value:
    """What `agent.<what>` gives behind these events.

    Args:
        events: Of a trial, from its header on.
        agent: Its name.
        path: What it is called in calls: `agent`, or `agents.<name>`.
        what: `messages`, `replies`, `get_trajectory` or `system_prompt`.
    """
    if what == "system_prompt":
        return _system_prompt(events, f"{path}.set_system_prompt")
    if what == "replies":
        return replies(events, agent)
    found = _conversation(events, agent)
    return found.messages if what == "messages" else found


def replies(events: Sequence[Event], agent: str) -> list[Reply]:
    """The reply of every turn that an agent has ended."""
    found: list[Reply] = []
    begun = 0
    for place, event in enumerate(events):
        if event.kind is not EventKind.TURN or event.actor != agent:
            continue
        if event.data["state"] in BEGINS:
            begun = place
            continue
        data: Any = event.data
        turn = _conversation(events[begun : place + 1], agent)
        spent = (turn.usage, turn.steps, turn.tool_calls)
        found.append(Reply(data["text"], turn.messages[1:], data["stop"], *spent))
    return found


def _conversation(events: Sequence[Event], agent: str) -> Conversation:
    return Trajectory({}, tuple(events), None, None, None).conversation(agent)


def _system_prompt(events: Sequence[Event], path: str) -> str | None:
    prompt: str | None = None
    for event in events:
        if event.kind is EventKind.CALL and event.data["path"] == path:
            prompt = event.data["args"]["text"]
    return prompt
