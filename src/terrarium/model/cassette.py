"""The cassette: records what any model is asked and answers, and answers again from the recording.

Cassette("talks.jsonl", model)                  ask the model only what was not recorded yet
Cassette("talks.jsonl", model, mode="record")   ask it everything, and record anew
Cassette("talks.jsonl", mode="replay")          ask nobody: no key, no network
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from terrarium.core.contrast import contrasts, cut
from terrarium.core.errors import ConfigError, ModelFault
from terrarium.core.message import Message
from terrarium.core.model import Completion, Model, Structured
from terrarium.core.offers import offers
from terrarium.core.secrets import Secrets, is_secret
from terrarium.core.tool import Tool
from terrarium.core.values import Value, dumps
from terrarium.model.tape import Recorded, Request, Tape

Mode = Literal["auto", "record", "replay"]


class Cassette:
    """A model that is recorded, or a recording in its place.

    A request is found by the digest of the model's name, the messages, the tools and the sampling parameters. Equal
    requests get their answers in the order in which they were recorded. When those are used up, `auto` asks the model
    and records one more, and `replay` refuses: an answer given twice would be a conversation that never was.

    It offers `generate_json` where the model does, and without a model where the recordings hold an answer to that; the
    schema is one of the parameters.

    Args:
        path: The file of recordings.
        model: The client that is asked; `replay` needs none.
        mode: `auto` asks the model only what was not recorded, `record` everything (what it answers then counts in
            place of what was recorded for the same request before), `replay` nothing.
        name: What the model is called; by default as the client says, or as the only one in the recordings.
        parameters: The sampling parameters that requests are sent with; by default the client's `parameters`, where it
            has some. Keys and other secrets are left out of them.

    Raises:
        ConfigError: The file is no cassette or is damaged; there is no model but to replay; a replay has no recording,
            or several models and no name.
    """

    _tape: Tape

    def __new__(cls, path: Path | str, model: Model | None = None, *_: Any, **__: Any) -> Cassette:
        """One that offers what its model does."""
        tape = Tape(Path(path))
        structured = offers(model, Structured) if model is not None else any(map(_has_schema, tape.recordings.values()))
        made = super().__new__(StructuredCassette if structured and cls is Cassette else cls)
        made._tape = tape
        return made

    def __init__(
        self,
        path: Path | str,
        model: Model | None = None,
        mode: Mode = "auto",
        name: str | None = None,
        parameters: Mapping[str, Value] | None = None,
    ) -> None:
        if mode not in ("auto", "record", "replay"):
            raise ConfigError(f"the mode of a cassette is auto, record or replay, not {mode!r}")
        if model is None and mode == "record":
            raise ConfigError("a cassette that records needs a model")
        self._model = None if mode == "replay" else model
        self._mode = mode
        if self._model is None and not self._tape.recordings:
            raise ConfigError(f"the cassette {path} holds no recording, and there is no model to ask")
        given = parameters if parameters is not None else getattr(model, "parameters", None)
        self.parameters = {key: value for key, value in dict(given or {}).items() if not is_secret(key)}
        if given is None and self._model is None and model is None:
            self.parameters = self._recorded_parameters()
        self.name = name or (model.name if model is not None else self._only_model())
        self._secrets = Secrets.of({"parameters": dict(given or {})})
        self._given: dict[str, int] = {}
        self._lock = threading.Lock()  # agents may be asked on several loops
        self._take = self._tape.takes + 1 if mode == "record" else max(1, self._tape.takes)

    async def generate(self, messages: Sequence[Message], tools: Sequence[Tool]) -> Completion:
        """The recorded answer, or the model's, which is recorded.

        Raises:
            ModelFault: It was not recorded, and there is no model to ask: says which recording is nearest and where
                that differs. Also whatever the model raises, which is not recorded.
        """
        return await self._answer(messages, tools, {}, lambda model: model.generate(messages, tools))

    async def close(self) -> None:
        """Close the model; idempotent."""
        if self._model is not None:
            await self._model.close()

    async def _answer(
        self,
        messages: Sequence[Message],
        tools: Sequence[Tool],
        more: Mapping[str, Value],
        ask: Callable[[Any], Awaitable[Completion]],
    ) -> Completion:
        # The messages as they are now: whoever asks may go on with the list while the model thinks.
        asked = self._secrets.scrub(list(messages))
        request = Request.of(self.name, {**self.parameters, **more}, asked, tools)
        with self._lock:
            found = None if self._mode == "record" else self._next(request)
        if found is not None:
            return found
        if self._model is None:
            raise ModelFault(self._why_not(request))
        completion = await ask(self._model)
        with self._lock:
            recorded = self._tape.recordings.get(request.digest)
            take = self._take if self._mode == "record" or recorded is None else recorded.take
            self._tape.add(request, self._secrets.scrub(completion), take)
            self._given[request.digest] = self._given.get(request.digest, 0) + 1
        return completion

    # -- finding --------------------------------------------------------------------------------------------------

    def _next(self, request: Request) -> Completion | None:
        digest = request.digest
        recorded, given = self._tape.recordings.get(digest), self._given.get(digest, 0)
        if recorded is None or given >= len(recorded.answers):
            return None
        self._given[digest] = given + 1
        return recorded.answers[given]

    def _only_model(self) -> str:
        models = self._tape.models
        if len(models) != 1:
            raise ConfigError(f"{self._tape.path} holds recordings of {', '.join(models)}: say which with name=")
        return models[0]

    def _recorded_parameters(self) -> dict[str, Value]:
        """Those of the recordings, where all have the same: whoever replays need not repeat them."""
        plain = [_without_schema(recorded) for recorded in self._recordings()]
        found = {dumps(parameters): parameters for parameters in plain}
        return dict(next(iter(found.values()))) if len(found) == 1 else {}

    def _recordings(self) -> list[Any]:
        return list(self._tape.recordings.values())

    # -- what to say where nothing was found ------------------------------------------------------------------------

    def _why_not(self, request: Request) -> str:
        recorded = self._tape.recordings.get(request.digest)
        if recorded is not None:
            count = len(recorded.answers)
            return (
                f"this request was recorded {count} times in {self._tape.path} and is asked once more; "
                "record it again, or let mode='auto' ask the model"
            )
        ranked = [(_likeness(request, recorded.request), number) for number, recorded in enumerate(self._recordings())]
        number = max(ranked, key=lambda pair: (pair[0], -pair[1]))[1]
        nearest: Request = self._recordings()[number].request
        return (
            f"no recording in {self._tape.path} answers this request ({len(request.messages)} messages, "
            f"{len(request.tools)} tools); the nearest is recording {number + 1} of {len(ranked)}: "
            f"{_first_difference(nearest, request)}"
        )


class StructuredCassette(Cassette):
    """The recording of a model that can be held to a schema."""

    async def generate_json(self, messages: Sequence[Message], schema: Mapping[str, Any]) -> Completion:
        """The recorded answer, or the model's, which is recorded.

        Raises:
            ModelFault: As `generate`.
        """
        schema = dict(schema)
        return await self._answer(messages, (), {"schema": schema}, lambda model: model.generate_json(messages, schema))


def _has_schema(recorded: Recorded) -> bool:
    return "schema" in recorded.request.parameters


def _without_schema(recorded: Recorded) -> dict[str, Value]:
    return {key: value for key, value in recorded.request.parameters.items() if key != "schema"}


def _likeness(one: Request, other: Request) -> tuple[int, int, int, int]:
    """How near two requests are: the longer the conversation is the same, the nearer."""
    same = _common(one.messages, other.messages)
    sides = (one.model == other.model) + (one.parameters == other.parameters) + (one.tools == other.tools)
    return same, sides, -abs(len(one.messages) - len(other.messages)), _words_in_common(one, other, same)


def _common(one: Sequence[Any], other: Sequence[Any]) -> int:
    for number, (mine, theirs) in enumerate(zip(one, other, strict=False)):
        if mine != theirs:
            return number
    return min(len(one), len(other))


def _words_in_common(one: Request, other: Request, at: int) -> int:
    if at >= min(len(one.messages), len(other.messages)):
        return 0
    return len(set(dumps(one.messages[at]).split()) & set(dumps(other.messages[at]).split()))


def _first_difference(recorded: Request, asked: Request) -> str:
    """Where a request leaves a recording: the model, a parameter, a tool or a message, with both sides."""
    if recorded.model != asked.model:
        return f"it asked the model {recorded.model!r}, this one asks {asked.model!r}"
    for found in contrasts(recorded.parameters, asked.parameters, limit=1):
        return f"parameter {found.place!r} was {found.one} and is {found.other}"
    if recorded.tools != asked.tools:
        return _tool_difference(recorded.tools, asked.tools)
    at = _common(recorded.messages, asked.messages)
    if at == min(len(recorded.messages), len(asked.messages)):
        more = "and this one goes on" if len(asked.messages) > at else "and this one ends there"
        return f"its first {at} messages are the same, {more} (it had {len(recorded.messages)})"
    one, other = recorded.messages[at], asked.messages[at]
    role = other.get("fields", {}).get("role", "?")
    places = contrasts(one, other, limit=1)
    place = f", at {places[0].place}" if places and places[0].place else ""
    shown = (places[0].one, places[0].other) if places else cut(dumps(one), dumps(other))
    return f"message {at + 1} of {len(asked.messages)} ({role}) differs{place}: recorded {shown[0]}, asked {shown[1]}"


def _tool_difference(recorded: Sequence[Any], asked: Sequence[Any]) -> str:
    had, has = ([tool["name"] for tool in tools] for tools in (recorded, asked))
    if had != has:
        missing = [f"without {name!r}" for name in had if name not in has]
        added = [f"with {name!r}" for name in has if name not in had]
        return f"its tools were others: this one asks {', '.join([*missing, *added]) or 'with them in another order'}"
    at = _common(recorded, asked)
    [found] = contrasts(recorded[at], asked[at], limit=1)
    return f"the tool {has[at]!r} differs, at {found.place}: recorded {found.one}, asked {found.other}"
