"""`terrarium attach`: a journal is followed while it is written, torn, cut, given up and begun anew."""

from __future__ import annotations

import json
import os
import threading
import tty

import pytest
from click.testing import CliRunner

from terrarium.cli.follow import Follower
from terrarium.cli.main import terrarium
from terrarium.core.errors import JournalFault
from terrarium.run.config import AgentConfig
from terrarium.run.lock import LOCK, Lock, holder
from terrarium.run.runtime import runtime

TASK = """
    @entry(["notes"], NOTES)
    def fn(env, agent):
        agent.act("Note \\x1b[31m something.")
        return run_checkers({"noted": lambda: env.notes.texts()})
"""
SCRIPT = [{"tool": "notes_add", "args": {"text": "a"}}, "done"]


class Writer:
    """Writes the lines of a journal that there was, as they come."""

    def __init__(self, played, folder):
        self.lines = played.journal.read_bytes().splitlines(keepends=True)
        self.trial = folder / "trials" / "abc"
        self.journal = self.begin(1)
        self.working = True
        self.told = []
        self.notes = []

    def begin(self, number):
        self.journal = self.trial / f"try-{number}" / "journal.jsonl"
        self.journal.parent.mkdir(parents=True)
        self.journal.touch()
        return self.journal

    def write(self, data):
        with self.journal.open("ab") as file:
            file.write(data)

    def follow(self, *steps, tries=1000):
        """Follow, and do the next step whenever all that was written has been told."""
        left = list(steps)

        def works():
            if left:
                left.pop(0)()
            return self.working

        follower = Follower(self.journal, works, tries)
        for followed in follower.events():
            (self.notes if followed.entry is None else self.told).append(followed)
        return follower

    def rest(self):
        self.working = False

    @property
    def numbers(self):
        return [followed.entry.seq for followed in self.told]


@pytest.fixture
def writer(play, tmp_path):
    return Writer(play(TASK, SCRIPT), tmp_path / "run")


def test_lines_are_told_as_they_are_written_and_a_torn_one_is_waited_for(writer):
    lines = writer.lines
    half = len(lines[3]) // 2
    follower = writer.follow(
        lambda: writer.write(b"".join(lines[:3]) + lines[3][:half]),
        lambda: writer.told and writer.numbers != [1, 2, 3] and pytest.fail("a torn line was told"),
        lambda: writer.write(lines[3][half:]),
        lambda: writer.write(b"".join(lines[4:])),
    )
    assert writer.numbers == list(range(1, len(lines) + 1))
    assert [followed.line for followed in writer.told] == [line.decode().rstrip("\n") for line in lines]
    assert follower.scored
    assert not writer.notes


def test_a_trial_that_was_resumed_goes_on_where_it_was_cut(writer):
    lines = writer.lines

    def cut():
        os.truncate(writer.journal, sum(map(len, lines[:4])))

    writer.follow(
        lambda: writer.write(b"".join(lines[:8])), lambda: None, cut, lambda: writer.write(b"".join(lines[4:]))
    )
    assert writer.numbers == [*range(1, 9), *range(5, len(lines) + 1)]
    assert [note.line for note in writer.notes] == ["it was interrupted, and goes on behind event 4"]


def failed(lines, boundary):
    """The journal as it ends where the machinery failed."""
    said = [json.loads(line) for line in lines]
    said[-1]["data"]["verdict"]["fields"].update(reward=None, passed=None)
    told = {"type": "SandboxFault", "message": "gone", "boundary": boundary, "code": None}
    error = {**said[-2], "kind": "error", "actor": "world", "data": told}
    return b"".join(json.dumps(line).encode() + b"\n" for line in [*said[:-2], error, *said[-2:]])


def test_the_next_try_is_followed(writer):
    def again():
        writer.begin(2)
        writer.write(b"".join(writer.lines))

    follower = writer.follow(lambda: writer.write(failed(writer.lines, "sandbox")), lambda: None, again)
    assert follower.scored
    assert writer.numbers.count(1) == 2
    assert [note.line for note in writer.notes] == ["it is tried again: try-2"]


@pytest.mark.parametrize(("boundary", "tries"), [("task", 1000), ("sandbox", 1)])
def test_what_is_not_tried_again_ends(writer, boundary, tries):
    follower = writer.follow(lambda: writer.write(failed(writer.lines, boundary)), tries=tries)
    assert (follower.ended, follower.scored) == (True, False)


def test_a_trial_that_nobody_works_at_is_not_waited_for(writer):
    writer.write(b"".join(writer.lines[:5]))
    follower = writer.follow(writer.rest)
    assert (follower.ended, writer.numbers) == (False, [1, 2, 3, 4, 5])
    assert writer.notes[-1].line == "nobody works at it any more: it was interrupted"


def test_a_damaged_line_is_an_error(writer):
    with pytest.raises(JournalFault, match="line 2, is damaged"):
        writer.follow(lambda: writer.write(writer.lines[0] + b"nonsense\n"))


def test_the_command_shows_a_trial_that_has_ended(play):
    played = play(TASK, SCRIPT)
    done = CliRunner().invoke(terrarium, ["attach", str(played.folder)])
    assert done.exit_code == 0, done.output
    assert "notes_add" in done.output
    assert "verdict  reward 1.000" in done.output
    assert "\x1b[31m" not in done.output
    raw = CliRunner().invoke(terrarium, ["attach", "--json", str(played.journal)])
    assert raw.output == played.journal.read_text()
    assert CliRunner().invoke(terrarium, ["attach", str(played.folder / "none")]).exit_code == 2


def test_a_running_trial_is_followed_to_its_verdict(play):
    master, slave = os.openpty()
    tty.setraw(slave)
    played = play(TASK, AgentConfig(name="human", kwargs={"terminal": os.ttyname(slave)}), run=False)
    running = runtime().submit(played.trial._run())
    while not list(played.folder.glob("trials/*/try-1/journal.jsonl")):
        assert not running.done()
    shown: list[str] = []

    def attach():
        shown.append(CliRunner().invoke(terrarium, ["attach", str(played.folder)]).output)

    following = threading.Thread(target=attach)
    following.start()
    os.write(master, b"notes_add text=by-hand\nsay so\n")
    result = running.result(30)
    following.join(30)
    os.close(slave)
    os.close(master)
    assert result.verdict.reward == 1.0
    assert "by-hand" in shown[0]
    assert "verdict  reward 1.000" in shown[0]


def test_who_works_in_a_folder(tmp_path):
    assert holder(tmp_path) is None
    with Lock(tmp_path):
        assert holder(tmp_path) == os.getpid()
    (tmp_path / LOCK).write_text("nonsense")
    assert holder(tmp_path) is None
    (tmp_path / LOCK).write_text("4194304")  # more than there can be
    assert holder(tmp_path) is None
