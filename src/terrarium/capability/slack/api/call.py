"""One call of the Web API: who makes it, and its arguments, checked as they are asked for."""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from terrarium.capability.slack.chat import Chat
from terrarium.capability.slack.messages import Draft
from terrarium.capability.slack.team import Member
from terrarium.capability.slack.view import View
from terrarium.core.errors import Refused
from terrarium.core.rows import Fields

JSON_LIMIT = 64 * 1024  # characters of blocks, attachments and the like
DEPTH = 24
_TS = re.compile(r"\d{1,12}(\.\d{1,6})?")
_WHOLE = re.compile(r"[+-]?\d{1,15}")
T = TypeVar("T")


class Call:
    """One call.

    Args:
        chat: What is called.
        member: Who calls.
        arguments: As they were sent: text from forms, anything from JSON.
        origin: Where the client found the service, `https://slack.com`.
    """

    def __init__(self, chat: Chat, member: Member, arguments: Mapping[str, Any], origin: str) -> None:
        self.chat = chat
        self.member = member
        self._arguments = arguments
        self.origin = origin

    @property
    def view(self) -> View:
        """What the caller is shown."""
        return self.chat.view(self.member, self.origin)

    # -- arguments ------------------------------------------------------------------------------------------------

    def has(self, name: str) -> bool:
        """Whether an argument was given, and is not empty."""
        return self._arguments.get(name) not in (None, "")

    def text(self, name: str, default: str | None = None) -> str:
        """An argument as text.

        Raises:
            Refused: It is none, or missing where there is no default.
        """
        value = self._arguments.get(name)
        if value is None:
            if default is None:
                raise missing(name)
            return default
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise Refused(f"{name} must be text", code="invalid_arguments")
        return clean(str(value))

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        """An argument as a whole number, brought between two bounds.

        Raises:
            Refused: It is no number.
        """
        value = self._arguments.get(name)
        if value is None or value == "":
            return default
        if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
            value = int(value)
        if type(value) is not int:
            raise Refused(f"{name} must be a whole number", code="invalid_arguments")
        return max(low, min(high, value))

    def flag(self, name: str, default: bool = False) -> bool:
        """An argument as yes or no."""
        value = self._arguments.get(name)
        if value is None or value == "":
            return default
        return value is True or value == 1 or (isinstance(value, str) and value.strip().lower() in ("1", "true", "yes"))

    def ts(self, name: str, default: str | None = None) -> str:
        """An argument as a `ts`, with all six digits.

        Raises:
            Refused: It is none, or missing where there is no default.
        """
        said = self.text(name, default if default is None else "").strip()
        if not said and default is not None:
            return default
        if not _TS.fullmatch(said):
            raise Refused(f"{name} is not a timestamp such as 1893488400.000100", code=f"invalid_{name}")
        seconds, _, rest = said.partition(".")
        return f"{int(seconds):010d}.{rest:0<6}"

    def structure(self, name: str, kind: type[T], code: str) -> T | None:
        """An argument that is a list or object, given as such or as JSON text.

        Raises:
            Refused: It is something else, too large or too deep.
        """
        value = self._arguments.get(name)
        if value is None or value == "":
            return None
        if isinstance(value, str):
            try:
                value = parsed(value)
            except ValueError:
                raise Refused(f"{name} is not JSON", code=code) from None
        if not isinstance(value, kind) or not _fits(value):
            raise Refused(f"{name} is not such a structure, or too large", code=code)
        cleaned: T = _clean_all(value)
        return cleaned

    def names(self, name: str) -> list[str]:
        """An argument that is a list: of JSON, or text with commas."""
        value = self._arguments.get(name)
        if isinstance(value, str) and value.lstrip().startswith("["):
            value = self.structure(name, list, "invalid_arguments")
        if isinstance(value, list) and all(isinstance(one, str) for one in value):
            found = [clean(one) for one in value]
        else:
            found = self.text(name, "").split(",")
        return [one.strip() for one in found if one.strip()][:1000]

    # -- what arguments name --------------------------------------------------------------------------------------

    def channel(self, name: str = "channel") -> tuple[str, Fields]:
        """The conversation that an argument names by its id.

        Raises:
            NotFound: There is none that the caller sees.
            Refused: It is missing.
        """
        id = self.text(name)
        if not id:
            raise missing(name)
        return id, self.chat.channels.get(id, self.member)

    def user(self, name: str = "user") -> Member:
        """The member that an argument names by their id.

        Raises:
            Refused: There is none, or it is missing.
        """
        return self.users([self.text(name)])[0]

    def users(self, ids: Sequence[str]) -> list[Member]:
        """Members by their ids.

        Raises:
            Refused: There is no such one.
        """
        members = self.chat.team.members
        for id in ids:
            if id not in members:
                raise Refused(f"there is no user {id[:40]!r}", code="user_not_found")
        return [members[id] for id in ids]

    def draft(self, before: Fields | None = None) -> Draft:
        """The message that the arguments make.

        Args:
            before: The message that is changed, whose parts stay where nothing is said of them.

        Raises:
            Refused: A part of it is broken.
        """
        blocks = self.structure("blocks", list, "invalid_blocks_format")
        attachments = self.structure("attachments", list, "invalid_attachments")
        metadata = self.structure("metadata", dict, "invalid_metadata_format")
        for part, code in ((blocks, "invalid_blocks_format"), (attachments, "invalid_attachments")):
            if part is not None and not all(isinstance(one, dict) for one in part):
                raise Refused("each of them must be an object", code=code)
        if before is None:
            return Draft(self.text("text", ""), blocks or [], attachments or [], metadata)
        text = self.text("text", "" if blocks or attachments else before["text"])
        kept = before["blocks"] if not self.has("text") else []
        return Draft(
            text,
            kept if blocks is None else blocks,
            before["attachments"] if attachments is None else attachments,
            before["metadata"] if metadata is None else metadata,
            before["files"],
        )

    # -- pages ----------------------------------------------------------------------------------------------------

    def page(self, found: Sequence[T], key: Callable[[T], str], default: int = 100) -> tuple[list[T], str]:
        """One page of a list, and the cursor of the next one; `limit` and `cursor` say which.

        Raises:
            Refused: The cursor is none of this list.
        """
        limit, start, cursor = self.whole("limit", default, 1, 1000), 0, self.text("cursor", "")
        if cursor:
            try:
                kind, _, wanted = base64.b64decode(cursor, validate=True).decode("ascii").partition(":")
            except (binascii.Error, ValueError):
                kind, wanted = "", ""
            places = [number for number, one in enumerate(found) if key(one) == wanted]
            if kind != "next" or not places:
                raise Refused("this is not a cursor of this list", code="invalid_cursor")
            start = places[0]
        rest = found[start + limit : start + limit + 1]
        following = base64.b64encode(f"next:{key(rest[0])}".encode()).decode() if rest else ""
        return list(found[start : start + limit]), following


