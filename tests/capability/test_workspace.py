"""The workspace: its faces for the program and its tools for agents."""

import asyncio
import base64
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from workspace_desk import Desk

from terrarium.capability.workspace import Workspace
from terrarium.core.capability import Capability, Equipment, admin_methods
from terrarium.core.errors import NotFound, Refused
from terrarium.core.person import declared
from terrarium.core.registry import find
from terrarium.core.sandbox import FILE_LIMIT, ExecResult


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "site")


def test_it_is_the_capability_called_workspace() -> None:
    contract: Capability = Workspace()
    assert find("capability", "workspace") is Workspace
    faces = admin_methods(contract)
    assert {name: access.mode for name, access in faces.items()} == {
        "connection_info": "read",
        "fs.download": "read",
        "fs.exists": "read",
        "fs.list_dir": "read",
        "fs.make_dir": "write",
        "fs.read_file": "read",
        "fs.read_text": "read",
        "fs.remove": "write",
        "fs.upload": "write",
        "fs.write_file": "write",
        "shell.exec": "write",
    }


def test_where_it_is(tmp_path: Path) -> None:
    assert Desk(tmp_path / "plain").workspace.connection_info == {"hostname": "workspace", "image": ""}
    image = Desk(tmp_path / "image", image={"name": "ubuntu:24.04"})
    assert image.workspace.connection_info["image"] == "ubuntu:24.04"


# -- fs ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "stored"),
    [("text", b"text"), ("näïve \U0001f600", "näïve \U0001f600".encode()), (b"\xff\0", b"\xff\0"), ("", b"")],
)
def test_text_and_bytes_are_written_and_read(desk: Desk, content: str | bytes, stored: bytes) -> None:
    desk.fs.write_file("a/b/c", content)
    assert desk.fs.read_file("/root/a/b/c") == stored
    if isinstance(content, str):
        assert desk.fs.read_text("a/b/c") == content
    else:
        with pytest.raises(Refused, match="read_file"):
            desk.fs.read_text("a/b/c")


@pytest.mark.parametrize("content", ["lone \ud800", 7, None, ["x"]])
def test_content_that_no_file_can_hold_is_refused(desk: Desk, content: Any) -> None:
    with pytest.raises(Refused):
        desk.fs.write_file("f", content)
    with pytest.raises(Refused):
        desk.fs.write_file("big", b"x" * (FILE_LIMIT + 1))
    assert desk.rows() == []


@pytest.mark.parametrize("path", ["", None, 7, "a\0b", "lone\ud800", "x" * 300, b"bytes"])
def test_bad_paths_are_refused(desk: Desk, path: Any) -> None:
    for method in (desk.fs.read_file, desk.fs.list_dir, desk.fs.remove):
        with pytest.raises(Refused):
            method(path)
    with pytest.raises(Refused):
        desk.fs.write_file(path, "x")
    if not isinstance(path, str) or not path:
        with pytest.raises(Refused):
            desk.fs.exists(path)


def test_exists_list_remove_make(desk: Desk) -> None:
    desk.fs.make_dir("d/e")
    desk.fs.make_dir("d/e")
    desk.fs.make_dir("-p")
    for name in ("d/b", "d/.hidden", "d/a"):
        desk.fs.write_file(name, "1")
    assert desk.fs.list_dir("d") == ["a", "b", "e"]
    assert desk.fs.list_dir() == ["-p", "d"]
    assert [desk.fs.exists(path) for path in ("d", "d/", "d/a", "d/.hidden", "/", "/root", "../root/d/e", ".")] == [
        True
    ] * 8
    assert [desk.fs.exists(path) for path in ("x", "d/x", "x/y", "d/a/b", "/etc/passwd", "../../etc")] == [False] * 6
    desk.fs.remove("d/a/below/a/file")
    assert desk.fs.exists("d/a")
    desk.fs.remove("d/a")
    desk.fs.remove("d/a")
    desk.fs.remove("d")
    assert desk.fs.list_dir("/root") == ["-p"]
    desk.fs.write_file("file", "")
    with pytest.raises(Refused, match="Not a directory"):
        desk.fs.make_dir("file/d")
    with pytest.raises(NotFound):
        desk.fs.list_dir("d")
    with pytest.raises(NotFound):
        desk.fs.read_file("d")
    with pytest.raises(Refused):
        desk.fs.read_file("-p")
    with pytest.raises(Refused):
        desk.fs.remove("/root")


