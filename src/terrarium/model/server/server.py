"""The model server: the application behind a port of the host, on a loop of its own where that is wanted."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from terrarium.core.errors import ConfigError
from terrarium.core.model import Model
from terrarium.http.limits import HttpLimits
from terrarium.http.listener import Listener
from terrarium.model.scripted import ScriptedModel
from terrarium.model.server.app import ModelApp, Served
from terrarium.model.server.fault import Fault

_LIMITS = HttpLimits(body_bytes=256 * 1024 * 1024, idle_seconds=600.0, request_seconds=600.0, connections=10_000)

Answers = Model | Mapping[str, Model] | Sequence[Any] | Callable[..., Any]
"""Who answers: a model, several by their names, a list of answers or a function, as `ScriptedModel` takes them."""


class ModelServer:
    """Serves the wire formats of model providers at a port of the host.

    Args:
        answers: Who answers.
        faults: What goes wrong, and when: `Fault`s, texts such as `429,at=1,after=2`, or tables.
        host: The address it listens at.
        port: The port; 0: any that is free.
        delay: Seconds before each answer.
        key: What clients must send as their key; None: any will do.
        log: A file to which each request is appended as a line of JSON, without keys.
        keep: How many of the last requests `requests` tells of.

    Raises:
        ConfigError: Answers or a fault are not understood, or the log cannot be written.
    """

    def __init__(
        self,
        answers: Answers,
        *,
        faults: Iterable[Fault | str | Mapping[str, Any]] = (),
        host: str = "127.0.0.1",
        port: int = 0,
        delay: float = 0.0,
        key: str | None = None,
        log: Path | str | None = None,
        keep: int = 1000,
    ) -> None:
        self._log = Path(log) if log is not None else None
        self.app = ModelApp(models_of(answers), faults, delay, key, self._write if self._log else None, keep)
        self._listener = Listener(self.app, host, port, _LIMITS, _tell)
        if self._log is not None:
            self._append("")

    @property
    def url(self) -> str:
        """Its address, without a path; OpenAI's SDK wants `/v1` behind it, the others nothing."""
        return self._listener.url

    @property
    def port(self) -> int:
        """The port it listens at."""
        return self._listener.port

    @property
    def requests(self) -> list[Served]:
        """The last requests for answers, oldest first; at most `keep`."""
        return list(self.app.requests)

    async def open(self) -> None:
        """Begin to serve.

        Raises:
            ConfigError: The port cannot be had.
        """
        await self._listener.open()

    async def close(self) -> None:
        """End every connection; idempotent."""
        await self._listener.close()

    def _write(self, served: Served) -> None:
        line = {
            "number": served.number,
            "wire": served.wire,
            "path": served.path,
            "status": served.status,
            "fault": served.fault,
            "body": served.body,
        }
        self._append(json.dumps(line) + "\n")

    def _append(self, text: str) -> None:
        assert self._log is not None
        try:
            with self._log.open("a", encoding="ascii") as file:
                file.write(text)
        except OSError as error:
            raise ConfigError(f"cannot write {self._log}: {error.strerror}") from error


def models_of(answers: Answers) -> Model | Mapping[str, Model]:
    """What answers, as a model or as models by their names.

    Raises:
        ConfigError: It is none of what can answer.
    """
    if isinstance(answers, Mapping):
        return answers
    if hasattr(answers, "generate"):
        return cast(Model, answers)
    if callable(answers) or isinstance(answers, (list, tuple)):
        return ScriptedModel(answers)
    raise ConfigError(f"a model server needs a model, a list of answers or a function, not {answers!r:.200}")


def _tell(error: BaseException) -> None:
    traceback.print_exception(error, file=sys.stderr)


@contextmanager
def serve_in_thread(server: ModelServer) -> Iterator[ModelServer]:
    """A block during which `server` serves, on a thread and an event loop of its own.

    Raises:
        ConfigError: The port cannot be had.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="terrarium model server", daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.open(), loop).result()
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(server.close(), loop).result()
        asyncio.run_coroutine_threadsafe(loop.shutdown_default_executor(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
