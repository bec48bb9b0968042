"""Approval: what becomes of a tool call before it takes effect, by the rules of the job."""

from __future__ import annotations

import inspect
import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, Protocol

from terrarium.core.approval import ApprovalContext, Decision
from terrarium.core.aside import aside
from terrarium.core.errors import ConfigError, EngineFault, Refused, TerrariumError, ValueNotPlain, nearest
from terrarium.core.terminal import Terminal
from terrarium.core.tool import Tool, ToolCall, as_json
from terrarium.core.values import Value, canonical
from terrarium.run.approval_rule import HUMAN, ApprovalRule, changed

SHOWN = 4000  # characters of a call that a human is shown
_HELP = "y: allow   n [why]: deny   {json}: do it with these arguments"


@dataclass(frozen=True)
class Approved:
    """What a policy makes of a call: the call to carry out, what the journal says, and why it is refused if it is."""

    call: ToolCall
    told: Mapping[str, Value] | None = None
    refused: str | None = None


class Governed(Protocol):
    """A seat on whose calls a policy decides."""

    name: str
    approval: Approval | None

    def offered(self) -> list[Tool]:
        """The tools that there are now."""
        ...


class Approval:
    """The policy of one trial.

    Args:
        rules: In order; the first that matches decides.
        task: The name of the task.
        find: Gives the function behind `package.module:function`.
        recorded: What was decided when the trial was recorded, where it is run again; then nobody is asked.

    Raises:
        ConfigError: A function cannot be imported.
    """

    def __init__(
        self,
        rules: Sequence[ApprovalRule],
        task: str,
        find: Callable[[str], Any],
        recorded: RecordedDecisions | None = None,
    ) -> None:
        self._rules = rules
        self._task = task
        self._recorded = recorded
        self._seats: Sequence[Governed] = ()
        named = {rule.by for rule in rules if rule.do == "ask" and rule.by != HUMAN}
        self._functions = {} if recorded is not None else {name: find(name) for name in sorted(named)}

    def govern(self, seats: Sequence[Governed]) -> None:
        """Decide on the calls of these seats from now on."""
        self._seats = seats
        for seat in seats:
            seat.approval = self

    def check(self) -> None:
        """Look whether every rule is about something.

        Raises:
            ConfigError: One matches no tool of any agent; the message names the nearest.
        """
        tools = {seat.name: [tool.name for tool in seat.offered()] for seat in self._seats}
        for number, rule in enumerate(self._rules, 1):
            if rule.optional or any(rule.is_about(tool, agent) for agent in tools for tool in tools[agent]):
                continue
            known = {tool for names in tools.values() for tool in names}
            if not any(fnmatchcase(agent, rule.agent) for agent in tools):
                hint = nearest(rule.agent, tools) or f"; there are: {', '.join(sorted(tools))}"
                raise ConfigError(f"approval rule {number} is about the agent {rule.agent!r}, which is not there{hint}")
            globs = ", ".join(map(repr, rule.globs))
            hint = nearest(rule.globs[0], known) or f"; there are: {', '.join(sorted(known)) or 'none'}"
            raise ConfigError(
                f"approval rule {number} is about {globs}, which matches no tool of this task{hint}; "
                "a rule that is for other tasks of the job says optional = true"
            )

    async def decide(self, call: ToolCall, agent: str, turn: int, tools: Sequence[Tool]) -> Approved:
        """What becomes of a call. One that cannot be carried out anyway is nobody's business.

        Raises:
            TerrariumError: Who is asked failed.
        """
        tool = next((tool for tool in tools if tool.name == call.name), None)
        if tool is None:
            return Approved(call)
        try:
            bound = tool.bind(call.arguments)
        except Refused:
            return Approved(call)
        try:
            plain = as_json(bound)
        except ValueNotPlain:
            plain = _given(call)
        for number, rule in enumerate(self._rules, 1):
            if rule.matches(call.name, agent, plain):
                decision, by = await self._ask(
                    rule, call, ApprovalContext(agent, turn, self._task, number, rule.reason)
                )
                return _carried_out(call, decision, {"rule": number, "do": decision.do, "by": by})
        return Approved(call)

    async def _ask(self, rule: ApprovalRule, call: ToolCall, context: ApprovalContext) -> tuple[Decision, str]:
        if rule.do == "modify":
            return Decision("modify", rule.reason, changed(_given(call), rule)), "policy"
        if rule.do != "ask":
            return Decision(rule.do, rule.reason), "policy"
        if self._recorded is not None:
            return self._recorded.next(call, context.agent, rule)
        if rule.by != HUMAN:
            return await _of_function(self._functions[rule.by], rule.by, call, context), rule.by
        path = Terminal.named()
        if path is None:
            told = rule.reason or "nobody is there who could be asked"
            return Decision(rule.otherwise, told), "otherwise"
        return await _of_human(path, call, context), HUMAN