def test_upload_and_download_of_a_folder(desk: Desk, tmp_path: Path) -> None:
    local = tmp_path / "local"
    (local / ".git" / "empty").mkdir(parents=True)
    (local / "src").mkdir()
    (local / "src" / "run.sh").write_text("echo hi\n")
    (local / "src" / "run.sh").chmod(0o755)
    (local / "src" / "data").write_bytes(b"\xff\0")
    (local / "link").symlink_to("src/data")
    desk.fs.upload(str(local), "notes/here")
    assert desk.shell.exec("find notes").stdout.split() == [
        "notes",
        "notes/here",
        "notes/here/.git",
        "notes/here/.git/empty",
        "notes/here/link",
        "notes/here/src",
        "notes/here/src/data",
        "notes/here/src/run.sh",
    ]
    assert desk.fs.read_file("notes/here/link") == b"\xff\0"
    assert desk.shell.exec("ls -l notes/here/src/run.sh").stdout.startswith("-rwxr-xr-x")

    desk.fs.download("notes", str(tmp_path / "back" / "again"))
    back = tmp_path / "back" / "again" / "here"
    assert (back / "src" / "data").read_bytes() == b"\xff\0"
    assert (back / ".git" / "empty").is_dir()


def test_upload_and_download_of_a_file(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("1")
    desk.fs.upload(str(tmp_path / "one.txt"), "/data/deep/two.txt")
    assert desk.fs.read_text("/data/deep/two.txt") == "1"
    desk.fs.download("/data/deep/two.txt", str(tmp_path / "x" / "three.txt"))
    assert (tmp_path / "x" / "three.txt").read_text() == "1"
    with pytest.raises(Refused):
        desk.fs.upload(str(tmp_path / "one.txt"), "/data")
    with pytest.raises(NotFound):
        desk.fs.upload(str(tmp_path / "nope"), "x")
    with pytest.raises(NotFound):
        desk.fs.download("nope", str(tmp_path / "y"))
    assert not (tmp_path / "y").exists()
    with pytest.raises(Refused):
        desk.fs.download("/data/deep/two.txt", str(tmp_path))
    with pytest.raises(Refused):
        desk.fs.download("/data", str(tmp_path / "one.txt"))


@pytest.mark.parametrize("kind", ["outside", "absolute", "folder", "broken", "loop", "fifo", "huge"])
def test_what_is_not_uploaded(desk: Desk, tmp_path: Path, kind: str) -> None:
    local = tmp_path / "local"
    (local / "sub").mkdir(parents=True)
    (local / "a").write_text("a")
    (tmp_path / "secret").write_text("secret")
    bad = local / "z"
    if kind == "outside":
        bad.symlink_to("../secret")
    elif kind == "absolute":
        bad.symlink_to("/etc/passwd")
    elif kind == "folder":
        bad.symlink_to("sub")
    elif kind == "broken":
        bad.symlink_to("nothing")
    elif kind == "loop":
        bad.symlink_to("z")
    elif kind == "fifo":
        os.mkfifo(bad)
    else:
        with bad.open("wb") as file:
            file.truncate(FILE_LIMIT + 1)
    with pytest.raises(Refused):
        desk.fs.upload(str(local), "/root/up")
    assert desk.rows() == []


def test_a_local_name_that_is_not_utf8_is_refused(desk: Desk, tmp_path: Path) -> None:
    local = tmp_path / "local"
    local.mkdir()
    (local / "bad\udcff").write_text("x")
    with pytest.raises(Refused, match="UTF-8"):
        desk.fs.upload(str(local), "up")


# -- shell ------------------------------------------------------------------------------------------------------------


def test_exec(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "site", workdir="/desk", env={"A": "1", "B": "2"})
    assert desk.shell.exec("pwd; echo $A$B > f; exit") == ExecResult(2, "", desk.shell.exec("exit").stderr)
    assert desk.shell.exec("pwd; echo $A$B | tee f", env={"B": "3"}) == ExecResult(0, "/desk\n13\n", "")
    assert desk.shell.exec(["cat", "f"]).stdout == "13\n"
    assert desk.fs.read_text("f") == desk.fs.read_text("/desk/f")
    assert desk.shell.exec("false | true; nope", timeout=1.0).exit_code == 127
    for command in ([], "\0", 7):
        with pytest.raises(Refused):
            desk.shell.exec(command)  # type: ignore[arg-type]


# -- tools ------------------------------------------------------------------------------------------------------------


def test_tools_of_an_instance(tmp_path: Path) -> None:
    tools = Desk(tmp_path / "site", name="workspace:spare").workspace.tools("agent")
    assert [(tool.name, tool.writes) for tool in tools] == [
        ("workspace_spare_read", False),
        ("workspace_spare_write", True),
        ("workspace_spare_edit", True),
        ("workspace_spare_list", False),
        ("workspace_spare_exec", True),
    ]
    for tool in tools:
        assert tool.description
        assert all("description" in entry for entry in tool.parameters["properties"].values())


def test_an_agent_works_with_files(desk: Desk) -> None:
    assert desk.use("write", path="d/note.txt", content="one\ntwo é\n") == "wrote 11 bytes to d/note.txt"
    assert desk.use("read", path="d/note.txt") == "one\ntwo é\n"
    assert desk.use("edit", path="d/note.txt", old="two", new="three") == "edited d/note.txt"
    assert desk.use("list") == ["d/"]
    assert desk.use("list", path="/root/d") == ["note.txt"]
    assert desk.use("exec", command="cat d/note.txt; false") == ExecResult(1, "one\nthree é\n", "")
    assert desk.fs.read_text("d/note.txt") == "one\nthree é\n"


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a\0b"])
def test_binary_files_are_shown_on_request_only(desk: Desk, content: bytes) -> None:
    desk.fs.write_file("b", content)
    assert desk.use("read", path="b") == f"b is binary ({len(content)} bytes); ask for it as base64"
    assert base64.b64decode(desk.use("read", path="b", encoding="base64")) == content
    with pytest.raises(Refused, match="binary"):
        desk.use("edit", path="b", old="a", new="b")


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        ("read", {"path": "nope"}),
        ("read", {"path": ""}),
        ("read", {"path": "f", "encoding": "hex"}),
        ("read", {"path": 7}),
        ("read", {"path": "../../\0"}),
        ("write", {"path": "f/g", "content": "x"}),
        ("write", {"path": "f", "content": "\ud800"}),
        ("write", {"path": "f"}),
        ("edit", {"path": "f", "old": "x", "new": "y"}),
        ("edit", {"path": "f", "old": "", "new": "y"}),
        ("edit", {"path": "f", "old": "aba", "new": "y"}),
        ("edit", {"path": "f", "old": "b", "new": "y"}),
        ("edit", {"path": "f", "old": "caba", "new": "\udfff"}),
        ("list", {"path": "f"}),
        ("list", {"path": "nope"}),
        ("exec", {"command": "echo \ud800 > f"}),
        ("exec", {"command": ["ls"]}),
        ("exec", {}),
    ],
)
def test_bad_use_of_tools_is_refused_and_changes_nothing(desk: Desk, verb: str, arguments: Mapping[str, Any]) -> None:
    desk.fs.write_file("f", "ababcaba")
    before = desk.rows()
    with pytest.raises((Refused, NotFound)):
        desk.use(verb, **arguments)
    assert desk.rows() == before


