"""What every sandbox keeps."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

from terrarium.core.errors import NotFound, Refused, SandboxFault, Unsupported
from terrarium.core.sandbox import FILE_LIMIT, SHOWN_LIMIT, ExecResult, Feature, Sandbox
from terrarium.testing.clause import engine, holds, raises


def check_sandbox(make: Callable[[], Sandbox]) -> None:
    """The contract of `terrarium.core.sandbox.Sandbox`.

    Args:
        make: Gives one that is not yet open.

    Raises:
        AssertionError: A clause does not hold; says which.
    """
    with tempfile.TemporaryDirectory() as home, engine() as wait:
        wait(_check_sandbox(make, Path(home)))


async def _check_sandbox(make: Callable[[], Sandbox], home: Path) -> None:
    box = make()
    holds(isinstance(box.supports, frozenset), "supports: a frozenset of features")
    holds(box.supports <= set(get_args(Feature)), f"supports: unknown features {box.supports - set(get_args(Feature))}")
    holds(isinstance(box.deterministic, bool), "deterministic: True or False")
    await box.open(home / "box")
    try:
        await _check_files(box)
        await _check_exec(box)
        await _check_sandbox_saving(make, box, home)
    finally:
        await box.close()
        await box.close()  # idempotent
    with raises(SandboxFault, "close: a closed sandbox raises SandboxFault"):
        await box.read("/root/text")


async def _check_files(box: Sandbox) -> None:
    contents = {
        "/root/text": "grüß\r\n".encode(),
        "/root/a/b/c": bytes(range(256)),
        "/root/empty": b"",
        "/root/ö ü": b"x",
    }
    for path, content in contents.items():
        await box.write(path, content)
    for path, content in contents.items():
        holds(await box.read(path) == content, f"read: {path} is not what was written")
    await box.write("/root/text", b"short")
    holds(await box.read("/root/text") == b"short", "write: the old content of a file is still there")
    names = await box.list("/root")
    holds(names == sorted(names), "list: names are not sorted")
    holds({"a/", "empty", "text", "ö ü"} <= set(names), f"list: folders end with a slash, files do not: {names}")
    holds(await box.read("/root/a/../text") == b"short", "paths: `..` leads to the parent folder")
    escape = f"escape-{time.time_ns()}"
    await box.write(f"/../../{escape}", b"inside")
    holds(await box.read(f"/{escape}") == b"inside", "paths: above the root is the root")
    holds(not Path("/", escape).exists(), "paths: `..` led out of the sandbox")
    await box.remove(f"/{escape}")
    for work in (box.read, box.list, box.remove):
        with raises(NotFound, f"{work.__name__}: what is not there is NotFound"):
            await work("/root/none/such")
    with raises(Refused, "read: a folder is Refused"):
        await box.read("/root/a")
    with raises(Refused, "write: over a folder is Refused"):
        await box.write("/root/a", b"")
    with raises(Refused, "write: more than 100 MiB are Refused"):
        await box.write("/root/big", bytes(FILE_LIMIT + 1))
    await box.remove("/root/a")
    with raises(NotFound, "remove: a folder goes with all that is in it"):
        await box.read("/root/a/b/c")


async def _check_exec(box: Sandbox) -> None:
    if "shell" not in box.supports:
        return

    async def gives(command: str | list[str], code: int, out: str, **more: Any) -> None:
        result = await box.exec(command, **more)
        holds(isinstance(result, ExecResult), "exec: it gives an ExecResult")
        found = (result.exit_code, result.stdout)
        holds(
            found == (code, out), f"exec: {command!r} gave {found}, not {(code, out)}; stderr: {result.stderr[:200]!r}"
        )

    await gives("echo grüß", 0, "grüß\n")
    await gives("false", 1, "")
    await gives("echo one; cat /root/none 2>/dev/null || echo two", 0, "one\ntwo\n")
    await gives(["echo", "a  b", "$HOME;", "*"], 0, "a  b $HOME; *\n")
    await gives("echo $WORD", 0, "x y\n", env={"WORD": "x y"})
    await gives("pwd", 0, "/tmp\n", cwd="/tmp") if "tmp/" in await box.list("/") else None
    await gives("cat", 0, "given", stdin=b"given")
    await gives("echo made > /root/made; cat /root/text", 0, "short")
    holds(await box.read("/root/made") == b"made\n", "exec: a file that a command wrote can be read")
    unknown = await box.exec("no-such-command-anywhere")
    holds(unknown.exit_code == 127 and unknown.stderr, "exec: an unknown command is exit code 127 with a message")
    await box.write("/root/odd", b"a\xff\xfeb")
    holds("a" in (await box.exec("cat /root/odd")).stdout, "exec: output that is not UTF-8 is shown somehow")
    await box.write("/root/long", b"y" * (SHOWN_LIMIT + 10))
    result = await box.exec("cat /root/long")
    holds(result.truncated and len(result.stdout) <= SHOWN_LIMIT, "exec: output over 1 MiB is cut and says so")


async def _check_sandbox_saving(make: Callable[[], Sandbox], box: Sandbox, home: Path) -> None:
    if "snapshot" not in box.supports:
        with raises(Unsupported, "save: without snapshots it is Unsupported"):
            await box.save(home / "saved")
        return
    await box.save(home / "saved")
    if (home / "saved").exists():
        shutil.copytree(home / "saved", home / "copy")
    copy = make()
    await copy.open(home / "copy")
    try:
        holds(await copy.list("/root") == await box.list("/root"), "save: the copy has other files")
        holds(await copy.read("/root/text") == b"short", "save: a file of the copy has another content")
        await copy.write("/root/text", b"changed")
        holds(await box.read("/root/text") == b"short", "save: what was done to the copy is in the original")
    finally:
        await copy.close()
