"""What the engine writes before there is a process: in memory, and on disk just as it was once it has to be there."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path

from local_box import needs_namespaces, out, use

from terrarium.core.clock import Clock
from terrarium.core.sandbox import Ground
from terrarium.sandbox.local.draft import LARGEST, Draft
from terrarium.sandbox.local.sandbox import LocalSandbox


def _draft() -> Draft:
    draft = Draft()
    draft.write(["srv", "a"], b"1", 5)
    draft.write(["srv", "deep", "b"], b"22", 7)
    return draft


def _number(work) -> int | None:
    try:
        work()
    except OSError as error:
        return error.errno
    return None


def test_files_and_folders_are_a_tree():
    draft = _draft()
    assert draft.read(["srv", "deep", "b"]) == b"22"
    assert draft.names(["srv"]) == ["a", "deep/"]
    assert [path for path, _ in draft.all()] == ["/srv", "/srv/a", "/srv/deep", "/srv/deep/b"]
    draft.write(["srv", "a"], b"333", 9, 0o4711)
    assert [(entry.micros, entry.mode) for _, entry in draft.all()] == [(7, 0o755), (9, 0o711), (7, 0o755), (7, 0o644)]
    assert draft.size == 5
    draft.remove(["srv", "deep"], 11)
    assert (draft.size, draft.names(["srv"]), dict(draft.all())["/srv"].micros) == (3, ["a"], 11)


def test_errors_are_those_of_the_system():
    draft = _draft()
    for work, number in {
        (lambda: draft.read(["srv", "no"])): errno.ENOENT,
        (lambda: draft.read(["srv", "a", "x"])): errno.ENOTDIR,
        (lambda: draft.read(["srv"])): errno.EISDIR,
        (lambda: draft.write(["srv"], b"", 1)): errno.EISDIR,
        (lambda: draft.write(["srv", "a", "x"], b"", 1)): errno.ENOTDIR,
        (lambda: draft.write(["srv", "é" * 128], b"", 1)): errno.ENAMETOOLONG,
        (lambda: draft.make_folders(["srv", "a"], 1)): errno.ENOTDIR,
        (lambda: draft.names(["srv", "a"])): errno.ENOTDIR,
        (lambda: draft.remove(["srv", "no"], 1)): errno.ENOENT,
    }.items():
        assert _number(work) == number
    assert draft.size == 3


def test_nothing_is_on_disk_and_rows_and_saved_state_are_whole(tmp_path):
    async def go():
        box = LocalSandbox(Ground(keep=False))
        await box.open(tmp_path / "box")
        await box.write("/root/small", b"x")
        assert box.write_now("/root/large", b"\xff" * 9000, 0o700)
        assert not box.write_now("/etc/hosts", b""), "that takes a process"
        assert not (tmp_path / "box").exists()
        rows = list(box.rows())
        await box.save(tmp_path / "saved")
        await box.write("/root/small", b"later")
        await box.close()
        assert not (tmp_path / "box").exists()
        again = LocalSandbox(Ground())
        await again.open(tmp_path / "saved")
        assert list(again.rows()) == rows
        assert (await again.read("/root/small"), await again.read("/root/large")) == (b"x", b"\xff" * 9000)
        assert list(again.rows()) == rows, "as files on disk they are the same"
        await again.close()

    asyncio.run(go())


def test_a_large_one_goes_to_disk_and_one_that_is_kept_too(tmp_path):
    async def go():
        box = LocalSandbox(Ground())
        await box.open(tmp_path / "box")
        await box.write("/srv/a", b"a")
        await box.write("/srv/large", bytes(LARGEST))
        assert (tmp_path / "box" / "tree" / "upper" / "srv" / "a").read_bytes() == b"a"
        assert not box.write_now("/srv/b", b"b")
        await box.write("/srv/b", b"b")
        assert await box.list("/srv") == ["a", "b", "large"]
        await box.close()
        small = LocalSandbox(Ground())
        await small.open(tmp_path / "small")
        await small.write("/srv/a", b"a")
        await small.close()
        assert Path(tmp_path, "small/tree/upper/srv/a").read_bytes() == b"a"

    asyncio.run(go())


@needs_namespaces
def test_what_the_engine_wrote_has_world_time_everywhere(tmp_path):
    clock = Clock()

    async def work(box):
        await box.write("/srv/a/b/c", b"")
        began = clock.micros // 10**6
        times = "stat -c %Y /srv/a /srv/a/b /srv/a/b/c"
        assert await out(box, times) == f"{began}\n" * 3
        clock.move(clock.micros + 60 * 10**6)
        await box.write("/srv/a/b/new/d", b"")
        assert await out(box, times + " /srv/a/b/new") == f"{began}\n{began + 60}\n{began}\n{began + 60}\n"
        clock.move(clock.micros + 60 * 10**6)
        await box.remove("/srv/a/b")
        assert await out(box, "stat -c %Y /srv/a") == f"{began + 120}\n"

    use(tmp_path / "box", work, Ground(clock=clock))


@needs_namespaces
def test_what_a_process_puts_in_place_of_a_folder_hides_it(tmp_path):
    async def work(box):
        await box.write("/srv/one/file", b"1")
        await box.write("/srv/two/file", b"2")
        await out(box, "rm -r /srv/one /srv/two; echo now > /srv/one; mkdir /srv/two; touch /srv/two/other")
        keys = [row.key for row in box.rows()]
        assert [key for key in keys if key.startswith("/srv/")] == ["/srv/two", "/srv/one", "/srv/two/other"]

    use(tmp_path / "box", work)
