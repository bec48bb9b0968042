"""The manual names everything there is, and nothing that there is not."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from manual_pages import DOCS, ROOT, TEXTS, anchors, first_words, links, prose, table, words

from terrarium.cli.main import COMMANDS
from terrarium.core import errors
from terrarium.core.agent import Agent, Budget, Reply, Seat, StopReason
from terrarium.core.capability import Capability, Site, Traits
from terrarium.core.env import Env, EnvClock
from terrarium.core.handle import AgentView
from terrarium.core.journal import EventKind
from terrarium.core.model import Completion
from terrarium.core.registry import TABLES
from terrarium.core.task import Limits, entry
from terrarium.core.tool import ToolResult
from terrarium.run.config import AgentConfig, JobConfig, RetryConfig, TaskConfig
from terrarium.run.job import JobResult
from terrarium.task.checking import check

PAGES = {"result": "results"}  # of rooms whose page has another name


def _errors() -> dict[str, type[errors.TerrariumError]]:
    kinds = [kind for kind in vars(errors).values() if inspect.isclass(kind)]
    return {kind.__name__: kind for kind in kinds if issubclass(kind, errors.TerrariumError)}


def _fields(kind: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(kind)]


def _public(kind: Any) -> list[str]:
    return [name for name in {*vars(kind), *vars(kind).get("__annotations__", {})} if not name.startswith("_")]


@pytest.mark.parametrize(
    ("page", "header", "names"),
    [
        ("core.md", "kind", EventKind),
        ("core.md", "error", _errors()),
        ("run.md", "key of a job", JobConfig.model_fields),
        ("run.md", "key of an agent", AgentConfig.model_fields),
        ("run.md", "key of a task or dataset", TaskConfig.model_fields),
        ("run.md", "key of `retry`", RetryConfig.model_fields),
        ("run.md", "reason", StopReason),
        ("run.md", "`JobResult`", [*_fields(JobResult), "exit_code"]),
        ("task.md", "limit", _fields(Limits)),
        ("task.md", "argument", inspect.signature(entry).parameters),
        ("task.md", "field of `Reply`", _fields(Reply)),
        ("task.md", "`check(function, ...)`", list(inspect.signature(check).parameters)[1:]),
        ("agent.md", "field of `ToolResult`", _fields(ToolResult)),
        ("agent.md", "field of `Completion`", _fields(Completion)),
        ("agent.md", "name", TABLES["agent"]),
        ("capability.md", "name", TABLES["capability"]),
        ("capability.md", "trait", _fields(Traits)),
    ],
)
def test_a_table_names_all_there_is_and_nothing_else(page: str, header: str, names: Iterable[str]) -> None:
    assert sorted(first_words(page, header)) == sorted(map(str, names))


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("task.md", [f"env.{name}" for name in _public(Env) if name != "clock"]),
        ("task.md", [f"env.{name}" for name in ("clock", "random")]),
        ("task.md", [f"env.clock.{name}" for name in _public(EnvClock)]),
        ("task.md", [f"agent.{name}" for name in [*_public(AgentView), "name"]]),
        ("agent.md", [*_public(Seat), *_fields(Budget)]),
        ("agent.md", _public(Agent)),
        ("capability.md", [*_public(Capability), *[name for name in _fields(Site) if name != "stores"]]),
        ("cli.md", [f"terrarium {name}" for name in COMMANDS]),
    ],
)
def test_a_page_names_all_there_is(page: str, names: Iterable[str]) -> None:
    text = (DOCS / page).read_text("utf-8")
    missing = [name for name in names if not re.search(rf"{re.escape(name)}\b", text)]
    assert not missing, f"{page} says nothing of {', '.join(missing)}"


def test_names_of_every_family() -> None:
    told = {row[0]: words(row[1]) for row in table("core.md", "family")}
    assert {family: sorted(names) for family, names in told.items()} == {f: sorted(t) for f, t in TABLES.items()}


def test_the_boundary_of_every_error() -> None:
    told = {words(row[0])[0]: row[1] for row in table("core.md", "error")}
    assert told == {name: kind.boundary for name, kind in _errors().items()}


def test_the_default_of_every_limit() -> None:
    told = {words(row[0])[0]: row[1] for row in table("task.md", "limit")}
    assert told == {name: str(getattr(Limits(), name)) for name in told}


LIVELY = """
@entry(capabilities=["email"], agents=["ann", "bob"])
async def fn(env, agents):
    def ring(times: int) -> str:
        "Ring the bell."
        env.reward("rung", times)
        return "ding"
    agents["ann"].register_tools(ring)
    env.after("1s", lambda: env.email.send("a@x.example", "b@x.example", "s", "b"))
    await agents["ann"].act("go")
    try:
        env.workspace("ann").fs.read_text("missing.txt")
    except NotFound:
        pass
    env.after("1s", lambda: 1 / 0)
    results = run_checkers({"fine": lambda: True})
    await env.clock.advance("1m")
    return results
"""
TELLING = """
@entry(["notes"], NOTES, notices=["notes"])
def fn(env, agent):
    env.notes.leave("agent", "look here")
    agent.act("go")
    return run_checkers({"fine": lambda: True})
"""
SCRIPT = [{"tool": "ring", "args": {"times": 2}}, "rung"]
UNUSED = {"attack"}  # reserved, and the page says that nothing writes it
OF_FORKS = {"operator"}  # see tests/run/test_fork.py


def test_every_field_of_an_event_is_in_the_manual(play: Any) -> None:
    rows = {words(row[0])[0]: words(row[2]) for row in table("core.md", "kind")}
    events = [*play(LIVELY, SCRIPT, snapshot="every-turn").events(), *play(TELLING).events()]
    for event in events:
        told = rows[event.kind]
        assert set(event.data) <= set(told), f"{event.kind} has fields the manual does not name"
        assert set(event.wall) - {"at", "sum"} <= set(told), f"{event.kind} has more in `wall` than the manual says"
    assert {event.kind.value for event in events} == set(rows) - UNUSED - OF_FORKS
    assert all(not rows[kind] for kind in UNUSED)


def test_every_page_is_in_the_navigation_and_every_room_has_a_page() -> None:
    settings = (ROOT / "mkdocs.yml").read_text("utf-8")
    listed = re.findall(r"(\S+\.md)$", settings[settings.index("\nnav:") :], re.MULTILINE)
    pages = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
    assert sorted(listed) == pages
    rooms = [path.parent.name for path in (ROOT / "src" / "terrarium").glob("*/__init__.py")]
    rooms += [path.stem for path in (ROOT / "src" / "terrarium").glob("[!_]*.py")]
    assert {f"{PAGES.get(room, room)}.md" for room in rooms} <= set(pages)


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for file, anchor in links(page):
        assert file.exists(), f"{page.name}: there is no {file}"
        assert not anchor or anchor in anchors(file), f"{page.name}: {file.name} has no #{anchor}"


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_is_tidy(page: Path) -> None:
    text = page.read_text("utf-8")
    assert text.startswith("# "), "a page begins with its name"
    assert text.count("```") % 2 == 0, "a block is not closed"
    assert not re.search(r"\b(TODO|FIXME|TBD)\b", prose(page))


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_test_that_a_page_names_is_there(page: Path) -> None:
    for name in re.findall(r"`(tests/[\w/]+\.py)`", page.read_text("utf-8")):
        assert (ROOT / name).exists(), f"{page.name} names {name}"
