"""How a suite says that a clause does not hold; and an engine to check on."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from terrarium.run.runtime import Runtime


def holds(clause: object, told: str) -> None:
    """Say `told` where the clause does not hold."""
    if not clause:
        raise AssertionError(told)


@contextmanager
def raises(kinds: type[Exception] | tuple[type[Exception], ...], told: str) -> Iterator[None]:
    """Say `told` where the block raises anything else than one of `kinds`, or nothing."""
    try:
        yield
    except kinds:
        return
    except Exception as error:
        raise AssertionError(f"{told}: it raised {type(error).__name__}: {error}") from error
    raise AssertionError(f"{told}: nothing was raised")


@contextmanager
def engine() -> Iterator[Callable[[Coroutine[Any, Any, Any]], Any]]:
    """An event loop on a thread of its own, as the engine has; yields what waits for a coroutine there."""
    runtime = Runtime()
    try:
        yield lambda work: runtime.submit(work).result()
    finally:
        runtime.close()
