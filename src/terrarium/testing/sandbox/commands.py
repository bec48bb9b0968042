"""Clauses on commands: text and lists, exit codes, streams, encodings, variables, folders."""

from __future__ import annotations

import asyncio

from terrarium.core.errors import NotFound, Refused, SandboxFault, TerrariumError
from terrarium.core.sandbox import Sandbox
from terrarium.testing.clause import holds, raises
from terrarium.testing.sandbox.bench import MIB, Bench, gives, typed


async def check(bench: Bench) -> None:
    """Every clause on commands; not for a sandbox whose commands are functions of the engine."""
    if not bench.real:
        bench.left_out.append("commands: they are functions of the engine")
        return
    async with bench.box() as box:
        await plain(box)
        await codes(box)
        await surroundings(bench, box)
        await inputs(box)
        await encodings(box)
        await files(box)
        await refusals(box)
        await together(box)


async def plain(box: Sandbox) -> None:
    """Text goes through the shell, a list does not."""
    await gives(box, "echo grüß", 0, "grüß\n")
    await gives(box, "echo one; cat none 2>/dev/null || echo two", 0, "one\ntwo\n")
    await gives(box, "printf '%s\\n' a b | tail -n 1", 0, "b\n")
    await gives(box, "cat <<'END'\n$HOME `x`\nEND\n", 0, "$HOME `x`\n")
    await gives(box, "", 0, "")
    await gives(box, "# nothing", 0, "")
    await gives(box, ["echo", "a  b", "$HOME;", "*", ""], 0, "a  b $HOME; * \n")
    await gives(box, ("printf", "%s", "-n\n'\""), 0, "-n\n'\"")
    result = await box.exec("echo out; echo err >&2")
    holds((result.stdout, result.stderr) == ("out\n", "err\n"), f"exec: the two streams are kept apart: {result}")
    holds(result.truncated is False, "exec: short output is not truncated")


async def codes(box: Sandbox) -> None:
    """Exit codes as a shell gives them; a signal is 128 and its number."""
    await gives(box, "false", 1, "")
    await gives(box, "exit 77", 77, "")
    await gives(box, ["sh", "-c", "exit 255"], 255, "")
    for name, number in (("KILL", 9), ("TERM", 15), ("SEGV", 11)):
        await gives(box, f"kill -{name} $$", 128 + number, "")
        await gives(box, ["sh", "-c", f"kill -{name} $$"], 128 + number, "")
        await gives(box, f"sh -c 'kill -{name} $$'; exit $?", 128 + number, "")
    for unknown in ("no-such-command-anywhere", ["no-such-command-anywhere"], ["./none"]):
        result = await box.exec(unknown)
        told = f"exec: an unknown command is exit code 127 with a message: {result}"
        holds(result.exit_code == 127 and result.stderr, told)
    await box.write("/root/not-a-program", b"text")
    holds((await box.exec(["./not-a-program"])).exit_code == 126, "exec: what cannot be executed is exit code 126")


async def surroundings(bench: Bench, box: Sandbox) -> None:
    """Variables and folders of one command are no other's."""
    await gives(box, "echo $WORD", 0, "x y\n", env={"WORD": "x y"})
    await gives(box, "echo $WORD", 0, "\n")
    await gives(box, ["printenv", "ODD"], 0, "a\nb=c'\"\n", env={"ODD": "a\nb=c'\""})
    await gives(box, "cd /; WORD=1", 0, "")
    await gives(box, "[ $(pwd -P) = $HOME ] && echo home $WORD", 0, "home\n")
    if await bench.rooted(box, "exec: cwd=/tmp is /tmp"):
        await gives(box, "pwd; echo ~", 0, "/tmp\n/root\n", cwd="/tmp")
    await box.write("/root/sub dir/file", b"")
    await gives(box, "ls", 0, "file\n", cwd="/root/sub dir")
    found = await typed(box.exec("echo ran", cwd="/root/none"), "exec in a folder that is not there")
    if isinstance(found, TerrariumError):
        holds(isinstance(found, (NotFound, Refused)), f"exec: a folder that is not there is no fault: {found!r}")
    else:
        holds(found.exit_code != 0 and found.stdout == "", "exec: a command ran although its folder is not there")


