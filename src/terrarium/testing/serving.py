"""A model server for tests: real SDKs ask it, and it answers what the test says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from terrarium.model.server.fault import Fault
from terrarium.model.server.server import Answers, ModelServer, serve_in_thread


@contextmanager
def serving(
    answers: Answers | str, faults: Iterable[Fault | str | Mapping[str, Any]] = (), **settings: Any
) -> Iterator[ModelServer]:
    """A block during which a model server answers at `server.url`, on a thread of its own; see `ModelServer`.

    Args:
        answers: A model, several by their names, a list of answers or a function, as `ScriptedModel` takes them; or
            text, as `terrarium serve-model` takes it: `echo`, `script.toml`, `solution:path/of/task`, ...
        faults: What goes wrong, and when.
        settings: Further ones of `ModelServer`: `delay`, `key`, `port`, `log`.

    Raises:
        ConfigError: Something of it is not understood.
    """
    wrong = list(faults)
    if isinstance(answers, str):
        from terrarium.run.served import brain

        answers, own = brain(answers)
        wrong += own
    with serve_in_thread(ModelServer(answers, faults=wrong, **settings)) as server:
        yield server