def _given(call: ToolCall) -> dict[str, Any]:
    """The arguments as the agent gave them; they have been bound, so they are an object."""
    given = json.loads(call.arguments or "{}") if isinstance(call.arguments, str) else call.arguments
    return dict(given or {})


def _carried_out(call: ToolCall, decision: Decision, told: dict[str, Value]) -> Approved:
    if decision.reason:
        told["reason"] = str(decision.reason)
    if decision.do == "deny":
        why = f": {decision.reason}" if decision.reason else ""
        return Approved(call, told, f"{call.name} was not approved{why}")
    if decision.do == "modify":
        told["asked"] = call.arguments
        return Approved(replace(call, arguments=dict(decision.arguments or {})), told)
    return Approved(call, told)


async def _of_function(function: Any, name: str, call: ToolCall, context: ApprovalContext) -> Decision:
    """What a function of somebody's own decides.

    Raises:
        EngineFault: It failed, or gave no decision.
        TerrariumError: What it raised, where that is one of ours.
    """
    try:
        if inspect.iscoroutinefunction(function):
            found = await function(call, context)
        else:
            found = await aside(lambda: function(call, context))
            if inspect.isawaitable(found):
                found = await found
    except TerrariumError:
        raise
    except Exception as error:
        raise EngineFault(f"the approver {name} failed: {type(error).__name__}: {error}") from error
    if isinstance(found, bool):
        return Decision("allow" if found else "deny")
    whole = isinstance(found, Decision) and found.do in ("allow", "deny", "modify")
    if not whole or (found.do == "modify" and not isinstance(found.arguments, Mapping)):
        raise EngineFault(f"the approver {name} gave {found!r:.200}, which is no Decision")
    decided: Decision = found
    return decided


async def _of_human(path: str, call: ToolCall, context: ApprovalContext) -> Decision:
    """What whoever sits at the terminal decides; one that is gone denies.

    Raises:
        EngineFault: The terminal cannot be opened.
    """
    try:
        terminal = Terminal(path)
    except OSError as error:
        raise EngineFault(f"the terminal {path} cannot be opened: {error.strerror}") from error
    try:
        await terminal.alone()
        asked = json.dumps(as_json(call.arguments), ensure_ascii=True)
        cut = asked if len(asked) <= SHOWN else f"{asked[:SHOWN]}… {len(asked) - SHOWN} more characters"
        why = f"\n  {context.reason}" if context.reason else ""
        terminal.write(f"\n[{context.agent}] wants {call.name} {cut}{why}\n")
        while True:
            line = await terminal.line(f"{_HELP} > ")
            word, _, rest = (line if line is not None else "n nobody is at the terminal").partition(" ")
            if word.lower() in ("y", "yes"):
                return Decision("allow")
            if word.lower() in ("n", "no"):
                return Decision("deny", rest.strip())
            try:
                arguments = json.loads(line or "")
            except ValueError:
                continue
            if isinstance(arguments, dict):
                return Decision("modify", "", arguments)
    finally:
        terminal.close()


class RecordedDecisions:
    """What was decided when a trial was recorded: by whoever was asked, call by call.

    Args:
        lines: Of the journal.
        opened: Gives the value behind a tree of its JSON.
    """

    def __init__(self, lines: Iterable[Mapping[str, Any]], opened: Callable[[Any], Any]) -> None:
        self._left: dict[str, deque[tuple[Decision, str]]] = {}
        for line in lines:
            told = line["data"].get("approval") if line["kind"] == "tool_call" else None
            if told is None or told["by"] == "policy":
                continue
            done = opened(line["data"]["arguments"])
            asked = opened(told["asked"]) if "asked" in told else done
            decision = Decision(told["do"], str(opened(told.get("reason", ""))), done if "asked" in told else None)
            key = canonical([line["actor"], line["data"]["tool"], asked])
            self._left.setdefault(key, deque()).append((decision, told["by"]))

    def next(self, call: ToolCall, agent: str, rule: ApprovalRule) -> tuple[Decision, str]:
        """What was decided on that call; one that was not made then is denied, and nobody is asked."""
        known = self._left.get(canonical([agent, call.name, call.arguments]))
        return known.popleft() if known else (Decision(rule.otherwise, "it was not asked for before"), "otherwise")
