"""The memory sandbox: its files, its limits, and that equal actions leave equal rows."""

import hashlib
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from memory_box import Box, run

from terrarium.core.clock import START
from terrarium.core.errors import NotFound, Refused, SandboxFault
from terrarium.core.registry import find
from terrarium.core.rows import Change, Row
from terrarium.core.sandbox import FILE_LIMIT, Ground, Sandbox
from terrarium.core.values import to_micros
from terrarium.sandbox.memory import MemorySandbox
from terrarium.sandbox.tinyshell import tree as tree_module


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path / "box")


# -- files ------------------------------------------------------------------------------------------------------------


def test_it_is_the_sandbox_called_memory(box: Box) -> None:
    contract: Sandbox = box.sandbox
    assert find("sandbox", "memory") is MemorySandbox
    assert contract.supports == {"snapshot", "at_once"}
    assert contract.deterministic


@pytest.mark.parametrize(
    "content",
    [b"", b"plain\n", "naïve 日本 \U0001f600".encode(), b"\xff\xfe\x00\x80", b"\0" * 10, bytes(range(256)) * 400],
    ids=["empty", "text", "unicode", "invalid-utf8", "nul", "large-binary"],
)
def test_any_bytes_come_back(box: Box, content: bytes) -> None:
    box.write("/root/f", content)
    assert box.read("/root/f") == content
    assert box.sh("cat f > g").exit_code == 0
    assert box.read("/root/g") == content
    assert box.out("sha256sum f") == f"{hashlib.sha256(content).hexdigest()}  f\n"


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/../../etc/passwd", "/etc/passwd"),
        ("/root/../../../x", "/x"),
        ("//root//./a/../b/", "/root/b"),
        ("notes.txt", "/root/notes.txt"),
        ("../x", "/x"),
        ("/a/b/../../../../c", "/c"),
    ],
)
def test_paths_are_normalised_and_lead_nowhere_else(box: Box, path: str, meant: str) -> None:
    box.write(path, b"mine")
    assert box.read(meant) == b"mine"
    assert [row.key for row in box.rows() if row.table == "file"] == [meant]


def test_nothing_of_the_machine_is_inside(box: Box) -> None:
    with pytest.raises(NotFound):
        box.read("/../../../../../../etc/passwd")
    assert box.sh("cat /etc/passwd ../../../../etc/hostname").exit_code == 1
    assert run(box.sandbox.list("/")) == ["home/", "mnt/", "opt/", "root/", "srv/", "tmp/", "var/"]


@pytest.mark.parametrize(
    "path",
    ["", "/a\0b", "/" + "n" * 256, "/" + "日" * 86, "/" + "ab/" * 2000, "/lone\ud800", "/bad\udcff"],
    ids=["empty", "nul", "long-name", "long-name-in-bytes", "long-path", "surrogate", "escaped-byte"],
)
def test_impossible_paths_are_refused(box: Box, path: str) -> None:
    for attempt in (box.sandbox.read(path), box.sandbox.write(path, b""), box.sandbox.list(path)):
        with pytest.raises(Refused):
            run(attempt)
    with pytest.raises(Refused):
        run(box.sandbox.remove(path))
    assert box.changes == []


def test_a_path_of_the_greatest_length_works(box: Box) -> None:
    deep = "/d" * 2046 + "/f"
    box.write(deep, b"deep")
    assert box.read(deep) == b"deep"
    assert box.out(["cat", deep]) == "deep"
    assert box.out("find /d -type f").count("/") == 2047
    run(box.sandbox.remove("/d"))
    assert box.rows() == []


def test_parents_are_made_and_files_are_no_folders(box: Box) -> None:
    box.write("/a/b/c.txt", b"1")
    assert run(box.sandbox.list("/a")) == ["b/"]
    for path in ("/a/b", "/root", "/", "/a/b/c.txt/d", "/a/b/c.txt/d/e"):
        with pytest.raises(Refused):
            box.write(path, b"2")
    with pytest.raises(Refused):
        box.read("/a/b")
    with pytest.raises(NotFound):
        run(box.sandbox.list("/a/b/c.txt"))
    with pytest.raises(NotFound):
        run(box.sandbox.list("/nope"))
    with pytest.raises(NotFound):
        run(box.sandbox.remove("/a/nope"))


def test_names_are_sorted_and_folders_marked(box: Box) -> None:
    for path in ("/d/b", "/d/a/x", "/d/a.txt", "/d/Z", "/d/.hidden", "/d/a/y/z"):
        box.write(path, b"")
    assert run(box.sandbox.list("/d")) == [".hidden", "Z", "a/", "a.txt", "b"]


