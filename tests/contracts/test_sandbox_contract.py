"""Every registered sandbox keeps the contract; and the suite notices one that does not."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from terrarium.core.registry import TABLES, find
from terrarium.core.sandbox import Ground
from terrarium.sandbox.memory import MemorySandbox
from terrarium.testing import check_sandbox


@pytest.mark.parametrize("name", sorted(TABLES["sandbox"]))
def test_every_sandbox(name: str):
    try:
        importlib.import_module(TABLES["sandbox"][name].partition(":")[0])
    except ImportError as error:
        pytest.skip(f"not there yet: {error}")
    check_sandbox(lambda: find("sandbox", name)(Ground()))


class Textual(MemorySandbox):
    async def read(self, path: str) -> bytes:
        return (await super().read(path)).decode("utf-8", "replace").encode()


class Careless(MemorySandbox):
    async def remove(self, path: str) -> None:
        try:
            await super().remove(path)
        except Exception:
            pass


class Forgetful(MemorySandbox):
    async def save(self, to: Path) -> None: ...


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (Textual, "is not what was written"),
        (Careless, "remove: what is not there is NotFound"),
        (Forgetful, "the copy has other files"),
    ],
)
def test_the_suite_names_the_broken_clause(kind, told):
    with pytest.raises(AssertionError, match=told):
        check_sandbox(lambda: kind(Ground()))
