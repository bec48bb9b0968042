"""docs/reference is what the code of the capabilities says, and that is true of them."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.contracts.test_capability_contract import FILL, skip_without_server

from terrarium.core.capability import Site, admin_methods
from terrarium.core.clock import Clock
from terrarium.core.errors import ConfigError
from terrarium.core.registry import TABLES, find
from terrarium.core.sandbox import Ground
from terrarium.core.seeds import Rng
from terrarium.sandbox.memory import MemorySandbox

ROOT = Path(__file__).resolve().parents[2]
NAMES = sorted(TABLES["capability"])


def _table(name: str, header: str) -> list[list[str]]:
    """The rows of a table of the page of a capability, split into cells."""
    lines = (ROOT / "docs" / "reference" / f"{name}.md").read_text("utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {header} |")) + 2
    end = next(number for number in range(start, len(lines)) if not lines[number].startswith("|"))
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[start:end]]


async def _opened(name: str, folder: Path, config: Mapping[str, Any]) -> Any:
    clock, loop = Clock(), asyncio.get_running_loop()

    def wait(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(60)

    capability = find("capability", name)()
    site = Site(
        name=name,
        folder=folder,
        config=config,
        clock=clock,
        rng=Rng(0),
        agents=["agent"],
        changed=lambda change: None,
        actor=lambda: "task",
        wait=wait,
        block=wait,
        sandbox=lambda: MemorySandbox(Ground(clock)),
    )
    await capability.open(site)
    return capability


def test_the_pages_are_up_to_date():
    script = ROOT / "scripts" / "capability_reference.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_a_page_names_every_key_that_is_understood(name: str, tmp_path: Path):
    with pytest.raises(ConfigError) as refused:
        asyncio.run(_opened(name, tmp_path, {"no_such_key": 1}))
    there = re.sub(r".*(there are|known keys): ", "", str(refused.value)).split(", ")
    assert sorted(row[0].strip("`") for row in _table(name, "key")) == sorted(there)


@pytest.mark.parametrize("name", NAMES)
def test_the_defaults_of_a_page_are_those_of_the_code(name: str, tmp_path: Path):
    """Whoever writes them into the configuration changes nothing."""
    defaults = {row[0].strip("`"): json.loads(row[2].strip("`")) for row in _table(name, "key") if "`" in row[2]}
    assert defaults

    async def facts(folder: Path, config: Mapping[str, Any]) -> list[Any]:
        capability = await _opened(name, folder, config)
        told = [getattr(capability, path) for path, access in admin_methods(capability).items() if access.fact]
        found = [told, [tool.name for tool in capability.tools("agent")], list(capability.rows())]
        await capability.close()
        return found

    written, unwritten = (asyncio.run(facts(tmp_path / part, config)) for part, config in (("a", defaults), ("b", {})))
    assert written == unwritten


@pytest.mark.parametrize("name", NAMES)
def test_a_page_names_every_table_of_the_state(name: str, tmp_path: Path):
    skip_without_server(name)

    async def tables() -> set[str]:
        capability = await _opened(name, tmp_path, {})
        await asyncio.to_thread(FILL[name], capability)
        found = await asyncio.to_thread(lambda: {row.table for row in capability.rows()})
        await capability.close()
        return found

    told = {word for row in _table(name, "table of rows") for word in re.findall(r"[\w.]+", row[0])}
    found = asyncio.run(tables())
    of_database = {"mysql": "main.orders", "postgres": "main.public.orders"}.get(name)  # stands for all of its tables
    assert {of_database if of_database and "." in table else table for table in found} <= told
