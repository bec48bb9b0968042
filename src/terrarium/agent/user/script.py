"""A simulated person who follows lines and rules: they say nothing but what stands there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from terrarium.agent.solution import think
from terrarium.agent.user.ending import mark_of, words
from terrarium.core.agent import Reply, Seat
from terrarium.core.errors import ConfigError, unknown_key
from terrarium.core.message import Message, TextBlock, ToolUseBlock
from terrarium.core.tool import ToolCall, ToolResult
from terrarium.core.user import Outcome
from terrarium.core.values import Value

_KEYS = ("does", "ends", "hears", "once", "says")
_ENDS = ("gave_up", "out_of_scope", "satisfied", "transfer")
_HEARD = 4000  # characters of a text in which patterns are looked for
_PLACE = re.compile(r"\{(\w+)\}")
_READ = 20  # mails or messages that one reads at a time


@dataclass(frozen=True)
class Rule:
    """What somebody does when they hear something.

    Attributes:
        hears: What a text must have in it, whatever the case of its letters; None: it need not be anything.
        says: The answer; `{word}` stands for what the group `(?P<word>...)` of `hears` has found.
        does: Tools they use first, each a name and arguments, in which `{word}` stands for the same.
        once: Whether it is for one time only.
        ends: How the conversation ends with it; None: it goes on.
    """

    hears: re.Pattern[str] | None
    says: str
    does: tuple[tuple[str, Mapping[str, Value]], ...]
    once: bool
    ends: str | None


def rules_of(script: Sequence[Any]) -> list[Rule]:
    """The rules of a script; a plain line is said once, whatever is heard.

    Raises:
        ConfigError: An entry is not understood; says which.
    """
    return [_rule(entry, f"script entry {number}") for number, entry in enumerate(script)]


def _rule(entry: Any, where: str) -> Rule:
    if isinstance(entry, str):
        return Rule(None, entry, (), True, None)
    if not isinstance(entry, Mapping):
        raise ConfigError(f"{where} must be a line or a rule, not {entry!r:.100}")
    for key in entry:
        if key not in _KEYS:
            raise unknown_key(where, str(key), _KEYS)
    hears, says, ends, does = entry.get("hears"), entry.get("says", ""), entry.get("ends"), entry.get("does", ())
    if not isinstance(says, str) or not isinstance(entry.get("once", False), bool):
        raise ConfigError(f"{where}: `says` is text, and `once` is true or false")
    if ends is not None and ends not in _ENDS:
        raise ConfigError(f"{where}: ends must be one of {', '.join(_ENDS)}, not {ends!r:.100}")
    try:
        pattern = None if hears is None else re.compile(hears, re.IGNORECASE | re.DOTALL)
    except (re.error, TypeError) as error:
        raise ConfigError(f"{where}: hears must be a regular expression, not {hears!r:.100} ({error})") from None
    deeds = [does] if isinstance(does, Mapping) else list(does)
    once = bool(entry.get("once", pattern is None))
    return Rule(pattern, says, tuple(_deed(deed, where) for deed in deeds), once, ends)


def _deed(deed: Any, where: str) -> tuple[str, Mapping[str, Value]]:
    fits = isinstance(deed, Mapping) and isinstance(deed.get("tool"), str) and set(deed) <= {"tool", "args"}
    if not fits or not isinstance(deed.get("args", {}), Mapping):
        raise ConfigError(f"{where}: does must be {{'tool': name, 'args': {{...}}}}, or several of these")
    return deed["tool"], dict(deed.get("args", {}))


class ScriptedUser:
    """Follows a script, and never says or wants anything else.

    Of several rules that fit, the first one counts. In a conversation in which none fits, they give up. Somebody with a
    mailbox or a chat reads what is new there when they are told of it, and answers where a rule fits.

    Args:
        script: Lines and rules; see `Rule`.

    Raises:
        ConfigError: An entry is not understood.
    """

    timing: ClassVar[Literal["fixed", "measured"]] = "fixed"
    asks_model: ClassVar[bool] = False

    def __init__(self, script: Sequence[Any]) -> None:
        self._rules = rules_of(script)
        self._used: set[int] = set()
        self._calls = 0

    async def open(self, seat: Seat) -> None:
        """Nothing to prepare."""

    async def act(self, instruction: Message, seat: Seat, resumed: bool = False) -> Reply:
        """Answer what was said, or look at what is new."""
        news = [notice.source.partition(":")[0] for notice in seat.notices()]
        said = ""
        if instruction.text or not news:
            said = await self._hear(words(instruction.text), seat)
        if "email" in news:
            await self._read_mail(seat)
        if "slack" in news:
            await self._read_chat(seat)
        await think(seat, "script", TextBlock(said))
        return Reply.say(said)

    def save(self) -> bytes | None:
        """Which lines were said."""
        return json.dumps([sorted(self._used), self._calls]).encode("ascii")

    def load(self, memory: bytes) -> None:
        """Continue from what `save` gave."""
        used, self._calls = json.loads(memory)
        self._used = set(used)

    async def close(self) -> None:
        """Nothing to give up."""

    # -- hearing and reading --------------------------------------------------------------------------------------

    async def _hear(self, text: str, seat: Seat) -> str:
        found = self._find(text)
        if found is None:
            return mark_of(Outcome.GAVE_UP)
        rule, told = found
        await self._do(rule, told, seat)
        mark = "" if rule.ends is None else mark_of(rule.ends)
        return " ".join(part for part in (_filled(rule.says, told), mark) if part)

    async def _read_mail(self, seat: Seat) -> None:
        listed = await self._use(seat, "email_list", {"unread_only": True, "limit": _READ})
        for short in reversed(_rows(listed, "mails")):
            result = await self._use(seat, "email_read", {"id": short["id"]})
            if result.error is None and isinstance(result.value, Mapping):
                mail = result.value
                text = f"From: {mail['from']}\nSubject: {mail['subject']}\n\n{mail['body']}"
                await self._answer(seat, text, {"id": mail["id"]}, "email_reply", {"id": mail["id"]}, "body")

    async def _read_chat(self, seat: Seat) -> None:
        listed = await self._use(seat, "slack_channels", {})
        own = str(listed.value.get("you")) if isinstance(listed.value, Mapping) else ""
        for channel in _rows(listed, "channels"):
            if not channel["unread"]:
                continue
            asked = {"channel": channel["id"], "limit": min(_READ, int(channel["unread"]))}
            for message in _rows(await self._use(seat, "slack_read", asked), "messages"):
                direct = str(channel["name"]).startswith("@")
                if message["user"] == own or not (direct or f"@{own}" in str(message["text"])):
                    continue
                told = {"channel": channel["id"], "ts": message["ts"], "from": message["user"]}
                tool, args = "slack_post", {"channel": channel["id"]}
                if not direct:
                    tool, args = "slack_reply", {"channel": channel["id"], "ts": message["ts"]}
                await self._answer(seat, f"From: {message['user']}\n\n{message['text']}", told, tool, args, "text")

    async def _answer(
        self, seat: Seat, text: str, told: Mapping[str, Value], tool: str, args: Mapping[str, Value], key: str
    ) -> None:
        """Do what the rule says that fits a letter, and answer it by a tool."""
        found = self._find(text)
        if found is None:
            return
        rule, groups = found
        await self._do(rule, {**told, **groups}, seat)
        if rule.says:
            await self._use(seat, tool, {**args, key: _filled(rule.says, {**told, **groups})})

    def _find(self, text: str) -> tuple[Rule, Mapping[str, Value]] | None:
        for number, rule in enumerate(self._rules):
            found = None if rule.hears is None else rule.hears.search(text[:_HEARD])
            if number in self._used or (rule.hears is not None and found is None):
                continue
            if rule.once:
                self._used.add(number)
            return rule, {} if found is None else found.groupdict()
        return None

    # -- doing ----------------------------------------------------------------------------------------------------

    async def _do(self, rule: Rule, told: Mapping[str, Value], seat: Seat) -> None:
        for tool, args in rule.does:
            await self._use(seat, tool, {key: _filled(value, told) for key, value in args.items()})

    async def _use(self, seat: Seat, tool: str, args: Mapping[str, Value]) -> ToolResult:
        self._calls += 1
        call = ToolCall(tool, dict(args), f"call_{self._calls}")
        await think(seat, "script", ToolUseBlock(call.id, call.name, dict(args)))
        return await seat.call(call)


def _rows(result: ToolResult, key: str) -> list[Mapping[str, Any]]:
    """The rows of a result; none where it was refused."""
    value = result.value
    return list(value.get(key, ())) if result.error is None and isinstance(value, Mapping) else []


def _filled(value: Value, told: Mapping[str, Value]) -> Any:
    """A text with what was found in the places of its names; names that nothing is known of stay as they are."""
    if isinstance(value, (list, tuple)):
        return [_filled(one, told) for one in value]
    if not isinstance(value, str):
        return value
    return "".join(_pieces(value, told))


def _pieces(text: str, told: Mapping[str, Value]) -> Iterator[str]:
    at = 0
    for place in _PLACE.finditer(text):
        yield text[at : place.start()]
        found = told.get(place[1])
        yield place.group() if found is None else str(found)
        at = place.end()
    yield text[at:]
