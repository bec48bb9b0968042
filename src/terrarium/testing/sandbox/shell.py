"""Clauses on the lasting shell: what stays from call to call, and what cannot break it."""

from __future__ import annotations

import asyncio

from terrarium.core.errors import CommandTimeout, Refused, SandboxFault, Unsupported
from terrarium.core.sandbox import SHOWN_LIMIT, ExecResult, Ground, Sandbox
from terrarium.testing.clause import holds, raises
from terrarium.testing.sandbox.bench import Bench, beating, beats, says, typed, until_beats


async def check(bench: Bench) -> None:
    """Every clause on the shell."""
    async with bench.box() as box:
        if "shell" not in bench.supports:
            with raises(Unsupported, "shell: without a lasting shell it is Unsupported"):
                await box.shell("true")
            bench.left_out.append("shell: not in `supports`")
            return
        await lasting(box)
        await broken(box)
        await streams(box)
        await ending(box)
    closed = bench.make(Ground())
    await closed.open(bench.folder())
    await closed.shell("true")
    await closed.close()
    with raises(SandboxFault, "shell: a closed sandbox raises SandboxFault"):
        await closed.shell("true")


async def lasting(box: Sandbox) -> None:
    """Folder, variables, functions, options and the last exit code stay."""
    await says(box, "pwd", 0, "/root\n")
    await says(box, "cd /tmp; X='a b'; export Y=2; f() { echo f$1; }; alias g='echo g'; false", 1, "")
    await says(box, "pwd; echo \"$X\" $Y; f 1; sh -c 'echo $Y'", 0, "/tmp\na b 2\nf1\n2\n")
    await says(box, "for i in 1 2; do\n  echo $i\ndone", 0, "1\n2\n")
    await says(box, "cat <<END\nhere $X\nEND", 0, "here a b\n")
    await says(box, "", 0, "")
    await says(box, "(exit 42)", 42, "")
    await says(box, "echo $?", 0, "42\n")
    await says(box, "sh -c 'kill -9 $$'", 137, "")
    results = await asyncio.gather(*(box.shell(f"echo {n}; sleep 0.01; echo {n}") for n in range(5)))
    holds([one.stdout for one in results] == [f"{n}\n{n}\n" for n in range(5)], "shell: calls wait for one another")
    await says(box, "cd /root; unset X; echo -$X-", 0, "--\n")


async def broken(box: Sandbox) -> None:
    """A line that is not understood, or that ends the shell, is one call's and not the next one's."""
    for text in ("if", "echo 'open", 'echo "open', "echo $(", "}", "cat <<END\nno end", "case x in", "f( {", "\\"):
        result = await box.shell(text, timeout=10.0)
        holds(isinstance(result.exit_code, int), f"shell: {text!r} gives a result")
        await says(box, "echo next", 0, "next\n", timeout=10.0)
    await says(box, "exit 5", 5, "")
    await says(box, "echo new; pwd", 0, "new\n/root\n")
    await says(box, "exec sh -c 'echo over; exit 6'", 6, "over\n")
    await says(box, "set -e; false; echo never", 1, "")
    await says(box, "echo next; true", 0, "next\n")
    holds((await box.shell("set -u; echo $NO_SUCH; echo never")).stdout == "", "shell: `set -u` is of no effect")
    await says(box, "set +eu; echo next", 0, "next\n")
    await says(box, "kill -9 $$", 137, "")
    await says(box, "trap 'echo bye' EXIT; exit 0", 0, "bye\n")
    await box.shell("trap 'echo trapped' DEBUG ERR RETURN")
    holds((await box.shell("(exit 8)")).exit_code == 8, "shell: a trap hides the exit code")
    for text in (
        "trap - DEBUG ERR RETURN; readonly PS1 PATH; unset HOME; enable -n echo printf exit eval read",
        "printf() { :; }; echo() { :; }; eval() { :; }; exit() { :; }; read() { :; }; builtin() { :; }",
        "PATH=; IFS=0; set -f -k -n; LANG=C",
    ):
        for line in (text, "true", "kill -9 $$"):  # whoever breaks the shell waits in vain, and gets a new one
            found = await typed(box.shell(line, timeout=1.5), f"shell after {text!r}")
            holds(isinstance(found, (ExecResult, CommandTimeout)), f"shell: {text!r} leads to {found!r}")
        await says(box, "echo new; pwd", 0, "new\n/root\n")
    for command in ("echo \0", "echo \ud800"):
        with raises(Refused, f"shell: {command!r} cannot be a command"):
            await box.shell(command)


async def streams(box: Sandbox) -> None:
    """What a command reads or writes cannot be taken for the engine's own words."""
    await says(box, "cat; echo end", 0, "end\n", timeout=10.0)
    await says(box, "read line; echo -$line-", 0, "--\n", timeout=10.0)
    await says(box, "bash; echo end", 0, "end\n", timeout=10.0)
    result = await box.shell("set -x; echo traced; { set +x; } 2>/dev/null")
    holds(result.stdout == "traced\n", f"shell: tracing disturbs: {result}")
    result = await box.shell("exec 3>&1 1>/dev/null; echo hidden; exec 1>&3 3>&-; echo back")
    holds(result.exit_code == 0 and result.stdout in ("back\n",), f"shell: streams can be moved and put back: {result}")
    numbers = "3 4 5 6 7 8 9 10 11 63 64 200 254 255"
    for text in (
        "exec >/dev/null 2>&1",
        "exec <&- >&- 2>&-",
        f'for n in {numbers}; do eval "exec $n>&-"; done',
        f"for n in {numbers}; do printf '\\n0\\n' >&$n; done 2>/dev/null",
        f"for n in {numbers}; do cat <&$n & done 2>/dev/null; sleep 0.2",
    ):  # streams that are moved away stay away, but never beyond this shell
        for line in (text, "(exit 9)", "kill -9 $$"):
            found = await typed(box.shell(line, timeout=1.5), f"shell after {text!r}")
            holds(isinstance(found, (ExecResult, CommandTimeout)), f"shell: {text!r} leads to {found!r}")
            honest = line != "(exit 9)" or isinstance(found, CommandTimeout) or found.exit_code != 0
            holds(honest, f"shell: after {text!r} a failure passes for a success")
        await says(box, "echo heard; (exit 9)", 9, "heard\n", timeout=10.0)
    result = await box.shell(f"head -c {SHOWN_LIMIT + 10} /dev/zero | tr '\\0' y; (exit 4)")
    holds(result.truncated and result.exit_code == 4, "shell: output over 1 MiB is cut and says so")
    result = await box.shell("printf 'a\\377\\0b'; printf 'no newline' >&2")
    holds(result.stdout.startswith("a") and result.stderr == "no newline", f"shell: any bytes: {result}")


async def ending(box: Sandbox) -> None:
    """A call over its time takes the shell with it; what runs in the background stays until then."""
    await says(box, f"Z=1; ({beating('shell-beat')}) & echo started", 0, "started\n", timeout=10.0)
    await until_beats(box, "shell-beat")
    await says(box, "echo $Z", 0, "1\n")
    holds(await beats(box, "shell-beat"), "shell: what runs in the background does not live on")
    with raises(CommandTimeout, "shell: a call over its time"):
        await box.shell("setsid sleep 100 & sleep 100", timeout=0.5)
    holds(not await beats(box, "shell-beat"), "shell: what it started lives on after the timeout")
    await says(box, "echo -$Z-; pwd", 0, "--\n/root\n", timeout=10.0)
