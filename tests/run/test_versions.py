"""Versions: what headers pin, and what is told where it is another now."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import terrarium
from terrarium.capability.email import Email
from terrarium.capability.workspace import Workspace
from terrarium.core.journal import EventKind
from terrarium.run.config import SandboxConfig
from terrarium.run.versions import engine, now, of_code, versions_differ
from terrarium.task import module
from terrarium.task.taskset import find

HEADER = {
    "task": {"version": "1", "digest": "a" * 64},
    "versions": {"terrarium": "1", "engine": "b" * 64, "python": "3.11.7", "capabilities": {"email": "c" * 64}},
    "sandboxes": {"workspace": "local on host:" + "d" * 64},
}


def changed(**parts: object) -> dict[str, object]:
    return {**HEADER, **parts}


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (HEADER, []),
        ({}, []),
        (changed(task={"version": "2", "digest": "e" * 64}), [
            "task version: 1 then, 2 now",
            "task digest: aaaaaaaaaaaa then, eeeeeeeeeeee now",
        ]),
        ({"versions": {"terrarium": "2", "engine": "f" * 64, "python": "3.12.1", "capabilities": {"web": "0" * 64}}}, [
            "terrarium: 1 then, 2 now",
            "engine: bbbbbbbbbbbb then, ffffffffffff now",
            "python: 3.11.7 then, 3.12.1 now",
            "capability email: cccccccccccc then, none now",
            "capability web: none then, 000000000000 now",
        ]),
        ({"sandboxes": {"workspace": "memory"}}, ["sandbox of workspace: local on host:dddddddddddd then, memory now"]),
        (changed(versions={"terrarium": "1", "python": "3.11.7"}), []),
    ],
)  # fmt: skip
def test_both_sides_of_every_difference_are_named(now, told):
    assert versions_differ(HEADER, now) == told


SOURCE = """
    @entry(["notes"], NOTES)
    def fn(env, agent):
        env.notes.add("first")
        agent.act("begin")
        env.notes.add("second")
        agent.act("go on")
        return run_checkers({"fine": lambda: True})
"""


def test_a_header_pins_what_the_trial_was_made_with(play):
    played = play(SOURCE)
    [header] = played.events("header")
    pinned = header.data["versions"]
    assert pinned["terrarium"] == terrarium.__version__
    assert pinned["engine"] == engine()
    assert pinned["capabilities"].keys() == {"notes", "workspace"}
    assert all(len(digest) == 64 for digest in pinned["capabilities"].values())
    assert header.data["task"]["digest"] == played.trial.spec.task_digest
    assert header.data["sandboxes"] == {"workspace": "memory"}
    [task] = find(played.task).tasks
    assert versions_differ(header.data, now(task, SandboxConfig())) == []


def test_the_digest_of_a_capability_is_of_its_source(tmp_path):
    """Another text, another digest; a neighbour that it imports counts, and a file that it does not import does not."""
    digests = []
    for number, (own, neighbour, other) in enumerate(["111", "211", "121", "112"]):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "thing.py").write_text(f"from .near import x\nclass Thing:\n    y = {own}\n")
        (folder / "near.py").write_text(f"x = {neighbour}\n")
        (folder / "far.py").write_text(f"x = {other}\n")
        loaded = module.load(folder / "thing.py")
        digests.append(of_code(loaded.Thing))
        module.unload(loaded.__name__)
    assert digests[0] == digests[3]
    assert len(set(digests)) == 3


def test_capabilities_that_come_with_us_have_digests_of_their_own():
    assert of_code(Email) != of_code(Workspace) != engine()
    assert of_code(dict) == "unknown"


def test_a_trial_resumed_under_other_versions_says_so_and_goes_on(play):
    played = play(SOURCE, ["one", "two"], snapshot="every-turn")
    played.crash_behind(played.snapshots()[0])
    lines = played.journal.read_bytes().splitlines(keepends=True)
    header = json.loads(lines[0])
    header["wall"].pop("sum", None)  # it is not what was written
    header["data"]["versions"] |= {"terrarium": "0.0.1", "engine": "0" * 64}
    played.journal.write_bytes(json.dumps(header, separators=(",", ":")).encode() + b"\n" + b"".join(lines[1:]))
    assert played.run().reward == 1.0
    assert played.result.tries == 1
    told = [
        f"terrarium: 0.0.1 then, {terrarium.__version__} now",
        f"engine: 000000000000 then, {engine()[:12]} now",
    ]
    assert list(played.result.warnings) == told
    [record] = (played.folder / "verdicts").glob("*.json")
    assert json.loads(record.read_text())["warnings"] == told


def test_a_resumed_trial_of_the_same_versions_has_no_warnings(play):
    played = play(SOURCE, ["one", "two"], snapshot="every-turn")
    played.crash_behind(played.snapshots()[0])
    assert played.run().reward == 1.0
    [record] = (played.folder / "verdicts").glob("*.json")
    assert "warnings" not in json.loads(record.read_text())


def test_a_journal_of_an_unknown_schema_is_not_gone_on_with(play):
    played = play(SOURCE, ["one", "two"], snapshot="every-turn")
    played.crash_behind(played.snapshots()[0])
    old = Path(played.journal)
    old.write_bytes(old.read_bytes().replace(b'"schema":1', b'"schema":9', 1))
    before = old.read_bytes()
    assert played.run().reward == 1.0
    assert played.result.tries == 2
    assert old.read_bytes() == before
    assert len(played.events(EventKind.HEADER)) == 1
