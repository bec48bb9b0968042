"""Commands in the local sandbox: how they run, how they end, and that nothing of them gets away."""

from __future__ import annotations

import asyncio

import pytest
from local_box import alive, capped, eventually, needs_namespaces, out, use

from terrarium.core.errors import CommandTimeout, Refused, SandboxFault
from terrarium.core.sandbox import SHOWN_LIMIT, Ground
from terrarium.sandbox.local.sandbox import LocalSandbox

pytestmark = needs_namespaces


def test_text_goes_through_bash_and_lists_do_not(tmp_path):
    async def work(box):
        assert await out(box, "echo $((1 + 1)) {a,b}; echo $HOME") == "2 a b\n/root\n"
        assert await out(box, ["echo", "$HOME", "a  b"]) == "$HOME a  b\n"
        assert await out(box, "cat", stdin=b"gr\xc3\xbc\xc3\x9f") == "grüß"
        assert await out(box, "cat") == "", "without input there is nothing to read, and nobody waits"
        assert await out(box, "pwd; echo $WORD", cwd="/tmp", env={"WORD": "x y"}) == "/tmp\nx y\n"
        assert await out(box, "echo a > /dev/stdout; echo b | tee /dev/stderr") == "a\nb\n"

    use(tmp_path / "box", work)


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("exit 7", 7, ""),
        ("kill -9 $$", 137, ""),
        ("no-such-command", 127, "not found"),
        (["no-such-command"], 127, "no-such-command"),
        (["/etc/passwd"], 126, "Permission denied"),
    ],
)
def test_how_a_command_ended(tmp_path, command, code, said):
    result = use(tmp_path / "box", lambda box: box.exec(command))
    assert result.exit_code == code
    assert said in result.stderr