def test_only_the_agents_named_get_tools(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "site", agents=["buyer"])
    assert desk.workspace.tools("agent") == []
    assert len(desk.workspace.tools("buyer")) == 5
    assert Desk(tmp_path / "none", agents=[]).workspace.tools("buyer") == []


def test_a_person_finds_the_own_login_at_home(tmp_path: Path) -> None:
    people = declared(
        {"ann": {"password": "lavender", "agent": "agent"}, "bob": {"agent": "buyer"}}, ("agent", "buyer")
    )
    told = "machine mail.world login ann password lavender\n"
    given = {agent: Equipment(logins=("mail.world",)) for agent in ("agent", "buyer")}
    for agents, found in ((["agent"], told), (["buyer"], None), (None, None)):
        place = tmp_path / str(agents)
        desk = Desk(place, people=people, agents=agents, files={"a": "b"})
        asyncio.run(desk.workspace.equip(given))
        assert desk.fs.exists("/root/.netrc") is (found is not None)
        assert found is None or desk.fs.read_text("/root/.netrc") == found
        assert desk.fs.read_text("a") == "b"
        asyncio.run(desk.workspace.close())
    again = Desk(tmp_path / "['agent']", people=people, agents=["agent"])
    asyncio.run(again.workspace.equip(given))
    assert again.fs.read_text("/root/.netrc") == told
    more = {"agent": Equipment(logins=("mail.world", "calendar.world"))}
    asyncio.run(again.workspace.equip(more))
    assert again.fs.read_text("/root/.netrc") == told + told.replace("mail.", "calendar.")
    again.fs.remove("/root/.netrc")
    asyncio.run(again.workspace.close())
    once_more = Desk(tmp_path / "['agent']", people=people, agents=["agent"])
    asyncio.run(once_more.workspace.equip(given))
    assert not once_more.fs.exists("/root/.netrc")  # what the agent has removed does not come back
    asyncio.run(once_more.workspace.close())
