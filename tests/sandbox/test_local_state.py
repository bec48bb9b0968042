"""The state of a local sandbox: saved while it runs, opened again elsewhere, and told as rows."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Awaitable
from pathlib import Path

import pytest
from local_box import alive, eventually, needs_namespaces, needs_root, out, root_filesystem, use

from terrarium.core.errors import SandboxFault
from terrarium.core.rows import Row, digest_rows
from terrarium.core.sandbox import Ground
from terrarium.sandbox.inside import ids
from terrarium.sandbox.local.sandbox import LocalSandbox
from terrarium.sandbox.zygote import zygote

pytestmark = needs_namespaces

ALL_SORTS = """
mkdir -p dir/sub closed; echo text > dir/text; ln dir/text hard; ln -s /etc/passwd link; mkfifo pipe
printf '\\377\\0' > binary; chmod 640 binary; touch -d 2001-02-03T04:05:06Z old; echo s > closed/s; chmod 0500 closed
truncate -s 50M sparse; echo end >> sparse; touch $'odd\\nname'; rm /etc/profile; rm -rf /srv; chmod u+s dir/text
rm -rf given; mkdir given; echo new > given/other; mv /app/moved /app/here
"""


async def _lived(box: LocalSandbox) -> None:
    await box.write("/root/given/file", b"given")
    await box.write("/app/moved", b"m" * 70_000)
    await out(box, ALL_SORTS)


def test_a_copy_of_a_saved_state_goes_on_from_it(tmp_path):
    async def work(box):
        await _lived(box)
        told = list(box.rows())
        await box.save(tmp_path / "saved")
        assert sum(path.stat().st_blocks for path in (tmp_path / "saved").rglob("*")) < 2000, "holes stay holes"
        shutil.copytree(tmp_path / "saved", tmp_path / "copy")  # which keeps neither links nor owners nor holes
        await out(box, "echo changed > dir/text; rm old")
        look = "ls -lanR --time-style=+ . /app /etc; stat -c '%h %Y' hard old; cat dir/text; readlink link; ls /"

        copy = LocalSandbox(Ground())
        await copy.open(tmp_path / "copy")
        assert list(copy.rows()) == told, "before it has been opened up"
        seen = await out(copy, look)
        assert list(copy.rows()) == told
        await copy.save(tmp_path / "again")
        await copy.close()

        third = LocalSandbox(Ground())
        shutil.copytree(tmp_path / "again", tmp_path / "third")
        await third.open(tmp_path / "third")
        assert await out(third, look) == seen
        assert await out(third, "echo more >> hard; cat dir/text; rm -rf dir") == "text\nmore\n"
        await third.close()
        for word in ("2 ", "981173106", "text\n", "/etc/passwd", "-rw-r-----", "-rwSr--r--", "dr-x------", "prw-"):
            assert word in seen
        for gone in ("profile", "srv", "moved"):
            assert gone not in seen.split()

    use(tmp_path / "box", work)


def test_saving_before_any_process_and_of_nothing(tmp_path):
    async def go():
        box = LocalSandbox(Ground())
        await box.open(tmp_path / "box")
        await box.save(tmp_path / "nothing")
        assert not (tmp_path / "nothing").exists()
        assert list(box.rows()) == []
        await box.write("/tmp/a", b"1")
        await box.save(tmp_path / "saved")
        await box.close()
        copy = LocalSandbox(Ground())
        await copy.open(tmp_path / "saved")
        assert await copy.read("/tmp/a") == b"1"
        await copy.write("/tmp/b", b"2")
        assert zygote()._process is None
        assert await out(copy, "cat /tmp/a /tmp/b; stat -c %a /tmp") == "121777\n"
        await copy.close()
        zygote().close()

    asyncio.run(go())


def test_saving_what_has_not_been_opened_up_yet(tmp_path):
    async def go():
        box = LocalSandbox(Ground())
        await box.open(tmp_path / "box")
        await _lived(box)
        await box.save(tmp_path / "one")
        await box.close()
        second = LocalSandbox(Ground())
        await second.open(tmp_path / "one")
        await second.save(tmp_path / "two")
        await second.close()
        third = LocalSandbox(Ground())
        await third.open(tmp_path / "two")
        assert digest_rows(third.rows()) == digest_rows(second_rows := list(third.rows()))
        assert len(second_rows) > 10
        await third.close()
        zygote().close()

    asyncio.run(go())


def test_a_folder_that_was_closed_goes_on_too(tmp_path):
    use(tmp_path / "box", lambda box: out(box, "echo 1 > a; rm -rf /etc/ssl"))
    assert sorted(path.name for path in (tmp_path / "box" / "tree").iterdir()) == ["lived", "upper"]
    assert use(tmp_path / "box", lambda box: out(box, "cat a; ls -d /etc/ssl || true")) == "1\n"


def test_everything_stands_still_while_it_is_saved_and_goes_on_afterwards(tmp_path):
    async def work(box):
        await box.write("/root/big", os.urandom(30_000_000))
        write = "while :; do echo >> /tmp/one; echo >> /tmp/two; done"
        await box.exec(f"({write}) >/dev/null 2>&1 & sleep 0.2")
        await out(box, "(sleep 4321; exit) & cat /root/big > /root/copy; kill -STOP $!")
        await box.save(tmp_path / "saved")
        first = len(await box.read("/tmp/two"))
        assert await eventually(lambda: _longer(box, first)), "it goes on"
        assert await alive(box, "^sleep 4321") == 1
        copy = LocalSandbox(Ground())
        await copy.open(tmp_path / "saved")
        one, two = len(await copy.read("/tmp/one")), len(await copy.read("/tmp/two"))
        assert await alive(copy, "sleep") == 0, "processes are not carried"
        await copy.close()
        assert 0 <= one - two <= 1

    use(tmp_path / "box", work)


async def _longer(box: LocalSandbox, size: int) -> bool:
    return len(await box.read("/tmp/two")) > size


def test_the_loop_goes_on_while_many_files_are_worked_on(tmp_path):
    async def go() -> None:
        turns = 0

        async def turning() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        async def meanwhile(work: Awaitable[object]) -> int:
            before = turns
            await work
            return turns - before

        counting = asyncio.ensure_future(turning())
        boxes = [LocalSandbox(Ground()) for _ in range(3)]
        await boxes[0].open(tmp_path / "box")
        for number in range(3000):
            await boxes[0].write(f"/root/{number % 30}/{number}", b"%d" % number * (1 + number % 2 * 5000))
        told = {"save of a draft": await meanwhile(boxes[0].save(tmp_path / "saved"))}
        shutil.copytree(tmp_path / "saved", tmp_path / "copy")
        await boxes[1].open(tmp_path / "copy")
        told["save of what is packed"] = await meanwhile(boxes[1].save(tmp_path / "again"))
        told["read of what is packed"] = await meanwhile(boxes[1].read("/root/8/8"))
        await boxes[2].open(tmp_path / "again")
        await boxes[2].write("/root/new", b"")  # opens it up
        told["close"] = await meanwhile(boxes[0].close())
        await boxes[0].open(tmp_path / "box")
        assert await boxes[0].read("/root/28/2998") == b"2998"
        for box in boxes:
            await box.close()
        counting.cancel()
        zygote().close()
        assert {what for what, count in told.items() if count < 10} == set(), told

    asyncio.run(go())


def test_what_is_written_while_a_start_is_under_way_is_not_lost(tmp_path):
    async def work(box):
        for number in range(3000):
            await box.write(f"/root/{number}", b"")
        starting = asyncio.ensure_future(out(box, "sleep 0.1; ls | wc -l"))
        for number in range(20):
            await asyncio.sleep(0)
            await box.write(f"/root/late-{number}", b"")
        assert await out(box, "ls | wc -l") == "3020\n"
        await starting

    use(tmp_path / "box", work)


NAMES = r"""
for name in (b"\xff", b"\xfe", b"\\xff", b"\xef\xbf\xbd", b"a\nb"):
    open(b"/root/" + name, "wb").write(name)