def test_a_file_over_100_mib_is_refused_and_one_of_that_size_is_not(box: Box) -> None:
    most = bytes(FILE_LIMIT)
    box.write("/tmp/most", most)
    with pytest.raises(Refused, match="100 MiB"):
        box.write("/tmp/more", most + b"x")
    assert len(box.read("/tmp/most")) == FILE_LIMIT
    assert box.out("cp /tmp/most /tmp/copy; ls -l /tmp/copy").split()[4] == str(FILE_LIMIT)
    result = box.sh("cat /tmp/most | wc -c")
    assert (result.exit_code, result.stdout) == (124, "")
    assert "64 MiB" in result.stderr


def test_content_must_be_bytes(box: Box) -> None:
    with pytest.raises(Refused):
        run(box.sandbox.write("/f", "text"))  # type: ignore[arg-type]
    with pytest.raises(Refused):
        run(box.sandbox.read(7))  # type: ignore[arg-type]


def test_the_disk_is_full_in_the_end(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree_module, "DISK_LIMIT", 1000)
    monkeypatch.setattr(tree_module, "ENTRY_LIMIT", 5)
    box.write("/tmp/a", bytes(600))
    with pytest.raises(Refused, match="No space left"):
        box.write("/tmp/b", bytes(401))
    assert "No space left" in box.sh("cp /tmp/a /tmp/c").stderr
    box.write("/tmp/a", bytes(900))
    box.write("/tmp/a", b"")
    box.write("/tmp/b", bytes(1000))
    assert "No space left" in box.sh("touch /tmp/1 /tmp/2 /tmp/3 /tmp/4").stderr
    assert run(box.sandbox.list("/tmp")) == ["1", "2", "3", "a", "b"]
    assert box.sh("mkdir /tmp/d").exit_code == 1
    run(box.sandbox.remove("/tmp/b"))
    box.write("/tmp/e", bytes(1000))


def test_folders_that_are_always_there_stay(box: Box) -> None:
    box.write("/root/x", b"1")
    for path in ("/", "/root", "/tmp"):
        with pytest.raises(Refused):
            run(box.sandbox.remove(path))
    assert box.sh("rm -rf / ; mv /root /tmp/r; rm -rf ~").exit_code == 1
    assert box.read("/root/x") == b"1"
    assert box.out("rm -rf /root/*; ls -a /root") == ".\n..\n"


# -- state ------------------------------------------------------------------------------------------------------------


def test_nothing_is_written_before_the_first_change(tmp_path: Path) -> None:
    box = Box(tmp_path / "box")
    box.sh("ls -la /; cat nope; echo hi")
    assert not (tmp_path / "box").exists()
    assert box.rows() == []


def test_file_times_are_world_time(box: Box) -> None:
    box.write("/root/old", b"1")
    box.clock.move(box.clock.micros + 90 * 60 * 10**6 + 7)
    later = START + timedelta(minutes=90, microseconds=7)
    box.sh("echo 2 > new; mkdir d")
    times = {row.key: row.fields["mtime"] for row in box.rows()}
    assert times == {"/root/old": START, "/root/new": later, "/root/d": later}
    assert box.out("ls -t").split() == ["d", "new", "old"]
    assert box.out("find . -type f -newer old") == "./new\n"
    assert box.out("ls -l new") == "-rw-r--r-- 1 root root 2 2030-01-07 10:30 new\n"
    box.clock.move(box.clock.micros + 10**6)
    assert box.out("touch old; cp old copy; mv new moved; ls -t").split() == ["copy", "old", "d", "moved"]
    assert box.out("date; date -u '+%Y-%m-%dT%H:%M:%S %a %j %s %%'") == (
        f"Mon Jan  7 10:30:01 UTC 2030\n2030-01-07T10:30:01 Mon 007 {to_micros(START) // 10**6 + 5401} %\n"
    )


def test_every_write_reaches_changed_with_before_and_after(box: Box) -> None:
    box.write("/d/f", b"one")
    box.sh("echo two >> /d/f")
    box.sh("mv /d/f /root/g && rm g")
    seen = [
        (c.actor, c.table, c.key, c.before and c.before.get("content"), c.after and c.after.get("content"))
        for c in box.changes
    ]
    assert seen == [
        ("alice", "dir", "/d", None, None),
        ("alice", "file", "/d/f", None, "one"),
        ("alice", "file", "/d/f", "one", "onetwo\n"),
        ("alice", "file", "/root/g", None, "onetwo\n"),
        ("alice", "file", "/d/f", "onetwo\n", None),
        ("alice", "file", "/root/g", "onetwo\n", None),
    ]
    assert box.changes[0].after == {"mtime": START}
    box.changes.clear()
    box.sh("cat /d/f; ls; find /; echo x | grep x; true > /dev/null")
    assert box.changes == []