def missing(name: str) -> Refused:
    """The error for an argument that is not there."""
    return Refused(f"missing required field: {name}", code="invalid_arguments")


def clean(text: str) -> str:
    """The same without what UTF-8 cannot hold."""
    return text.encode("utf-8", "replace").decode("utf-8")


def parsed(text: str | bytes) -> Any:
    """JSON as RFC 8259 has it.

    Raises:
        ValueError: It is none: also for numbers that are none, and for what is nested too deep.
    """

    def number(said: str) -> float:
        value = float(said)
        if not math.isfinite(value):
            raise ValueError("a number that is too large")
        return value

    def constant(said: str) -> float:
        raise ValueError(f"{said} is no JSON")

    try:
        return json.loads(text, parse_float=number, parse_constant=constant)
    except RecursionError:
        raise ValueError("nested too deep") from None


def _fits(value: Any) -> bool:
    room, level = JSON_LIMIT, [value]
    for _ in range(DEPTH):
        below: list[Any] = []
        for one in level:
            room -= len(one) + 2 if isinstance(one, str) else 2
            if isinstance(one, dict):
                below += [*one, *one.values()]
            elif isinstance(one, list):
                below += one
            elif isinstance(one, int) and one.bit_length() > 64:
                return False
        if room < 0 or not below:
            return room >= 0
        level = below
    return False


def _clean_all(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [_clean_all(one) for one in value]
    return {clean(key): _clean_all(one) for key, one in value.items()} if isinstance(value, dict) else value
