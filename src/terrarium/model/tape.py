"""The file of a cassette: one line for each answer that a model gave, with what it was asked."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from terrarium.core.errors import ConfigError, ModelFault, TerrariumError
from terrarium.core.files import make_folder
from terrarium.core.message import Message
from terrarium.core.model import Completion
from terrarium.core.tool import Tool
from terrarium.core.values import Value, decode, digest, dumps, encode

VERSION = 1


@dataclass(frozen=True)
class Request:
    """What a model is asked: everything that decides its answer, as trees of JSON."""

    model: str
    parameters: Any
    tools: list[Any]
    messages: list[Any]

    @classmethod
    def of(
        cls, model: str, parameters: Mapping[str, Value], messages: Sequence[Message], tools: Sequence[Tool]
    ) -> Request:
        """A request as it is sent; of a tool, what the model is told of it."""
        told = [{"name": t.name, "description": t.description, "parameters": encode(dict(t.parameters))} for t in tools]
        return cls(model, encode(dict(parameters)), told, [encode(message) for message in messages])

    @property
    def digest(self) -> str:
        """What it is found by."""
        return digest(vars(self))


@dataclass
class Recorded:
    """The answers to one request, in the order in which they were recorded; those of its last take."""

    request: Request
    take: int
    answers: list[Completion] = field(default_factory=list)


class Tape:
    """The recordings of one file.

    A line holds a whole answer. Messages and tools are written out where they come first, and are named by their
    digests after that: a conversation of a hundred steps is not written a hundred times.

    Args:
        path: The file. It need not be there.

    Raises:
        ConfigError: It is no cassette, is of another version, or a line before its last is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.recordings: dict[str, Recorded] = {}
        """By the digest of the request, in the order in which they were first recorded."""
        self.takes = 0
        self._parts: dict[str, Any] = {}
        self._torn = False
        for number, line in enumerate(self._lines(), 1):
            self._take_in(line, number)

    @property
    def models(self) -> list[str]:
        """The names of the models that were recorded, sorted."""
        return sorted({recorded.request.model for recorded in self.recordings.values()})

    def add(self, request: Request, completion: Completion, take: int) -> None:
        """Write an answer down.

        Args:
            request: What was asked.
            completion: What was answered.
            take: The number of the recording; where a request was recorded in several, the last one counts.

        Raises:
            ModelFault: It cannot be written.
        """
        new: dict[str, Any] = {}
        line = {
            "cassette": VERSION,
            "take": take,
            "request": request.digest,
            "model": request.model,
            "parameters": request.parameters,
            "tools": [self._named(tool, new) for tool in request.tools],
            "messages": [self._named(message, new) for message in request.messages],
            "parts": new,
            "completion": encode(completion),
        }
        text = f"{dumps(line)}\n".encode("ascii")
        try:
            make_folder(self.path.parent)
            file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
            try:
                if self._torn:  # what a crash left of its last line stays there, and is a line of its own
                    text, self._torn = b"\n" + text, False
                if os.write(file, text) != len(text):
                    self._torn = True
                    raise OSError(28, "No space left on device")
            finally:
                os.close(file)
        except OSError as error:
            raise ModelFault(f"the cassette {self.path} cannot be written: {error.strerror}") from error
        self._parts |= new
        self._keep(request, completion, take)

    def _keep(self, request: Request, completion: Completion, take: int) -> None:
        recorded = self.recordings.get(request.digest)
        if recorded is None or recorded.take < take:
            recorded = self.recordings[request.digest] = Recorded(request, take)
        if recorded.take == take:
            recorded.answers.append(completion)
        self.takes = max(self.takes, take)

    def _named(self, part: Any, new: dict[str, Any]) -> str:
        name = digest(part)[:32]
        if name not in self._parts:
            new[name] = part
        return name

    def _lines(self) -> Iterator[bytes]:
        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            return
        except OSError as error:
            raise ConfigError(f"the cassette {self.path} cannot be read: {error.strerror}") from None
        self._torn = bool(text) and not text.endswith(b"\n")
        yield from text.splitlines()

    def _take_in(self, text: bytes, number: int) -> None:
        try:
            line = json.loads(text)
            version = line["cassette"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            if number == 1 and not self._torn:
                raise ConfigError(f"{self.path} is no cassette: {error}") from None
            return  # torn by a crash; nobody was given that answer
        if version != VERSION:
            raise ConfigError(f"{self.path}:{number} is a cassette of version {version!r}; this reads {VERSION}")
        try:
            self._parts |= line["parts"]
            tools, messages = ([self._parts[name] for name in line[key]] for key in ("tools", "messages"))
            request = Request(line["model"], line["parameters"], tools, messages)
            self._keep(request, decode(line["completion"]), int(line["take"]))
        except (ValueError, KeyError, TypeError, AttributeError, TerrariumError) as error:
            raise ConfigError(f"{self.path}:{number} is damaged: {type(error).__name__}: {error}") from None
