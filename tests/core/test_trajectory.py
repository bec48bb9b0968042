"""A trial read back."""

from __future__ import annotations

import pytest

from terrarium.core.errors import JournalFault
from terrarium.core.journal import EventKind, Journal
from terrarium.core.trajectory import load


def test_header_events_turns_and_verdict(play):
    played = play(
        """
        @entry(["notes"], NOTES, agents=["a", "b"])
        def fn(env, agents):
            agents["a"].act("one")
            agents["b"].act("two " + "x" * 70_000)
            return run_checkers({"so": lambda: True})
        """,
        [{"tool": "notes_add", "args": {"text": "y"}}, "done"],
    )
    found = load(played.journal)
    assert found.header["seed"] == 0
    assert found.verdict == played.result.verdict
    assert (found.stop, found.error) == ("completed", None)
    first, second = found.turns()
    assert (first.agent, first.number, first.instruction) == ("a", 1, "one")
    assert (second.agent, second.number, len(second.instruction)) == ("b", 2, 70_004)
    assert {event.kind for event in first.events} >= {EventKind.STEP, EventKind.TOOL_CALL, EventKind.CHANGE}
    assert [event.data["text"] for event in first.events if event.data.get("state") == "end"] == ["done"]
    assert len(list(found.of(EventKind.CHANGE))) == 2


def test_a_try_that_stopped_in_the_middle_has_no_verdict(tmp_path):
    journal = Journal(tmp_path / "j", lambda: 0)
    journal.append(EventKind.HEADER, "world", {"x": 1})
    journal.append(EventKind.TURN, "a", {"state": "begin", "number": 1, "instruction": "go"})
    journal.append(EventKind.ERROR, "world", {"type": "X"})
    journal.close()
    found = load(tmp_path / "j")
    assert (found.verdict, found.stop, found.error) == (None, None, {"type": "X"})
    assert [turn.instruction for turn in found.turns()] == ["go"]


@pytest.mark.parametrize(
    "content", [None, b"", b'{"seq":1,"kind":"stop","actor":"w","time":0,"cause":null,"data":{}}\n']
)
def test_what_is_no_trajectory(tmp_path, content):
    if content is not None:
        (tmp_path / "j").write_bytes(content)
    with pytest.raises(JournalFault):
        load(tmp_path / "j")
