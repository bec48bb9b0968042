"""Clauses on links: whatever a process inside plants, the engine's own hands stay inside too."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from pathlib import Path

from terrarium.core.errors import TerrariumError
from terrarium.core.sandbox import Sandbox
from terrarium.testing.clause import holds
from terrarium.testing.sandbox.bench import Bench, typed
from terrarium.testing.sandbox.saving import copy_of

SECRET = b"bait that nobody inside may see"

SWAP = """
import os, sys, time
here, there = sys.argv[1:3]
os.mkdir("swap"); os.symlink(there, "away")
end = time.time() + 20
while time.time() < end:
    for a, b in (("swap", "kept"), ("away", "swap"), ("swap", "away"), ("kept", "swap")):
        try: os.rename(a, b)
        except OSError: pass
"""


class Bait:
    """A folder of the host that a sandbox would like to reach."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "inner").mkdir(parents=True)
        folder.chmod(0o777)
        for name in ("secret", "victim", "inner/secret"):
            (folder / name).write_bytes(SECRET)
            (folder / name).chmod(0o666)

    def check(self, told: str) -> None:
        """Nothing has been taken away, added or changed."""
        found = sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*"))
        holds(found == ["inner", "inner/secret", "secret", "victim"], f"{told}: the host's files are now {found}")
        same = all((self.folder / name).read_bytes() == SECRET for name in ("secret", "victim", "inner/secret"))
        holds(same, f"{told}: a file of the host was changed")


async def check(bench: Bench) -> None:
    """Every clause on links."""
    if not bench.real:
        bench.left_out.append("links: there are none")
        return
    bait = Bait(bench.folder("bait"))
    async with bench.box() as box:
        await inside(bench, box)
        for number, target in enumerate(_targets(bait.folder)):
            await planted(box, bait, target, f"links-{number}")
        await saved(bench, box, bait)
        if await bench.has_python(box, "links: swapped during a write"):
            await swapped(box, bait)


def _targets(folder: Path) -> list[str]:
    """The bait as a link would name it: absolute, relative with many `..`, through /proc."""
    up = "../" * 30
    return [
        str(folder),
        f"{up}{str(folder)[1:]}",
        f"/proc/self/root{folder}",
        f"/proc/1/root{folder}",
        f"/proc/self/cwd/{up}{folder}",
    ]


async def inside(bench: Bench, box: Sandbox) -> None:
    """Links that stay inside lead where a process would find itself."""
    await box.exec(
        "mkdir -p real/deep; echo one > real/file; ln -s real/file to; ln -s ../root/real dir; ln -s loop loop"
    )
    holds(await box.read("/root/to") == b"one\n", "read: a relative link inside is followed")
    holds(await box.read("/root/dir/file") == b"one\n", "read: a link in the parents is followed")
    holds(await box.list("/root/dir") == ["deep/", "file"], "list: a link to a folder is followed")
    await typed(box.read("/root/loop"), "read of a link to itself")
    await typed(box.write("/root/loop", b"x"), "write to a link to itself")
    if await bench.rooted(box, "links: absolute ones inside"):
        await box.exec("ln -s /root/real/file absolute; ln -s ../../../../../../root/real/file high")
        holds(await box.read("/root/absolute") == b"one\n", "read: an absolute link inside is followed")
        holds(await box.read("/root/high") == b"one\n", "read: above the root is the root for links, too")
    await box.remove("/root/dir")
    holds(await box.read("/root/real/file") == b"one\n", "remove: what a link points at was removed")
    await box.exec("mkdir tree; ln -s ../real tree/link; ln -s / tree/all")
    await box.remove("/root/tree")
    holds(await box.read("/root/real/file") == b"one\n", "remove: what a link in a folder points at was removed")


async def planted(box: Sandbox, bait: Bait, target: str, place: str) -> None:
    """Links that point outside never lead there."""
    result = await box.exec(
        f"mkdir -p {place}; cd {place}; t={target}; ln -s $t/secret file; ln -s $t/victim victim; ln -s $t/new new; "
        "ln -s $t dir; mkdir tree; ln -s $t tree/dir; ln -s dir chain"
    )
    holds(result.exit_code == 0, f"links cannot be made inside: {result.stderr[:200]}")
    told = f"a link to {target}"
    for path in ("file", "dir/secret", "dir/inner/secret", "chain/secret", "tree/dir/secret"):
        found = await typed(box.read(f"/root/{place}/{path}"), f"read through {told}")
        holds(found != SECRET, f"read: {told} leads out of the sandbox")
    for path in ("victim", "new", "dir/victim", "dir/made", "dir/inner/deeper/made", "chain/made"):
        await typed(box.write(f"/root/{place}/{path}", b"overwritten"), f"write through {told}")
        bait.check(f"write through {told}")
    for path in ("dir", "chain", "dir/inner"):
        found = await typed(box.list(f"/root/{place}/{path}"), f"list through {told}")
        holds(isinstance(found, TerrariumError) or "secret" not in found, f"list: {told} leads out of the sandbox")
    await typed(box.exec("pwd; cat secret", cwd=f"/root/{place}/dir"), f"exec in {told}")
    for path in ("dir/secret", "dir/inner", "chain/victim", "file", "victim", "tree", "dir", "chain"):
        await typed(box.remove(f"/root/{place}/{path}"), f"remove through {told}")
        bait.check(f"remove through {told}")


async def saved(bench: Bench, box: Sandbox, bait: Bait) -> None:
    """A saved state holds links as links."""
    if "snapshot" not in bench.supports:
        return
    await box.exec(f"ln -s {bait.folder} out; ln -s {bait.folder}/secret leak; ln {bait.folder}/secret hard")
    to = await copy_of(box, bench)
    for path in to.rglob("*"):
        holds(
            path.is_symlink() or not path.is_file() or path.read_bytes() != SECRET, "save: it followed a link outside"
        )
    async with bench.box(to) as copy:
        holds(
            await typed(copy.read("/root/leak"), "read of a saved link") != SECRET, "open: a saved link leads outside"
        )
        await copy.remove("/root/out")
    bait.check("save, open and remove of links")


async def swapped(box: Sandbox, bait: Bait) -> None:
    """A link that appears between two looks is not followed either."""
    await box.write("/root/swap.py", SWAP.encode())
    await box.exec(f"setsid python3 swap.py here {bait.folder} >/dev/null 2>&1 &")
    end = asyncio.get_running_loop().time() + 1.5
    for number in itertools.count():
        with contextlib.suppress(TerrariumError):
            await box.write(f"/root/swap/file-{number % 7}", b"raced")
        with contextlib.suppress(TerrariumError):
            holds(await box.read("/root/swap/secret") != SECRET, "read: a link swapped in leads out of the sandbox")
        with contextlib.suppress(TerrariumError):
            holds("victim" not in await box.list("/root/swap"), "list: a link swapped in leads out of the sandbox")
        with contextlib.suppress(TerrariumError):
            await box.remove("/root/swap/secret")
        if number > 300 and asyncio.get_running_loop().time() > end:
            break
    bait.check("links swapped during writes and removals")
    await box.exec("pkill -9 -f swap.py; true")
