"""Every registered sandbox keeps the contract; and the suite notices one that does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from terrarium.core.errors import ConfigError
from terrarium.core.registry import TABLES, find
from terrarium.sandbox.inside import confine, kernel
from terrarium.sandbox.memory import MemorySandbox
from terrarium.sandbox.tier import tier
from terrarium.testing import check_sandbox
from terrarium.testing.sandbox.suite import PARTS

ALONE = pytest.mark.alone


def _lacking(name: str) -> str | None:
    """What this machine lacks for a sandbox, in words."""
    if name == "local" and tier().number > 1:
        return f"no namespaces here: {tier().reasons[0]}"
    if name == "landlock" and kernel.landlock_version() < confine.WANTED:
        return f"Landlock has version {kernel.landlock_version()} here, {confine.WANTED} is needed"
    return None


@pytest.mark.parametrize("part", [pytest.param(part, marks=ALONE if part == "caps" else ()) for part in PARTS])
@pytest.mark.parametrize("name", sorted(TABLES["sandbox"]))
def test_every_sandbox(name: str, part: str):
    kind = find("sandbox", name)
    missing = _lacking(name)
    if missing:
        pytest.skip(missing)
    for left_out in check_sandbox(kind, parts=[part]):
        print(f"{name}: not looked at: {left_out}")


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
        check_sandbox(kind, parts=["files", "saving"])


def test_an_unknown_part_is_an_error():
    with pytest.raises(ConfigError, match="walls"):
        check_sandbox(MemorySandbox, parts=["wall"])
