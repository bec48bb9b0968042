"""`terrarium chat`: a person at a pseudo-terminal talks to an agent, and the session is an ordinary run."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import select
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from terrarium.cli.main import terrarium
from terrarium.core.journal import read
from terrarium.core.values import Blobs
from terrarium.run.folder import RunFolder
from terrarium.run.fork import fork, run_fork
from terrarium.run.replaying import replay

TASK = """
from terrarium import entry
from terrarium.task.checking import run_checkers

@entry(capabilities=["email"], capabilities_config={"email": {"accounts": {"agent": "me@x.example"}}})
def fn(env, agent):
    agent.act("Write to the boss.")
    agent.act("And again.")
    return run_checkers({"written": lambda: env.workspace.fs.read_text("/root/note.txt") == "hello"})
"""

AGENT = '''
"""An agent that writes what it is told, sleeps when it is told, and breaks when it is told."""
import asyncio

from terrarium.core.agent import Reply
from terrarium.core.errors import ModelFault
from terrarium.core.message import Message, TextBlock, Usage
from terrarium.core.model import Completion
from terrarium.core.tool import ToolCall


class Obedient:
    timing = "fixed"

    async def open(self, seat): ...

    async def act(self, instruction, seat, resumed=False):
        async def request():
            if instruction.text == "sleep":
                print("asleep", flush=True)
                await asyncio.sleep(60)
            if instruction.text == "break":
                raise ModelFault("the model is gone")
            text = f"I heard \\x1b[31m{instruction.text}"
            return Completion(Message("assistant", [TextBlock(text)]), usage=Usage(10, 5), model="m", cost=0.25)

        step = await seat.think(request)
        if instruction.text.startswith("write "):
            await seat.call(ToolCall("workspace_write", {"path": "/root/note.txt", "content": instruction.text[6:]}))
        return Reply.say(step.message.text)

    def save(self):
        return b""

    def load(self, memory): ...

    async def close(self): ...
'''


class Chat:
    """A session in a process of its own, behind a pseudo-terminal."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.run = folder / "run"
        self.seen = ""
        command = [sys.executable, "-m", "terrarium.cli.main", "chat", *arguments, "-o", str(self.run), "--no-color"]
        self.pid, self._master = pty.fork()
        if self.pid == 0:
            os.environ.update(PYTHONPATH=str(folder), TERM="dumb", COLUMNS="200")
            os.execv(command[0], command)
        self._read = 0

    def until(self, text: str, seconds: float = 30) -> str:
        """Everything up to a text that comes."""
        end = time.monotonic() + seconds
        while text not in self.seen[self._read :]:
            ready, _, _ = select.select([self._master], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"{text!r} does not come: {self.seen}"
            try:
                data = os.read(self._master, 65536)
            except OSError:
                data = b""
            assert data, f"{text!r} never came: {self.seen}"
            self.seen += data.decode()
        start, self._read = self._read, self.seen.index(text, self._read) + len(text)
        return self.seen[start : self._read]

    def say(self, line: str) -> str:
        """Type a line; gives what is shown up to the next prompt."""
        os.write(self._master, f"{line}\n".encode())
        return self.until("you> ")

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def strike(self, text: str) -> str:
        """Ctrl-C, until a text comes: one between a prompt and the wait of readline is noticed at the next key."""
        for _ in range(20):
            self.type("\x03")
            with contextlib.suppress(AssertionError):
                return self.until(text, 1.5)
        return self.until(text)

    def end(self) -> int:
        """The exit code."""
        while True:
            try:
                data = os.read(self._master, 65536)
            except OSError:
                data = b""
            if not data:
                break
            self.seen += data.decode()
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status)

    def close(self) -> None:
        os.close(self._master)
        try:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass

    def events(self, *kinds: str) -> list:
        [journal] = self.run.glob("trials/*/try-1/journal.jsonl")
        return [event for event in read(journal, Blobs(self.run / "blobs")) if event.kind in kinds]


