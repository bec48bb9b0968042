"""Clauses on saving: a copy of what was saved continues from there, and is another's."""

from __future__ import annotations

from pathlib import Path

from terrarium.core.errors import NotFound, Unsupported
from terrarium.core.sandbox import Sandbox
from terrarium.core.snapshot import Snapshots
from terrarium.testing.clause import holds, raises
from terrarium.testing.sandbox.bench import Bench, gives

LOOK = "find . ! -name . -printf '%p %y %m %s %l %T@\\n' | sort"


async def check(bench: Bench) -> None:
    """Every clause on saving."""
    async with bench.box() as box:
        if "snapshot" not in bench.supports:
            with raises(Unsupported, "save: without snapshots it is Unsupported"):
                await box.save(bench.folder())
            bench.left_out.append("saving: not in `supports`: snapshot")
            return
        await box.write("/root/text", b"one")
        await box.write("/root/early/file", b"sealed")
        await box.write("/root/early/gone", b"sealed")
        first = await copy_of(box, bench)
        if bench.real:
            await _change(box)
        await box.write("/root/text", b"two")
        second = await copy_of(box, bench)
        await box.write("/root/text", b"three")
        async with bench.box(first) as one, bench.box(second) as two:
            await _compare(bench, box, one, two)
        async with bench.box(first) as one:
            holds(await one.read("/root/text") == b"changed", "open: what was changed after opening a copy is lost")
            third = await copy_of(one, bench)
        async with bench.box(third) as three:
            holds(await three.read("/root/text") == b"changed", "save: a copy of a copy has another content")


async def copy_of(box: Sandbox, bench: Bench) -> Path:
    """What is saved, stored and copied as the engine does it."""
    snapshots = Snapshots(bench.folder("snapshots"))
    name = await snapshots.put({}, {}, lambda staging: box.save(staging / "box"))
    copy = bench.folder("copy")
    snapshots.restore(name, copy)
    return copy / "box"


async def _change(box: Sandbox) -> None:
    await box.exec(
        "rm early/gone; mkdir -p kept/empty; echo x > kept/run; chmod 751 kept/run; chmod 700 kept;"
        " ln -s ../none kept/dangling; ln -s run kept/link; ln kept/run kept/hard;"
        " mkfifo kept/pipe; printf x > \"kept/$(printf 'a\\377b')\";"
        " touch -d @86400 kept/old; truncate -s 1G kept/sparse; chmod 1777 kept/empty; mv early later; mkdir early"
    )
    await box.exec(
        "for f in /etc/* /usr/share/*; do [ -f $f ] && rm $f 2>/dev/null && echo $f > removed && break; done"
    )


async def _compare(bench: Bench, box: Sandbox, one: Sandbox, two: Sandbox) -> None:
    holds(await one.list("/root") == ["early/", "text"], "save: the copy has other files")
    holds(await two.list("/root") == await box.list("/root"), "save: the copy has other files")
    holds(await one.read("/root/text") == b"one", "save: what came afterwards is in it")
    holds(await two.read("/root/text") == b"two", "save: a file of the copy has another content")
    if bench.real:
        before, after = await box.exec(LOOK), await two.exec(LOOK)
        # The file that was written since is another one.
        was, now = (
            {line for line in one.stdout.split("\n") if not line.startswith("./text ")} for one in (before, after)
        )
        holds(was == now, f"save: files, modes, links or times differ: {sorted(was ^ now)[:4]}")
        await gives(two, "stat -c %h kept/run; test kept/run -ef kept/hard && echo same", 0, "2\nsame\n")
        await gives(two, "cat kept/hard later/file", 0, "x\nsealed")
        with raises(NotFound, "save: a file that was removed is there again"):
            await two.read("/root/later/gone")
        await gives(
            two, "ls -A early; [ -f removed ] && ls $(cat removed) 2>/dev/null", 2 if await _removed(two) else 1, ""
        )
    await one.write("/root/text", b"changed")
    holds(await box.read("/root/text") == b"three", "save: what was done to the copy is in the original")
    holds(await two.read("/root/text") == b"two", "save: what was done to one copy is in the other")


async def _removed(box: Sandbox) -> bool:
    return "removed" in await box.list("/root")
