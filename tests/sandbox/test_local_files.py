"""Files of the local sandbox: before any process has lived there and afterwards, and never any of the machine's."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from local_box import alive, needs_namespaces, out, use

from terrarium.core.clock import Clock
from terrarium.core.errors import NotFound, Refused, SandboxFault
from terrarium.core.sandbox import Ground
from terrarium.sandbox.local.sandbox import LocalSandbox

BOTH = pytest.mark.parametrize("started", [False, True], ids=["untouched", "started"])


async def _ready(box: LocalSandbox, started: bool) -> None:
    if started:
        await out(box, "true")


@needs_namespaces
@BOTH
def test_files_go_in_and_out(tmp_path, started):
    async def work(box):
        await _ready(box, started)
        for path, content in {
            "/root/a/b": b"x",
            "/new/c": b"\0\xff",
            "rel": b"r",
            "/root/big": b"z" * 3_000_000,
        }.items():
            await box.write(path, content)
            assert await box.read(path) == content
        await box.write("/root/big", b"short")
        assert await box.read("/root/big") == b"short"
        assert await box.list("/root") == ["a/", "big", "rel"]
        assert {"new/", "root/", "usr/", "etc/", "tmp/"} <= set(await box.list("/"))
        assert await box.list("/tmp") == []
        await box.remove("/root/a")
        for gone in (box.read("/root/a/b"), box.list("/root/a"), box.remove("/root/a"), box.list("/root/rel")):
            with pytest.raises(NotFound):
                await gone
        for wrong in (box.read("/root"), box.write("/root", b""), box.write("/root/rel/x", b""), box.read("")):
            with pytest.raises(Refused):
                await wrong
        for base in (box.write("/usr/x", b""), box.write("/usr/bin/env", b""), box.remove("/usr/bin/env")):
            with pytest.raises(Refused):
                await base

    use(tmp_path / "box", work)


def _children() -> str:
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text()


def test_without_a_command_nothing_is_started(tmp_path):
    async def go():
        started = _children()
        box = LocalSandbox(Ground())
        await box.open(tmp_path / "box")
        assert not (tmp_path / "box").exists(), "opening writes nothing"
        await box.write("/srv/deep/", b"")
        await box.write("/srv/deep/file", b"x")
        assert await box.list("/srv/deep") == ["file"]
        assert b"root:x:0:0" in await box.read("/etc/passwd")
        assert [row.key for row in box.rows()] == ["/srv", "/srv/deep", "/srv/deep/file"]
        await box.save(tmp_path / "saved")
        await box.close()
        assert _children() == started

    asyncio.run(go())


@needs_namespaces
def test_what_was_there_before_a_process_is_there_for_it(tmp_path):
    clock = Clock()

    async def work(box):
        await box.write("/root/a", b"1")
        await box.write("/tmp/b", b"2")
        assert await out(box, "cat /root/a /tmp/b; stat -c '%U %a %Y' /root/a /root /tmp") == (
            f"12root 644 {clock.micros // 10**6}\nroot 700 " + (await out(box, "stat -c %Y /root")) + "root 1777 "
        ) + await out(box, "stat -c %Y /tmp")
        assert await box.read("/root/a") == b"1"

    use(tmp_path / "box", work, Ground(clock=clock))


@needs_namespaces
def test_engine_writes_have_world_time_and_are_seen_by_watchers(tmp_path):
    clock = Clock()

    async def work(box):
        watch = "import os\nbefore = os.stat('/root').st_mtime_ns\nopen('/tmp/on', 'w')\n"
        watch += "while os.stat('/root').st_mtime_ns == before: pass"
        task = asyncio.ensure_future(box.exec(["python3", "-c", watch], timeout=20))
        while "on" not in await box.list("/tmp"):
            await asyncio.sleep(0.01)
        clock.move(clock.micros + 90 * 10**6)
        await box.write("/root/new", b"x")
        assert (await task).exit_code == 0
        assert await out(box, "stat -c %Y /root/new") == f"{clock.micros // 10**6}\n"

    use(tmp_path / "box", work, Ground(clock=clock))


@needs_namespaces
def test_no_link_leads_out(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("of the machine")

    async def work(box):
        up = "../" * 30
        await out(
            box,
            f"ln -s {secret} abs; ln -s {up}{secret} rel; ln -s {secret.parent} dir; ln -s /proc/1/root{secret} magic;"
            f"ln -s / top; ln -s loop loop; mkfifo fifo; ln -s /dev/zero zero; ln -s {up}etc/hostname inside",
        )
        for path in ("abs", "rel", "dir/secret", "magic", f"top{secret}", "loop", "fifo", "zero", f"/{up}{secret}"):
            with pytest.raises((NotFound, Refused)):
                await box.read(path)
        assert await box.read("inside") == b"world\n"
        for path in ("abs", "dir/secret", "rel"):
            with pytest.raises(Refused):
                await box.write(path, b"inside")
        await box.write(str(secret), b"inside")
        for path in ("abs", "dir/secret", "rel"):
            assert await box.read(path) == b"inside"
            await box.write(path, b"inside")
        await box.remove("dir")
        await box.remove("top/root/abs")
        assert secret.read_text() == "of the machine"

    use(tmp_path / "box", work)


def test_a_link_on_disk_leads_nowhere_before_any_process(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("of the machine")
    upper = tmp_path / "box" / "tree" / "upper"
    (upper / "root").mkdir(parents=True)
    (upper / "root" / "link").symlink_to(secret)
    (upper / "root" / "dir").symlink_to(tmp_path)

    async def go():
        box = LocalSandbox(Ground())
        await box.open(tmp_path / "box")
        for path in ("/root/link", "/root/dir/secret"):
            with pytest.raises((NotFound, Refused)):
                await box.read(path)
        with pytest.raises(Refused):
            await box.write("/root/dir/other", b"x")
        assert [path.name for path in tmp_path.iterdir() if path.name == "other"] == []
        await box.save(tmp_path / "saved")
        assert not any(
            b"of the machine" in path.read_bytes() for path in (tmp_path / "saved").rglob("*") if path.is_file()
        )
        await box.close()

    asyncio.run(go())


@needs_namespaces
def test_the_engine_does_not_read_about_its_own_process(tmp_path):
    async def work(box):
        for path in ("/proc/self/maps", "/proc/1/environ", "/proc/thread-self/maps", "/proc/self/mem"):
            with pytest.raises(Refused):
                await box.read(path)
        assert b"processor" in await box.read("/proc/cpuinfo")
        for path in ("/proc/self/oom_score_adj", "/proc/sys/kernel/hostname", "/dev/null", "/etc/hosts"):
            with pytest.raises(Refused):
                await box.write(path, b"1")

    use(tmp_path / "box", work)


@needs_namespaces
def test_a_very_deep_and_a_closed_folder_can_be_removed(tmp_path):
    async def work(box):
        deep = "import os\nfor n in range(3000):\n    os.mkdir('d'); os.chdir('d')\nopen('file', 'w')"
        await out(box, ["python3", "-c", deep])
        await out(box, "mkdir -p c/c; touch c/c/c; chmod 0 c/c c")
        assert 1800 < len(list(box.rows())) < 2000, "as far as paths go"
        await box.remove("/root/d")
        await box.remove("/root/c")
        assert await box.list("/root") == []
        await out(box, ["python3", "-c", deep])

    use(tmp_path / "box", work)
    from terrarium.core.removal import remove_tree

    remove_tree(tmp_path / "box")
    assert not (tmp_path / "box").exists()


@needs_namespaces
def test_odd_names(tmp_path):
    async def work(box):
        await box.write("/root/new\nline ' \"", b"1")
        await out(box, r"touch $'not\xffutf8' -- -rf; mkdir $'d\xff'")
        assert "new\nline ' \"" in await box.list("/root")
        assert len(await box.list("/root")) == 4
        assert len(list(box.rows())) == 5
        for name in ("a\0b", "\ud800", "x" * 5000, "y" * 300):
            with pytest.raises((Refused, NotFound)):
                await box.write(f"/root/{name}", b"")

    use(tmp_path / "box", work)


@needs_namespaces
def test_a_busy_folder_of_files(tmp_path):
    async def work(box):
        await out(box, "seq 1 20000 | xargs touch")
        assert len(await box.list("/root")) == 20000
        assert await alive(box, "touch") == 0

    use(tmp_path / "box", work)


def test_a_state_that_is_none_is_a_fault(tmp_path):
    (tmp_path / "box").mkdir()
    Path(tmp_path, "box", "tree.jsonl").write_text("nonsense")
    with pytest.raises(SandboxFault, match="cannot be read"):
        asyncio.run(LocalSandbox(Ground()).open(tmp_path / "box"))
    assert [path.name for path in (tmp_path / "box").iterdir()] == ["tree.jsonl"]