def test_a_folder_that_is_not_there(tmp_path):
    result = use(tmp_path / "box", lambda box: box.exec("pwd", cwd="/none"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "/none: No such file or directory\n"


@pytest.mark.parametrize("command", ["", [], ["a\0"], "a\0b", "\ud800", [1], None])
def test_what_cannot_be_a_command_is_refused_or_does_nothing(tmp_path, command):
    async def work(box):
        if command == "":
            return await out(box, command) == ""
        with pytest.raises(Refused):
            await box.exec(command)
        return not (tmp_path / "box").exists(), "nothing was started for it"

    assert use(tmp_path / "box", work)


ESCAPING = """
(setsid sleep 4321 &)
setsid bash -c 'setsid sleep 4321 & disown; exec sleep 4321' &
python3 -c '
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(4321)
' &
sleep 0.3; touch /tmp/started; sleep 4321
"""


def test_at_its_time_limit_all_that_a_command_started_is_gone_and_nothing_else(tmp_path):
    async def work(box):
        await box.exec("sleep 1234 >/dev/null 2>&1 &")
        with pytest.raises(CommandTimeout, match="longer than 1 s"):
            await box.exec(ESCAPING, timeout=1.0)
        assert await box.read("/tmp/started") == b""
        assert await alive(box, "4321") == 0
        assert await alive(box, "sleep 1234") == 1

    use(tmp_path / "box", work)


def test_a_command_that_is_given_up_ends(tmp_path):
    async def work(box):
        await box.exec("true")
        task = asyncio.ensure_future(box.exec("touch /tmp/begun; sleep 4321"))
        assert await eventually(lambda: _there(box, "/tmp/begun"))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await alive(box, "sleep 4321") == 0

    use(tmp_path / "box", work)


async def _there(box: LocalSandbox, path: str) -> bool:
    return path.rpartition("/")[2] in await box.list(path.rpartition("/")[0])


def test_what_a_command_leaves_running_goes_on_and_can_still_write(tmp_path):
    async def work(box):
        await out(box, "(sleep 0.2; echo late; echo late >&2; touch /tmp/wrote; sleep 4321) & echo now")
        assert await eventually(lambda: _there(box, "/tmp/wrote"))
        assert await alive(box, "sleep 4321") == 1

    use(tmp_path / "box", work)


@pytest.mark.alone
def test_a_fork_bomb_ends_with_its_command(tmp_path):
    async def work(box):
        with pytest.raises(CommandTimeout):
            await box.exec(":(){ :|:& };:; sleep 4321", timeout=1.5)
        assert await out(box, "echo fine") == "fine\n"

    use(tmp_path / "box", work, capped(processes=100))


def test_killing_everything_inside_kills_no_more_than_that(tmp_path):
    async def work(box):
        result = await box.exec("echo before; kill -9 -1; sleep 4321")
        assert (result.exit_code, result.stdout) == (137, "before\n")
        assert (await box.shell("X=1; kill -9 -1; exec sleep 4321")).exit_code == 137
        assert await out(box, "kill -9 1; kill -TERM 1; sleep 0.1; echo fine") == "fine\n"
        assert (await box.shell("echo [$X]")).stdout == "[]\n"

    use(tmp_path / "box", work)


def test_much_output_is_cut_and_kept_inside(tmp_path):
    async def work(box):
        result = await box.exec("seq 1 1000000; echo short >&2")
        assert result.truncated
        assert len(result.stdout) <= SHOWN_LIMIT
        assert result.stderr == "short\n"
        note = result.stdout.splitlines()[-1]
        assert "6888896 bytes" in note
        path = note.split()[-1].rstrip("]")
        assert await out(box, f"seq 1 1000000 | cmp - {path} && echo same") == "same\n"
        assert (await box.shell("seq 1 1000000")).stdout.startswith("1\n2\n3\n")
        assert await box.shell("echo next") == await box.exec("echo next"), "nothing is left over"

    use(tmp_path / "box", work)


def test_endless_output_fills_neither_memory_nor_disk(tmp_path):
    async def work(box):
        result = await box.exec("head -c 1000000000 /dev/zero")
        assert "1000000000 bytes, lost but for the first 64 MiB" in result.stdout[-200:]
        with pytest.raises(CommandTimeout):
            await box.exec("yes >&2", timeout=1.0)
        used = int((await out(box, "du -sm /tmp/.output")).split()[0])
        assert used <= 130

    use(tmp_path / "box", work)


def test_what_is_not_utf8_is_shown_somehow(tmp_path):
    assert use(tmp_path / "box", lambda box: out(box, r"printf 'a\377b'")) == "a\ufffdb"


# -- the lasting shell ----------------------------------------------------------------------------------------------


def test_the_shell_remembers(tmp_path):
    async def work(box):
        await box.shell("cd /tmp; X='a b'; twice() { echo $1 $1; }; export Y=2")
        result = await box.shell("pwd; echo $X; twice ho; bash -c 'echo $Y'; false")
        assert (result.exit_code, result.stdout) == (1, "/tmp\na b\nho ho\n2\n")
        assert await out(box, "pwd; echo [$X]") == "/root\n[]\n", "others do not see it"

    use(tmp_path / "box", work)


@pytest.mark.parametrize(
    ("command", "code", "stdout"),
    [
        ("echo \"it's\" 'a\nb'", 0, "it's a\nb\n"),
        ("echo ) ; echo no", 2, ""),
        ("break; continue; return 3; echo on", 0, "on\n"),
        ("read x; cat; echo [$x]", 0, "[]\n"),
        ("# only a comment", 0, ""),
        ("echo 'unfinished", 2, ""),
        ("cat <<END\nhere\nEND", 0, "here\n"),
        ("echo " + "x" * 100_000, 0, "x" * 100_000 + "\n"),
        ("printf '%s 0\\n' 0123456789abcdef >&4; echo on", 0, "on\n"),
        ("for f in /proc/$$/fd/*; do echo 'x 0' >> $f; done 2>/dev/null; exit 0", 0, None),
    ],
)
def test_nothing_that_a_command_says_confuses_the_shell(tmp_path, command, code, stdout):
    async def work(box):
        await box.shell("X=1")
        result = await box.shell(command, timeout=20)
        assert stdout is None or result.stdout == stdout
        assert (result.exit_code == code) or "return" in command or ">&4" in command
        after = await box.shell("echo after")
        assert after.exit_code == 0
        assert after.stdout.endswith("after\n")

    use(tmp_path / "box", work)


def test_a_shell_that_ends_begins_anew(tmp_path):
    async def work(box):
        assert (await box.shell("X=1; exit 7")).exit_code == 7
        assert (await box.shell("echo [$X]")).stdout == "[]\n"
        assert (await box.shell("X=1; exec sh -c 'exit 3'")).exit_code == 3
        assert (await box.shell("set -e; false; echo no")).exit_code == 1
        assert (await box.shell("echo [$X]")).stdout == "[]\n"

    use(tmp_path / "box", work)


def test_at_its_time_limit_the_shell_and_all_it_ever_started_is_gone(tmp_path):
    async def work(box):
        await box.shell("X=1; setsid sleep 4321 &")
        with pytest.raises(CommandTimeout):
            await box.shell("(trap '' TERM INT; setsid sleep 4321) & sleep 4321", timeout=0.7)
        assert (await box.shell("echo [$X]")).stdout == "[]\n"
        assert await alive(box, "sleep 4321") == 0

    use(tmp_path / "box", work)


def test_a_job_of_the_shell_shows_what_it_writes_later(tmp_path):
    async def work(box):
        assert (await box.shell("(sleep 0.2; echo later) & echo now")).stdout == "now\n"
        assert (await box.shell("wait; echo end")).stdout == "later\nend\n"

    use(tmp_path / "box", work)


def test_many_at_once(tmp_path):
    async def work(box):
        found = await asyncio.gather(*(out(box, f"sleep 0.1; echo {n}") for n in range(20)))
        assert found == [f"{n}\n" for n in range(20)]

    use(tmp_path / "box", work)


def test_what_is_closed_stays_closed(tmp_path):
    async def go():
        box = LocalSandbox(Ground())
        await box.open(tmp_path / "box")
        await box.exec("sleep 4321 &")
        await box.close()
        await box.close()
        for use_it in (box.exec("true"), box.shell("true"), box.read("/x"), box.listen("127.0.0.1", 80)):
            with pytest.raises(SandboxFault, match="not open"):
                await use_it

    asyncio.run(go())


def test_a_new_shell_has_nothing_behind_it(tmp_path):
    async def work(box):
        assert (await box.shell("echo $?")).stdout == "0\n"
        assert (await box.shell("exit 3")).exit_code == 3
        assert (await box.shell("echo $?")).stdout == "0\n"

    use(tmp_path, work)


def test_the_exit_code_carries_over_as_in_a_terminal(tmp_path):
    async def work(box):
        for text, code in (
            ("false", 1),
            ("(exit 77)", 77),
            ("kill -9 $BASHPID &\nwait $!", 137),
            ("nope 2>/dev/null", 127),
        ):
            assert (await box.shell(text)).exit_code == code
            assert (await box.shell("echo $?")).stdout == f"{code}\n"
            assert (await box.shell("echo $?")).stdout == "0\n"

    use(tmp_path, work)


def test_a_carried_exit_code_ends_nothing(tmp_path):
    async def work(box):
        await box.shell("trap 'echo trapped' ERR RETURN; x=kept")
        assert (await box.shell("if true; then (exit 5) && :; fi")).exit_code == 5
        assert (await box.shell("echo $? $x")).stdout == "5 kept\n"
        await box.shell("__last_code() { echo mine; }; (exit 8) && :")
        assert (await box.shell("echo $? $x")).stdout == "8 kept\n"

    use(tmp_path, work)
