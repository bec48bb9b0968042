"""The workspace: its configuration, its state, and what it claims of its sandbox."""

import shutil
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from workspace_desk import Desk, run

from terrarium.capability.workspace import Workspace
from terrarium.core.capability import Traits
from terrarium.core.clock import START
from terrarium.core.errors import ConfigError, SandboxFault, Unsupported
from terrarium.core.sandbox import ExecResult, Feature, Ground, Sandbox
from terrarium.sandbox.memory import MemorySandbox


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "site")


# -- configuration ----------------------------------------------------------------------------------------------------


def test_initial_files_are_written_once(tmp_path: Path) -> None:
    files = {"notes/a.txt": "a", "/data/b.bin": b"\xff", "c": ""}
    desk = Desk(tmp_path / "site", files=files, workdir="/work")
    assert desk.fs.read_text("notes/a.txt") == "a"
    assert desk.fs.read_file("/data/b.bin") == b"\xff"
    desk.fs.remove("c")
    desk.fs.write_file("notes/a.txt", "changed")
    run(desk.workspace.close())
    again = Desk(tmp_path / "site", files=files, workdir="/work")
    assert again.changes == []
    assert again.fs.read_text("notes/a.txt") == "changed"
    assert not again.fs.exists("c")


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"file": {}}, "unknown key 'file' (did you mean 'files'?)"),
        (
            {"zzz": 1},
            "unknown key 'zzz'; there are: agents, command, env, files, image, network, packages, resources, sandbox, "
            "workdir",
        ),
        ({"workdir": "work"}, "absolute"),
        ({"workdir": 7}, "absolute"),
        ({"files": ["a"]}, "files must map"),
        ({"files": {"a": 1}}, "files must map"),
        ({"files": {"": "a"}}, "cannot be written"),
        ({"files": {"a\0": "a"}}, "cannot be written"),
        ({"files": {"a": "1", "a/b": "2"}}, "cannot be written"),
        ({"files": {"a": "\ud800"}}, "cannot be written"),
        ({"workdir": "/\0"}, "cannot be written"),
        ({"env": {"A": 1}}, "env must map"),
        ({"agents": "buyer"}, "list of names"),
        ({"agents": ["buyr"]}, "no agent 'buyr' (did you mean 'buyer'?)"),
        ({"agents": [7]}, "no agent 7"),
    ],
)
def test_bad_configuration_is_named(tmp_path: Path, config: Mapping[str, Any], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Desk(tmp_path / "site", **config)
    assert says in str(caught.value)
    assert str(caught.value).startswith("workspace: ")


def test_keys_of_other_sandboxes_are_accepted(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "site", image={"name": "ubuntu:24.04"}, resources={"cpus": 1.0}, command="sleep 1")
    assert desk.fs.list_dir() == []


# -- state ------------------------------------------------------------------------------------------------------------


def test_every_write_is_reported_with_its_actor_and_time(desk: Desk) -> None:
    desk.fs.write_file("f", "1")
    desk.clock.move(desk.clock.micros + 60 * 10**6)
    desk.who = "buyer"
    desk.use("write", path="f", content="2")
    desk.use("exec", command="rm f")
    minute = START + timedelta(minutes=1)
    assert [
        (c.actor, c.key, c.before and c.before["content"], c.after and c.after["content"]) for c in desk.changes
    ] == [
        ("program", "/root/f", None, "1"),
        ("buyer", "/root/f", "1", "2"),
        ("buyer", "/root/f", "2", None),
    ]
    assert desk.changes[1].after is not None
    assert desk.changes[1].after["mtime"] == minute
    desk.changes.clear()
    desk.fs.read_file("/root/../root/g") if desk.fs.exists("g") else desk.fs.list_dir()
    desk.use("list")
    assert desk.changes == []


def test_saved_and_opened_again_it_is_equal(tmp_path: Path) -> None:
    def live(folder: Path) -> Desk:
        desk = Desk(folder, files={"a": "1"}, workdir="/work")
        desk.fs.write_file("large", b"\xff" * 100_000)
        desk.clock.move(desk.clock.micros + 5_000_000)
        desk.shell.exec("mkdir -p x/y && cp a x/y/b && mv a x")
        return desk

    desk = live(tmp_path / "site")
    assert desk.rows() == live(tmp_path / "other").rows()
    run(desk.workspace.save(tmp_path / "saved"))
    before = desk.rows()
    desk.shell.exec("rm -r /work")
    run(desk.workspace.close())
    run(desk.workspace.close())
    shutil.copytree(tmp_path / "saved", tmp_path / "fork")
    fork = Desk(tmp_path / "fork", desk.clock, files={"a": "1"}, workdir="/work")
    assert fork.rows() == before
    assert fork.fs.read_file("large") == b"\xff" * 100_000


def test_before_it_is_open_and_after_it_is_closed(tmp_path: Path) -> None:
    workspace = Workspace()
    with pytest.raises(SandboxFault, match="not open"):
        workspace.fs.read_file("f")
    desk = Desk(tmp_path / "site")
    run(desk.workspace.close())
    with pytest.raises(SandboxFault, match="not open"):
        desk.shell.exec("ls")


class BlindSandbox:
    """A sandbox that shows neither rows nor writes and has no snapshots, as some real ones."""

    supports: ClassVar[frozenset[Feature]] = frozenset({"shell"})
    deterministic: ClassVar[bool] = False

    def __init__(self) -> None:
        self.inner = MemorySandbox(Ground())
        self.open = self.inner.open
        self.read = self.inner.read
        self.write = self.inner.write
        self.list = self.inner.list
        self.remove = self.inner.remove
        self.close = self.inner.close

    async def exec(
        self,
        command: str | Sequence[str],
        *,
        timeout: float = 120.0,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bytes | None = None,
    ) -> ExecResult:
        return await self.inner.exec(command, timeout=timeout, cwd=cwd, env=env, stdin=stdin)

    async def save(self, to: Path) -> None:
        raise Unsupported("no snapshots")


def test_what_is_claimed_depends_on_the_sandbox(desk: Desk, tmp_path: Path) -> None:
    assert desk.workspace.traits == Traits()
    blind: Sandbox = BlindSandbox()
    site = desk.site
    site.folder, site.sandbox = tmp_path / "blind", lambda: blind
    workspace = Workspace()
    run(workspace.open(site))
    assert workspace.traits == Traits(deterministic=False, snapshots=False, sees_writes=False)
    assert Workspace.traits == Traits()
    workspace.fs.write_file("f", "1")
    assert workspace.fs.read_text("f") == "1"
    assert list(workspace.rows()) == []
    with pytest.raises(Unsupported):
        run(workspace.save(tmp_path / "saved"))
