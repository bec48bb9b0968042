"""Search as Slack has it: words, "phrases", -words, and in:, from:, before:, after:, on:, has:, is: before them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from terrarium.capability.slack.channels import Channels
from terrarium.capability.slack.files import Files
from terrarium.capability.slack.messages import Messages, micros_of, stamp
from terrarium.capability.slack.team import Member
from terrarium.capability.slack.text import plain
from terrarium.core.errors import NotFound, Refused
from terrarium.core.rows import Fields
from terrarium.core.values import to_micros

QUERY = 500
TERMS = 40
_TERM = re.compile(r'(?P<no>-)?(?:(?P<key>[a-z]+):)?(?:"(?P<phrase>[^"]*)"|(?P<word>[^\s"]+))')
_KEYS = ("after", "before", "from", "has", "in", "is", "on")


@dataclass(frozen=True)
class Found:
    """A message that was found, and where."""

    channel: str
    ts: str
    fields: Fields


Holds = Callable[[str, str, Fields, str], bool]


class Search:
    """Searches what one member sees.

    Args:
        channels: Where.
        messages: What.
        files: What else.
        viewer: Who searches; None: the task program, which sees all.
    """

    def __init__(self, channels: Channels, messages: Messages, files: Files, viewer: Member | None) -> None:
        self._channels = channels
        self._messages = messages
        self._files = files
        self._viewer = viewer

    def messages(self, query: str) -> list[Found]:
        """The messages that a query means, newest first.

        Raises:
            Refused: It is empty or too long.
        """
        tests = self._tests(query)
        found = []
        for channel, _ in self._channels.all(self._viewer):
            for ts, fields in self._messages.everything(channel):
                if not fields["deleted"]:
                    text = self._text(fields)
                    if all(test(channel, ts, fields, text) for test in tests):
                        found.append(Found(channel, ts, fields))
        return sorted(found, key=lambda one: (one.ts, one.channel), reverse=True)

    def files(self, query: str) -> list[tuple[str, Fields]]:
        """The files whose name, title or text has all of it, newest first.

        Raises:
            Refused: As `messages`.
        """
        tests = self._tests(query)
        found = []
        for id, fields in self._files.all(self._viewer):
            text = f"{fields['name']} {fields['title']}".casefold()
            told = {"user": fields["user"], "thread": None, "pinned": None, "reactions": [], "files": [id], "text": ""}
            places = [share["channel"] for share in fields["shares"]] or [""]
            ts = stamp(to_micros(fields["created"]))
            if any(all(test(place, ts, told, text) for test in tests) for place in places):
                found.append((id, fields))
        return found

    def _text(self, fields: Fields) -> str:
        said = plain(fields["text"], self._channels.team, lambda id: self._channels.title(id).removeprefix("#"))
        return said.casefold()

    def _tests(self, query: str) -> list[Holds]:
        if not query.strip():
            raise Refused("say what is searched for", code="no_query")
        if len(query) > QUERY:
            raise Refused(f"a query has at most {QUERY} characters", code="query_too_long")
        tests = []
        for number, term in enumerate(_TERM.finditer(query)):
            if number >= TERMS:
                raise Refused(f"a query has at most {TERMS} terms", code="query_too_long")
            key, text = term["key"], term["phrase"] if term["phrase"] is not None else term["word"]
            if key is not None and key not in _KEYS:
                key, text = None, f"{key}:{text}"
            if text:
                tests.append(_not(self._test(key, text)) if term["no"] else self._test(key, text))
        return tests

    def _test(self, key: str | None, text: str) -> Holds:
        if key is None:
            wanted = text.removesuffix("*").casefold()
            start = re.compile(r"(?<!\w)" + re.escape(wanted))
            return lambda channel, ts, fields, said: wanted in said and start.search(said) is not None
        if key == "in":
            place = self._place(text)
            return lambda channel, ts, fields, said: channel == place
        if key == "from":
            who = self._who(text)
            return lambda channel, ts, fields, said: fields["user"] == who
        if key in ("before", "after", "on"):
            return self._time(key, text)
        if key == "is":
            return lambda channel, ts, fields, said: text == "thread" and fields["thread"] is not None
        return lambda channel, ts, fields, said: _has(text.strip(":"), fields)

    def _place(self, text: str) -> str | None:
        text = re.sub(r"<#([^|>]*)[^>]*>", r"\1", text)
        text = re.sub(r"<@([^|>]*)[^>]*>", r"@\1", text)
        try:
            return self._channels.find(text, self._viewer)
        except NotFound:
            return None

    def _who(self, text: str) -> str | None:
        text = re.sub(r"<@([^|>]*)[^>]*>", r"\1", text)
        if text.removeprefix("@") == "me" and self._viewer is not None:
            return self._viewer.id
        try:
            return self._channels.team.named(text).id
        except NotFound:
            return None

    def _time(self, key: str, text: str) -> Holds:
        day = _day(text, self._channels.site.clock.now, self._channels.site.clock.zone)
        if day is None:
            return lambda channel, ts, fields, said: False
        zone = self._channels.site.clock.zone
        begin, end = (_midnight(one, zone) for one in (day, day + timedelta(days=1)))
        if key == "before":
            return lambda channel, ts, fields, said: micros_of(ts) < begin
        if key == "after":
            return lambda channel, ts, fields, said: micros_of(ts) >= end
        return lambda channel, ts, fields, said: begin <= micros_of(ts) < end


def _not(test: Holds) -> Holds:
    return lambda channel, ts, fields, said: not test(channel, ts, fields, said)


def _has(what: str, fields: Fields) -> bool:
    if what in ("pin", "file", "link", "reaction"):
        said = {"pin": fields["pinned"], "file": fields["files"], "reaction": fields["reactions"]}
        return "http" in fields["text"] and "://" in fields["text"] if what == "link" else bool(said[what])
    return any(one["name"] == what for one in fields["reactions"])


def _day(text: str, now: datetime, zone: tzinfo) -> date | None:
    today = now.astimezone(zone).date()
    if text in ("today", "yesterday"):
        return today if text == "today" else today - timedelta(days=1)
    try:
        day = date.fromisoformat(text)
        return day if 1971 <= day.year <= 2999 else None
    except ValueError:
        return None


def _midnight(day: date, zone: tzinfo) -> int:
    return to_micros(datetime.combine(day, time(), zone).astimezone(UTC))
