"""A human at a terminal, played by a script that types."""

from __future__ import annotations

import asyncio
import os
import threading
import tty
from collections.abc import Iterator

import pytest

from terrarium.agent.human import HumanAgent
from terrarium.core.errors import ConfigError
from terrarium.run.config import AgentConfig
from terrarium.run.replaying import replay

TASK = """
    @entry(["notes"], NOTES, notices=["notes"])
    def fn(env, agent):
        env.notes.leave("agent", "\\x1b[31mred")
        said = [agent.act("Note something."), agent.act("And again.")]
        env.reward(str([(reply.text, reply.stop) for reply in said]), 0)
        return run_checkers({"noted": lambda: "two words" in env.notes.texts()})
"""


class Terminal:
    """A pseudo-terminal: what the human types, and what the human sees."""

    def __init__(self) -> None:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        self.seen = b""
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._master, 4096)
            except OSError:
                return
            self.seen += data

    def type(self, *lines: str) -> None:
        os.write(self._master, "".join(f"{line}\n" for line in lines).encode())

    def close(self) -> None:
        os.close(self._slave)
        os.close(self._master)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    made = Terminal()
    yield made
    made.close()


def human(terminal: Terminal, **more: str) -> AgentConfig:
    return AgentConfig(name="human", kwargs={"terminal": terminal.path, "annotator": "ann", **more})


def test_what_is_typed_is_done_and_recorded(play, terminal):
    terminal.type("tools", 'notes_add text="two words"', 'notes_add {"text": "json"}', "say done it", "done")
    played = play(TASK, human(terminal, expertise="expert"))
    assert played.reward == 1.0
    assert played.said == ["[('done it', 'completed'), ('', 'completed')]"]
    assert [event.data["completion"].model for event in played.events("model")] == ["human:ann"] * 4
    header = played.events("header")[0].data
    assert header["agent"]["kwargs"] == {"terminal": terminal.path, "annotator": "ann", "expertise": "expert"}
    assert not header["deterministic"]
    assert all(event.data["cost"][1] >= 0 for event in played.events("step"))
    assert b"[agent] Note something." in terminal.seen
    assert b"notes_list: List the notes." in terminal.seen


def test_nothing_that_a_world_says_reaches_the_terminal_as_a_command(play, terminal):
    terminal.type("done", "done")
    play(TASK, human(terminal))
    assert "! a note for you: \N{REPLACEMENT CHARACTER}[31mred".encode() in terminal.seen
    assert b"\x1b" not in terminal.seen


def test_mistyped_lines_cost_nothing(play, terminal):
    terminal.type("notes_add text", "notes_add {broken", "", "help notes_add", "done", "done")
    played = play(TASK, human(terminal))
    assert len(played.events("step")) == 2
    assert b"is not key=value" in terminal.seen


def test_who_gives_up_gets_no_further_turn(play, terminal):
    terminal.type("quit")
    played = play(TASK, human(terminal))
    assert played.said == ["[('', 'gave_up'), ('', 'gave_up')]"]


def test_without_a_terminal_it_is_an_error_of_the_agent(play):
    played = play(TASK, AgentConfig(name="human", kwargs={"terminal": "/nowhere/pts"}))
    assert played.error.startswith("AgentFault: the terminal /nowhere/pts cannot be opened")


def test_expertise_is_one_of_three():
    with pytest.raises(ConfigError, match="novice, intermediate, expert"):
        HumanAgent(expertise="wizard")


def test_what_a_human_did_is_replayed_without_the_human(play, terminal):
    terminal.type('notes_add {"text": "two words"}', "say noted", "notes_list", "quit")
    played = play(TASK, human(terminal))
    assert played.reward == 1.0
    shown = terminal.seen
    done = asyncio.run(replay(played.journal))
    assert done.identical, done.difference.text()
    assert done.exact
    assert terminal.seen == shown
