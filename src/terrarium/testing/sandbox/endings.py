"""Clauses on endings: time limits, background processes, cancelled commands, closing."""

from __future__ import annotations

import asyncio

from terrarium.core.errors import CommandTimeout, SandboxFault
from terrarium.core.sandbox import Ground, Sandbox
from terrarium.testing.clause import holds, raises
from terrarium.testing.sandbox.bench import Bench, alive, beating, beats, gives, until_beats

WAYS = {
    "a child": "{} & wait",
    "one that ignores signals": "trap '' TERM INT HUP QUIT; {}",
    "one in a session of its own": "setsid sh -c '{}' & sleep 100",
    "one whose parents ended": "(setsid sh -c '{}' &) & sleep 100",
    "one behind nohup": "nohup sh -c '{}' >/dev/null 2>&1 & sleep 100",
    "one without streams": "(setsid sh -c '{}' </dev/null >/dev/null 2>&1 &); sleep 100",
}


async def check(bench: Bench) -> None:
    """Every clause on endings."""
    if not bench.real:
        bench.left_out.append("endings: commands are functions of the engine")
        return
    async with bench.box() as box:
        await limits(box)
        await background(box)
        await cancelled(box)
    await closing(bench)


async def limits(box: Sandbox) -> None:
    """A command over its time goes, and everything that it started."""
    for number, (what, command) in enumerate(WAYS.items()):
        file = f"beat-{number}"
        with raises(CommandTimeout, f"exec: {what} runs longer than its timeout"):
            await box.exec(command.format(beating(file)), timeout=0.7)
        holds(not await beats(box, file), f"exec: {what} lives on after the timeout")
    with raises(CommandTimeout, "exec: a list runs longer than its timeout"):
        await box.exec(["sleep", "100"], timeout=0.3)
    try:
        await box.exec("echo so far; echo oh >&2; sleep 100", timeout=0.7)
    except CommandTimeout as error:
        holds("so far" in str(error) and "oh" in str(error), f"exec: what came before a timeout is lost: {error}")
    with raises(CommandTimeout, "exec: nobody reads what it writes"):
        await box.exec("yes >/dev/null", timeout=0.3)
    await alive(box, "a timeout")


async def background(box: Sandbox) -> None:
    """What a command leaves running lives on, and nobody waits for it."""
    for number, start in enumerate(("{} &", "setsid sh -c '{}' >/dev/null 2>&1 &", "(({}) &);")):
        file = f"background-{number}"
        await gives(box, start.format(beating(file)) + " echo started", 0, "started\n", timeout=10.0)
        holds(await until_beats(box, file) and await beats(box, file), f"exec: `{start}` does not live on")
    await gives(box, "kill -0 999999 2>/dev/null; sleep 0.1; echo others", 0, "others\n")
    holds(await beats(box, "background-0"), "exec: another command ended what ran in the background")


async def cancelled(box: Sandbox) -> None:
    """Who gives up waiting ends the command."""
    task = asyncio.ensure_future(box.exec(beating("cancelled")))
    await until_beats(box, "cancelled")
    task.cancel()
    await asyncio.wait({task}, timeout=10)
    holds(task.cancelled(), "exec: a command that is cancelled ends")
    holds(not await beats(box, "cancelled"), "exec: what was cancelled runs on")
    await alive(box, "a cancelled command")


async def closing(bench: Bench) -> None:
    """Closing ends everything, also what somebody waits for."""
    folder = bench.folder()
    box = bench.make(Ground())
    await box.open(folder)
    await box.exec(f"setsid sh -c '{beating('left')}' >/dev/null 2>&1 &")
    await until_beats(box, "left")
    task = asyncio.ensure_future(box.exec("sleep 100"))
    await asyncio.sleep(0.3)
    async with asyncio.timeout(20):
        await box.close()
    done, _ = await asyncio.wait({task}, timeout=10)
    holds(done, "close: who waits for a command is told")
    if not task.cancelled() and task.exception() is None:
        holds(task.result().exit_code != 0, "close: the command in hand has ended well")
    else:
        told = f"close: the command in hand: {task}"
        holds(task.cancelled() or isinstance(task.exception(), SandboxFault), told)
    await box.close()
    async with bench.box(folder) as again:
        holds(not await beats(again, "left"), "close: a process lives on")
