"""Mail read and arranged over IMAP in a whole world: on its clock, in its journal, seen by its task."""

from __future__ import annotations

from typing import Any

TASK = """
CONFIG = {"telnet": {"import_path": "telnet_capability:Telnet"}}

@entry(capabilities=["email", "telnet"], capabilities_config=CONFIG)
def fn(env, agent):
    boss, me = "boss@corp.example", env.email.address()
    env.email.send(boss, me, "Numbers", "How many?")
    env.when(
        lambda: "\\\\Flagged" in env.email.list_inbox(me)[0]["flags"],
        lambda: env.email.send(boss, me, "Well", "Flagged at " + env.clock.now.isoformat()),
    )
    agent.act("Flag the mail that is there, and read the answer.")
    [draft] = env.email.list_folder(me, "Drafts")
    env.reward(draft["subject"] + " " + draft["by"] + " " + draft["received"].isoformat(), 0)
    done = env.email.list_folder(me, "Work/Done")
    return run_checkers({"filed": lambda: [mail["subject"] for mail in done] == ["Numbers"]})
"""
FLAG = (
    "a LOGIN agent x\nb SELECT INBOX\nc STORE 1 +FLAGS (\\Flagged)\nd NOOP\n"
    "e FETCH 2 (BODY[TEXT] INTERNALDATE)\nf LOGOUT\n"
)
FILE = (
    "a LOGIN agent x\nb CREATE Work/Done\nc SELECT INBOX\nd UID MOVE 1 Work/Done\n"
    "e APPEND Drafts (\\Draft) {18+}\nSubject: answer\n\n\nf LOGOUT\n"
)
SCRIPT = [
    {"tool": "telnet_say", "args": {"host": "mail.world", "port": 143, "text": FLAG}},
    {"tool": "telnet_say", "args": {"host": "mail.world", "port": 143, "text": FILE}},
    "done",
]


def test_what_is_done_over_imap_is_an_event_of_the_world(play: Any) -> None:
    played = play(TASK, SCRIPT)
    assert played.reward == 1.0
    flagged, filed = played.shown()
    assert "Flagged at 2030-01-07T09:00:02" in flagged, "the condition is looked at before the next command"
    assert '" 7-Jan-2030 09:00:02 +0000"' in flagged
    assert "[COPYUID " in filed
    assert "[APPENDUID " in filed
    assert played.said == ["answer agent 2030-01-07T09:00:05+00:00"]
    assert {event.actor for event in played.events("change")} == {"agent", "task"}
    assert not played.events("error")


def test_two_runs_are_equal_and_a_resumed_one_too(play: Any) -> None:
    one, other = play(TASK, SCRIPT, snapshot="every-turn"), play(TASK, SCRIPT, snapshot="every-turn")
    assert one.parts() == other.parts()
    for snapshot in one.snapshots()[:-1]:
        other.crash_behind(snapshot)
        assert other.run().reward == 1.0
        assert other.parts() == one.parts()