@pytest.fixture
def chat(tmp_path: Path) -> Iterator:
    (tmp_path / "obedient.py").write_text(AGENT)
    (tmp_path / "task").mkdir()
    (tmp_path / "task" / "task.py").write_text(TASK)
    made: list[Chat] = []

    def go(*arguments: str) -> Chat:
        made.append(Chat(tmp_path, *arguments, "--agent-import", "obedient:Obedient", "--sandbox", "memory"))
        made[-1].until("you> ")
        return made[-1]

    yield go
    for one in made:
        one.close()


def test_a_session_in_a_world_of_its_own(chat, monkeypatch, tmp_path):
    one = chat("--with", "email")
    shown = one.say("write hello")
    assert "I heard \\x1b[31mwrite hello" in shown
    assert "\x1b[31m" not in shown
    assert "workspace_write" in shown
    assert "turn 1: 1 steps, 15 tokens, $0.2500  all: 1 steps, 15 tokens, $0.2500" in shown
    assert "all: 2 steps, 30 tokens, $0.5000" in one.say("again")
    assert "email_send" in one.say("/tools")
    assert "workspace" in one.say("/world")
    assert "2 turns: 2 steps, 30 tokens" in one.say("/cost")
    assert "terrarium fork" in one.say("/save")
    assert "there is no command /nonsense" in one.say("/nonsense")
    assert "I heard \\x1b[31m/etc" in one.say("//etc")
    one.type("/quit\n")
    assert one.end() == 0
    assert [event.data["instruction"] for event in one.events("turn") if event.data["state"] == "begin"] == [
        "write hello",
        "again",
        "/etc",
    ]
    assert [event.data["verdict"].reward for event in one.events("verdict")] == [1.0]
    monkeypatch.syspath_prepend(str(tmp_path))
    [journal] = one.run.glob("trials/*/try-1/journal.jsonl")
    done = asyncio.run(replay(journal))
    assert done.identical, done.difference.text()
    told = CliRunner().invoke(terrarium, ["show", str(one.run)])
    assert told.exit_code == 0
    folder = RunFolder(one.run)
    [parent] = [folder.result(path.stem).trial for path in (one.run / "verdicts").glob("*.json")]
    assert parent.chat
    branch = fork(folder, parent, 2, instruction="write bye")
    result = asyncio.run(run_fork(folder, branch))
    assert result.error is None
    assert result.totals["turns"] == 2


def test_a_task_gets_its_world_ready_and_judges(chat, tmp_path):
    one = chat(str(tmp_path / "task"))
    assert "Write to the boss." in one.seen
    assert "I heard \\x1b[31mWrite to the boss." in one.say("/task")
    assert "And again." in one.say("/next")
    one.say("write hello")
    one.type("\x04")  # the end of what is typed
    assert one.end() == 0
    assert "reward 1.000" in one.seen


def test_ctrl_c_ends_the_turn_and_a_broken_model_the_turn_too(chat, monkeypatch, tmp_path):
    one = chat("--with", "email")
    one.type("sleep\n")
    one.until("asleep")
    one.type("\x03")
    assert "the turn is ended" in one.until("you> ")
    assert "the model is gone" in one.say("break")
    assert "I heard" in one.say("still there?")
    one.strike("/quit ends the session")
    one.until("you> ")
    one.type("/quit\n")
    assert one.end() == 0
    stops = [event.data["stop"] for event in one.events("turn") if event.data["state"] == "end"]
    assert stops == ["turn_time_limit", "error", "completed"]
    monkeypatch.syspath_prepend(str(tmp_path))
    [journal] = one.run.glob("trials/*/try-1/journal.jsonl")
    done = asyncio.run(replay(journal))
    assert done.identical, done.difference.text()


def test_what_cannot_be_talked_to(tmp_path):
    def told(*arguments: str) -> str:
        done = CliRunner().invoke(terrarium, ["chat", *arguments, "-o", str(tmp_path / "run"), "-a", "null"])
        assert done.exit_code == 2, done.output
        return done.output

    assert "in which world" in told()
    assert "did you mean 'email'" in told("--with", "emial")
    assert json.dumps(str(tmp_path))[1:-1] in told(str(tmp_path / "nowhere"))