def test_writing_the_same_at_the_same_time_is_no_change(box: Box) -> None:
    box.write("/f", b"same")
    box.changes.clear()
    box.write("/f", b"same")
    assert box.changes == []
    box.clock.move(box.clock.micros + 1)
    box.write("/f", b"same")
    assert len(box.changes) == 1


def test_somebody_else_can_watch(box: Box) -> None:
    heard: list[Change] = []
    box.sandbox.watch(heard.append, lambda: "bob")
    box.write("/f", b"")
    assert box.changes == []
    assert [change.actor for change in heard] == ["bob"]


def test_an_objection_to_a_change_is_not_swallowed_by_the_shell(tmp_path: Path) -> None:
    def refuse(change: Change) -> None:
        raise RuntimeError("no writing now")

    sandbox = MemorySandbox(Ground(changed=refuse))
    run(sandbox.open(tmp_path / "box"))
    with pytest.raises(RuntimeError, match="no writing now"):
        run(sandbox.exec("echo 1 > /f || true"))
    assert list(sandbox.rows()) == []
    assert run(sandbox.exec("echo fine")).stdout == "fine\n"


def test_saved_and_opened_again_it_is_equal(box: Box, tmp_path: Path) -> None:
    box.write("/d/large", b"\xff" * 200_000)
    box.write("/d/deep/er/text", "né".encode())
    box.sh("mkdir -p /d/empty; chmod 755 /d/deep/er/text")
    run(box.sandbox.save(tmp_path / "saved"))
    before = box.rows()
    box.sh("rm -r /d; echo changed > /root/x")

    shutil.copytree(tmp_path / "saved", tmp_path / "copy")
    again = Box(tmp_path / "copy", box.clock)
    assert again.rows() == before
    assert again.read("/d/large") == b"\xff" * 200_000
    assert again.out("ls -l /d/deep/er").startswith("-rwxr-xr-x")

    run(box.sandbox.close())
    run(box.sandbox.close())
    assert Box(tmp_path / "box", box.clock).out("cat x") == "changed\n"


def test_saving_what_was_never_written(box: Box, tmp_path: Path) -> None:
    run(box.sandbox.save(tmp_path / "saved"))
    assert Box(tmp_path / "saved").rows() == []


def test_blobs_go_when_nobody_has_them(box: Box, tmp_path: Path) -> None:
    blobs = tmp_path / "box" / "blobs"
    box.write("/a", b"a" * 100_000)
    box.sh("cp /a /b")
    run(box.sandbox.save(tmp_path / "saved"))
    box.write("/a", b"b" * 100_000)
    assert len(list(blobs.iterdir())) == 2
    box.sh("rm /b; echo small > /a")
    assert list(blobs.iterdir()) == []
    assert Box(tmp_path / "saved").read("/b") == b"a" * 100_000


def test_equal_actions_leave_equal_rows(tmp_path: Path) -> None:
    def live(folder: Path) -> list[Row]:
        box = Box(folder)
        for step, command in enumerate(
            ["mkdir -p a/b c", "printf 'z\\ny\\n' | sort > a/1", "cp -r a d", "rm a/1", "mv d e", "sed -i s/y/x/ e/1"]
        ):
            box.clock.move(box.clock.micros + step * 1_000_003)
            box.out(command)
        box.write("/root/bin", b"\xff")
        box.write("/root/large", b"l" * 70_000)
        return box.rows()

    first, second = live(tmp_path / "one"), live(tmp_path / "two")
    assert first == second
    assert [(row.table, row.key) for row in first] == sorted((row.table, row.key) for row in first)
    fields = {row.key: row.fields for row in first}
    assert fields["/root/e/1"]["content"] == "x\nz\n"
    assert fields["/root/bin"]["sha256"] == hashlib.sha256(b"\xff").hexdigest()
    assert fields["/root/large"]["sha256"] == hashlib.sha256(b"l" * 70_000).hexdigest()
    assert "content" not in fields["/root/large"]
    assert fields["/root/large"]["size"] == 70_000


def test_a_folder_with_something_else_in_it_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "rows.sqlite").write_bytes(b"this is no database at all" * 100)
    with pytest.raises(SandboxFault):
        Box(tmp_path)
    with pytest.raises(SandboxFault, match="not open"):
        run(MemorySandbox(Ground()).read("/f"))