async def inputs(box: Sandbox) -> None:
    """Standard input: what is given, else nothing; never the engine's own."""
    await gives(box, "cat", 0, "given", stdin=b"given")
    await gives(box, "cat; echo end", 0, "end\n", timeout=10.0)
    await gives(box, "wc -c", 0, "6000000\n", stdin=b"z" * 6_000_000, timeout=30.0)
    await gives(box, "echo early", 0, "early\n", stdin=b"z" * 6_000_000, timeout=30.0)
    await gives(box, ["cmp", "all-bytes", "-"], 0, "", stdin=await _bytes(box))


async def _bytes(box: Sandbox) -> bytes:
    content = bytes(range(256)) * 300
    await box.write("/root/all-bytes", content)
    return content


async def encodings(box: Sandbox) -> None:
    """Every byte may come out, and is shown somehow."""
    await box.write("/root/odd", b"a\xff\xfe\x00\xed\xa0\x80b\n")
    result = await box.exec("cat odd")
    shown = result.stdout
    holds(
        shown.startswith("a") and shown.endswith("b\n"), f"exec: output that is not UTF-8 is shown somehow: {shown!r}"
    )
    shown.encode()  # and can be written down
    await gives(box, "printf 'gr\\303\\274n'", 0, "grün")
    holds((await box.exec("cat odd >&2")).stderr.endswith("b\n"), "exec: nor is what is on standard error lost")


async def files(box: Sandbox) -> None:
    """Commands and the engine see the same files."""
    await box.write("/root/text", b"short")
    await gives(box, "echo made > made; cat text", 0, "short")
    holds(await box.read("/root/made") == b"made\n", "exec: a file that a command wrote can be read")
    await box.write("/root/script", b"#!/bin/sh\necho ran $1\n")
    await gives(box, "chmod +x script && ./script well", 0, "ran well\n")
    await box.write("/root/made", b"again")
    await gives(box, "cat made; rm made", 0, "again")
    with raises(NotFound, "read: a file that a command removed is gone"):
        await box.read("/root/made")
    await box.exec("mkdir -p d/e; touch d/f; chmod 700 d")
    holds(await box.list("/root/d") == ["e/", "f"], "list: what commands made is listed")
    await gives(box, "cd d && printf x > $(printf 'bad\\377name') && ls | wc -l", 0, "3\n")
    names = await box.list("/root/d")
    holds(len(names) == 3, f"list: a name that is not UTF-8 is listed somehow: {names}")
    await box.exec("mkfifo fifo; truncate -s 10G sparse || truncate -s 200M sparse; mkdir -p shut/in; chmod 0 shut")
    for path in ("/root/fifo", "/root/sparse"):
        with raises(Refused, f"read: {path} is Refused, and nobody waits for it"):
            async with asyncio.timeout(20):
                await box.read(path)
    async with asyncio.timeout(20):
        await typed(box.write("/root/fifo", b"x"), "write to a fifo")
    for path in ("/root/d", "/root/shut", "/root/sparse", "/root/fifo"):
        await box.remove(path)
    holds("shut/" not in await box.list("/root"), "remove: a folder without permissions goes too")


async def refusals(box: Sandbox) -> None:
    """What cannot be a command is Refused; what is too long is a typed error."""
    for command in ("echo \0", "echo \ud800", ["echo", "\0"], ["echo", "\udcff"], []):
        with raises(Refused, f"exec: {command!r} cannot be a command"):
            await box.exec(command)
    for env in ({"A\0": "x"}, {"A": "\0"}, {"A=B": "x"}, {"": "x"}, {"A": "\ud800"}):
        with raises(Refused, f"exec: {env!r} cannot be in an environment"):
            await box.exec("true", env=env)
    found = await typed(box.exec(["echo", "x" * (3 * MIB)]), "exec of a word of 3 MiB")
    holds(isinstance(found, TerrariumError) or found.exit_code != 0, "exec: a word of 3 MiB cannot be passed on")
    holds(not isinstance(found, SandboxFault), f"exec: a word of 3 MiB is the caller's fault: {found!r:.200}")
    await gives(box, "echo fine", 0, "fine\n")


async def together(box: Sandbox) -> None:
    """Several commands at a time keep their output apart."""
    results = await asyncio.gather(*(box.exec(f"for i in $(seq 50); do echo {n}; done") for n in range(8)))
    for number, result in enumerate(results):
        holds(result.stdout == f"{number}\n" * 50, "exec: commands at the same time mix their output")