"""


def test_names_that_are_not_text_have_rows_of_their_own(tmp_path):
    async def work(box):
        await out(box, ["python3", "-c", NAMES])
        rows = [row for row in box.rows() if row.table == "file"]
        await box.save(tmp_path / "saved")
        copy = LocalSandbox(Ground())
        await copy.open(tmp_path / "saved")
        assert [row for row in copy.rows() if row.table == "file"] == rows
        digest_rows(rows)
        return [row.key for row in rows]

    keys = use(tmp_path / "box", work)
    assert sorted(keys) == sorted(["/root/\\xfe/", "/root/\\xff", "/root/\\xff/", "/root/a\nb", "/root/\ufffd"])


DEEP = """
import os
for number in range(3000):
    os.mkdir("d" * 200)
    os.chdir("d" * 200)
"""


def test_a_tree_deeper_than_paths_are_long_is_saved_as_far_as_paths_go(tmp_path):
    async def work(box):
        await out(box, ["python3", "-c", DEEP])
        rows = list(box.rows())
        assert max(len(row.key) for row in rows) < 4096
        await box.save(tmp_path / "saved")
        copy = LocalSandbox(Ground())
        await copy.open(tmp_path / "saved")
        assert list(copy.rows()) == rows
        assert await out(copy, "echo fine") == "fine\n"
        assert list(copy.rows()) == rows
        await copy.close()

    use(tmp_path / "box", work)


def test_rows_say_what_differs_from_the_base(tmp_path):
    async def work(box):
        await box.write("/root/a", b"text")
        await out(box, "rm a; mkdir a; echo x > a/b; rm /etc/shells; chmod 600 a/b; ln -s b a/c; mkdir e; rmdir e")
        return [row for row in box.rows() if row.key.startswith(("/root/", "/etc/"))]

    assert use(tmp_path / "box", work) == [
        Row("dir", "/root/a", {"mode": 0o755}),
        Row("file", "/root/a/b", {"mode": 0o600, "size": 2, "content": "x\n"}),
        Row("gone", "/etc/shells", {}),
        Row("link", "/root/a/c", {"target": "b"}),
    ]


def test_equal_work_has_equal_rows(tmp_path):
    async def work(box):
        await _lived(box)
        return digest_rows(box.rows())

    assert use(tmp_path / "one", work) == use(tmp_path / "two", work)


def test_saved_files_hold_nothing_of_the_machine(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("of the machine")

    async def work(box):
        await out(
            box, f"ln -s {secret} a; ln -s {tmp_path} b; mkdir -p .{tmp_path}; rm -rf /var; ln -s {tmp_path} /var"
        )
        await box.save(tmp_path / "saved")

    use(tmp_path / "box", work)
    files = [path for path in (tmp_path / "saved").rglob("*") if not path.is_dir()]
    assert files
    assert not any(path.is_symlink() or b"of the machine" in path.read_bytes() for path in files)


def test_a_state_cannot_be_saved_over_another(tmp_path):
    async def work(box):
        await box.write("/root/a", b"")
        await box.save(tmp_path / "saved")
        with pytest.raises(SandboxFault, match="cannot be saved"):
            await box.save(tmp_path / "saved")

    use(tmp_path / "box", work)


# -- root filesystems -----------------------------------------------------------------------------------------------


def test_a_root_filesystem_in_place_of_the_machines_own(tmp_path):
    rootfs = root_filesystem(tmp_path / "rootfs")
    ground = Ground(settings={"rootfs": str(rootfs)})

    async def work(box):
        await box.write("/root/a", b"1")
        assert (
            await out(box, "cat /root/a /data/file; echo x >> /data/file; rm /etc/passwd; touch /bin/own")
            == "1of the base\n"
        )
        assert (await box.exec("id; ls /usr/bin")).exit_code != 0
        assert (await box.shell("cd /data; cat file")).stdout == "of the base\nx\n"
        await box.save(tmp_path / "saved")
        return {row.key: row.table for row in box.rows()}

    rows = use(tmp_path / "box", work, ground)
    assert (rows["/data/file"], rows["/etc/passwd"], rows["/bin/own"]) == ("file", "gone", "file")
    assert (rootfs / "data" / "file").read_text() == "of the base\n"
    assert use(tmp_path / "saved", lambda box: out(box, "cat /data/file; ls /etc"), ground) == "of the base\nx\nhosts\n"


@needs_root
def test_in_a_root_filesystem_of_its_own_root_may_change_owners(tmp_path):
    rootfs = root_filesystem(tmp_path / "rootfs")
    os.chown(rootfs / "data" / "file", 33, 33)

    async def work(box):
        said = await out(
            box, "ls -ln /data/file; chown 7:8 /data/file; touch new; chown 65535 new; ls -ln /data/file new"
        )
        await box.save(tmp_path / "saved")
        return said.split()

    words = use(tmp_path / "box", work, Ground(settings={"rootfs": str(rootfs)}))
    assert (words[2], words[11], words[20]) == ("33", "7", "65535")
    upper = tmp_path / "box" / "tree" / "upper"
    assert (upper / "data" / "file").stat().st_uid == ids.owner() + 7
    assert (rootfs / "data" / "file").stat().st_uid == 33
    ground = Ground(settings={"rootfs": str(rootfs)})
    assert use(tmp_path / "saved", lambda box: out(box, "ls -ln /data/file"), ground).split()[2:4] == ["7", "8"]


def test_the_base_has_a_name(tmp_path):
    rootfs = root_filesystem(tmp_path / "rootfs")
    assert LocalSandbox(Ground()).base == LocalSandbox(Ground()).base
    assert LocalSandbox(Ground()).base.startswith("host:")
    assert LocalSandbox(Ground(settings={"rootfs": str(rootfs)})).base.startswith("rootfs:")


@needs_root
def test_nothing_belongs_to_root_of_the_machine(tmp_path):
    use(tmp_path / "box", lambda box: out(box, "mkdir -p a/b; touch a/b/c; ln -s x a/d; sleep 0"))
    for path in [
        Path(here) / name
        for here, folders, files in os.walk(tmp_path / "box" / "tree" / "upper")
        for name in folders + files
    ]:
        assert ids.owner() <= path.lstat().st_uid < ids.owner() + 65536


def test_a_saved_state_that_was_spoilt_is_refused(tmp_path):
    async def save(box):
        await box.write("/root/early", b"e" * 9000)
        await out(box, "head -c 9000 /dev/zero > late; echo x > small")
        await box.save(tmp_path / "saved")

    use(tmp_path / "box", save)
    for part in ("tree.jsonl", "sealed/0/tree.jsonl", "sealed/0/1", "sealed/upper/1"):
        for spoil in (lambda path: path.write_bytes(path.read_bytes()[:-3]), lambda path: path.unlink()):
            place = tmp_path / "copy"
            shutil.rmtree(place, ignore_errors=True)
            shutil.copytree(tmp_path / "saved", place)
            spoil(place / part)
            with pytest.raises(SandboxFault):
                use(place, lambda box: out(box, "cat early late"))
    lines = (tmp_path / "saved" / "tree.jsonl").read_bytes().splitlines(keepends=True)
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(tmp_path / "saved", place)
    (place / "tree.jsonl").write_bytes(b"".join(lines[:-2] + lines[-1:]))  # a whole line is missing
    with pytest.raises(SandboxFault, match="cut short"):
        use(place, lambda box: out(box, "cat early late"))


def test_what_runs_in_the_background_is_told(tmp_path):
    async def work(box):
        assert await box.running() == []
        await out(box, "true")
        assert await box.running() == []
        await out(box, "sleep 1234 & (exec -a very$(head -c 1000 /dev/zero | tr '\\0' y) sleep 4321) & true")
        await eventually(lambda: _asleep(box))
        found = await box.running()
        assert "sleep 1234" in found
        assert all(len(line) <= 300 for line in found)
        await out(box, "for n in $(seq 150); do sleep 99 & done; true")
        assert len(await box.running()) <= 100

    use(tmp_path / "box", work)


async def _asleep(box):
    """Both are what they will be: a shell that is about to be one of them still has its own name."""
    found = await box.running()
    return len(found) == 2 and not any(line.startswith("/bin/bash") for line in found)
