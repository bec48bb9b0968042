"""Clauses on files: what is written is read, and what cannot be is a typed error."""

from __future__ import annotations

import time
from pathlib import Path

from terrarium.core.clock import Clock
from terrarium.core.errors import NotFound, Refused, SandboxFault
from terrarium.core.sandbox import FILE_LIMIT, Ground, Sandbox
from terrarium.testing.clause import holds, raises
from terrarium.testing.sandbox.bench import Bench, typed

CONTENTS = {
    "/root/text": "grüß\r\n".encode(),
    "/root/a/b/c": bytes(range(256)),
    "/root/empty": b"",
    "/root/ö ü": b"x",
    "/root/-rf": b"dash",
    "/root/$(x) 'q' \"r\" *": b"quotes",
    "/root/new\nline": b"line",
}


async def check(bench: Bench) -> None:
    """Every clause on files."""
    folder = bench.folder()
    box = bench.make(Ground())
    with raises(SandboxFault, "read: a sandbox that was never opened raises SandboxFault"):
        await box.read("/root/text")
    await box.close()  # also of one that was never opened
    box = bench.make(Ground())
    await box.open(folder)
    try:
        await contents(box)
        await names(box)
        await refusals(box)
        await big(box)
    finally:
        await box.close()
        await box.close()  # idempotent
    for work in (box.read, box.list, box.remove):
        with raises(SandboxFault, f"{work.__name__}: a closed sandbox raises SandboxFault"):
            await work("/root/text")
    with raises(SandboxFault, "write: a closed sandbox raises SandboxFault"):
        await box.write("/root/text", b"")
    with raises(SandboxFault, "exec: a closed sandbox raises SandboxFault"):
        await box.exec("true")
    async with bench.box(folder) as again:
        holds(await again.read("/root/text") == b"short", "open: a folder that was closed is continued")
    if bench.real:
        await times(bench)


async def contents(box: Sandbox) -> None:
    """Bytes stay as they are; missing parents are made."""
    for path, content in CONTENTS.items():
        await box.write(path, content)
    for path, content in CONTENTS.items():
        holds(await box.read(path) == content, f"read: {path!r} is not what was written")
    await box.write("/root/text", b"short")
    holds(await box.read("/root/text") == b"short", "write: the old content of a file is still there")


async def names(box: Sandbox) -> None:
    """Folders are listed sorted; `..` stays inside."""
    found = await box.list("/root")
    holds(found == sorted(found), "list: names are not sorted")
    holds({"a/", "empty", "text", "ö ü", "-rf"} <= set(found), f"list: folders end with a slash, files do not: {found}")
    holds("root/" in await box.list("/"), "list: /root is a folder of /")
    holds(await box.read("/root/a/../text") == b"short", "paths: `..` leads to the parent folder")
    holds(await box.read("//root/./text") == b"short", "paths: `.` and doubled slashes mean nothing")
    escape = f"/tmp/escape-{time.time_ns()}"
    await box.write(f"/../..{escape}", b"inside")
    holds(await box.read(escape) == b"inside", "paths: above the root is the root")
    holds(not Path(escape).exists(), "paths: `..` led out of the sandbox")
    await box.remove(escape)


async def refusals(box: Sandbox) -> None:
    """What cannot be done is NotFound or Refused, and harms nothing."""
    for work in (box.read, box.list, box.remove):
        with raises(NotFound, f"{work.__name__}: what is not there is NotFound"):
            await work("/root/none/such")
    with raises(NotFound, "list: a file is not a folder"):
        await box.list("/root/text")
    with raises(Refused, "read: a folder is Refused"):
        await box.read("/root/a")
    with raises(Refused, "write: over a folder is Refused"):
        await box.write("/root/a", b"")
    with raises(Refused, "write: through a file is Refused"):
        await box.write("/root/text/below", b"")
    for path in ("/root/nul\0", "/root/\ud800", "/root/" + "x" * 300, "/root" + "/y" * 3000):
        for verb, asked in (("read", box.read(path)), ("write", box.write(path, b"x")), ("list", box.list(path))):
            with raises((NotFound, Refused), f"{verb}: {path!r:.40} cannot be a path"):
                await asked
    error = await typed(box.remove("/"), "remove of the root")
    holds(error is not None, "remove: the root was removed")
    holds(await box.read("/root/text") == b"short", "remove: a refused removal removed something")
    await box.remove("/root/a")
    with raises(NotFound, "remove: a folder goes with all that is in it"):
        await box.read("/root/a/b/c")


async def big(box: Sandbox) -> None:
    """A file may hold 100 MiB and no more."""
    content = bytes(range(256)) * (FILE_LIMIT // 256)
    await box.write("/root/big", content)
    holds(await box.read("/root/big") == content, "read: a file of 100 MiB is not what was written")
    with raises(Refused, "write: more than 100 MiB are Refused"):
        await box.write("/root/big", content + b"x")
    holds(len(await box.read("/root/big")) == FILE_LIMIT, "write: what was refused changed the file")
    await box.remove("/root/big")


async def times(bench: Bench) -> None:
    """A file that is written has world time, as processes see it."""
    clock = Clock()
    async with bench.box(ground=Ground(clock=clock)) as box:
        await box.write("/root/first", b"")
        clock.move(clock.micros + 3_600_000_000)
        await box.write("/root/deep/second", b"")
        result = await box.exec("stat -c %Y first deep/second")
        start = clock.start // 1_000_000
        holds(
            result.stdout.split() == [str(start), str(start + 3600)],
            f"write: files do not have world time: {result.stdout.split()}, {result.stderr[:200]!r}",
        )
        holds((await box.exec("test -w first -a -O first")).exit_code == 0, "write: not the user's own file")
