"""Every registered capability keeps the contract; and the suite notices one that does not."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from filling import FILL
from notes_capability import Notes
from terrarium.capability.mysql import binaries as mariadb
from terrarium.capability.postgres import binaries
from terrarium.core.capability import Traits, reads
from terrarium.core.errors import ConfigError
from terrarium.core.registry import TABLES, find
from terrarium.core.rows import Row
from terrarium.sandbox.tier import tier
from terrarium.testing import check_capability


def skip_without(find_programs: Callable[[], object]) -> None:
    if tier().number != 1:
        pytest.skip("no namespaces here")
    try:
        find_programs()
    except ConfigError as error:
        pytest.skip(str(error))


def skip_without_server(name: str) -> None:
    """Skip a capability whose server this machine does not have."""
    if name in ("mysql", "postgres"):
        skip_without(mariadb.find if name == "mysql" else binaries.find)


@pytest.mark.parametrize("name", sorted(TABLES["capability"]))
def test_every_capability(name: str):
    try:
        importlib.import_module(TABLES["capability"][name].partition(":")[0])
    except ImportError as error:
        pytest.skip(f"not there yet: {error}")
    skip_without_server(name)
    check_capability(find("capability", name), exercise=FILL.get(name))


class Strict(Notes):
    """The notes of other tests, without their bug and with the one clause that they do not need."""

    stumble = None  # type: ignore[assignment]

    async def open(self, site: Any) -> None:
        if site.config:
            raise ConfigError(f"unknown key {sorted(site.config)}")
        await super().open(site)


def test_a_small_capability_keeps_it():
    check_capability(Strict, exercise=lambda notes: notes.add("x"))


class Unmarked(Strict):
    def shout(self) -> str:
        """Shout."""
        return "!"


class Unsorted(Strict):
    def rows(self) -> Iterator[Row]:
        return iter(sorted(super().rows(), key=lambda row: row.key, reverse=True))


class Writing(Strict):
    @reads
    def peek(self) -> int:
        """Look, or so it says."""
        self.add("seen")
        return 1


class Forgetful(Strict):
    async def save(self, to: Path) -> None: ...


class Moody(Strict):
    born = 0

    def add(self, text: str) -> str:
        Moody.born += 1
        return super().add(f"{text} {Moody.born}")


Moody.add.__access__ = Strict.add.__access__  # type: ignore[attr-defined]
Moody.add.__doc__ = "Add."


class Silent(Strict):
    async def open(self, site: Any) -> None:
        site.changed = lambda change: None
        await super().open(site)


class Lax(Notes):
    """Takes any configuration."""

    stumble = None  # type: ignore[assignment]


class Foreign(Strict):
    @reads
    def odd(self) -> int:
        """Fail in a way of its own."""
        return json.loads("{")


class Unsavable(Strict):
    traits = Traits(snapshots=False)


class Clumsy(Strict):
    async def close(self) -> None:
        self._rows.close()
        del self._rows


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (Unmarked, "shout is public and marked neither"),
        (Unsorted, "not ordered"),
        (Writing, "peek is marked @reads and changed something"),
        (Forgetful, "opened on the copy, it has other rows"),
        (Moody, "two equal runs gave different rows"),
        (Silent, "`site.changed` was not called"),
        (Lax, "configuration key that nobody knows"),
        (Foreign, r"odd\(\) raised JSONDecodeError"),
        (Unsavable, "without snapshots it is Unsupported"),
    ],
)
def test_the_suite_names_the_broken_clause(kind, told):
    def fill(notes: Any) -> None:
        notes.add("b")
        notes.add("a")

    with pytest.raises(AssertionError, match=told):
        check_capability(kind, exercise=fill)


def test_closing_twice_must_not_fail():
    with pytest.raises(AttributeError):
        check_capability(Clumsy)
