"""What an approver gets and gives: whoever decides on a tool call before it takes effect."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from terrarium.core.tool import ToolCall
from terrarium.core.values import Value


@dataclass(frozen=True)
class ApprovalContext:
    """What an approver is told besides the call.

    Attributes:
        agent: Who calls.
        turn: In which of the trial's turns, from 1.
        task: The name of the task.
        rule: The number of the rule that asks, from 1.
        reason: What that rule says.
    """

    agent: str
    turn: int
    task: str
    rule: int
    reason: str = ""


@dataclass(frozen=True)
class Decision:
    """What becomes of a call.

    Attributes:
        do: `allow` it, `deny` it, or `modify` it: do it with `arguments` instead.
        reason: For the agent where it is denied, and for the journal.
        arguments: All arguments of a call that is modified.
    """

    do: Literal["allow", "deny", "modify"]
    reason: str = ""
    arguments: Mapping[str, Value] | None = None


class Approver(Protocol):
    """A function of your own that decides on calls; named in a rule as `by = "package.module:function"`.

    It may be `async`. One that is not runs on a thread, so that it may take its time. What it raises ends the trial
    without a score.
    """

    def __call__(self, call: ToolCall, context: ApprovalContext) -> Decision | bool | Awaitable[Decision | bool]:
        """The decision; True is allow, False is deny."""
        ...
