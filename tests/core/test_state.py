"""Moments of a world, and what a task program asks about them."""

from __future__ import annotations

import pytest

from terrarium.core.journal import EventKind, read
from terrarium.core.state import State, compare, journal_diff, judged
from terrarium.core.trajectory import load
from terrarium.core.values import Blobs
from terrarium.sandbox.tier import tier

NAMESPACES = pytest.mark.skipif(tier().number > 1, reason="; ".join(tier().reasons) or "there")
PLACES = ["memory", pytest.param("local", marks=NAMESPACES)]

REPLY = """
from terrarium import allowed
ANN, ME = "ann@corp.example", "agent@world.example"

@entry(["email", "calendar"], CONFIG)
DEF fn(env, agent):
    start = env.state()
    env.workspace.fs.write_file("given.txt", "1")
    env.email.send(ANN, ME, "Lunch?", "At noon?")
    env.calendar.create_calendar("Work", "work")
    AWAIT agent.act("Answer.")
    middle = env.state()
    env.email.send(ANN, ME, "Thanks", "Bye.")
    for change in [*env.diff().changes, *env.diff(start, middle, by="task").added]:
        env.reward(f"{change.kind} {change.capability} {change.table}", 0)
    reply = allowed("email:message", where={"recipients": [ANN]}, times=1)
    return run_checkers({
        "only the reply": lambda: env.unchanged_except(reply, "workspace:file:/root/answer.txt", "calendar"),
        "and the file": lambda: env.unchanged_except(reply, "calendar"),
        "nothing since": lambda: env.unchanged_except(before=middle),
        "what is missing": lambda: env.unchanged_except("email", "workspace", "calendar", allowed("email", times=9)),
        "a slip": lambda: env.unchanged_except("mail"),
    })
"""
STEPS = [
    {"tool": "email_list", "args": {}},
    {"tool": "email_read", "args": {"id": "INBOX/1"}},
    {"tool": "email_reply", "args": {"id": "INBOX/1", "body": "Gladly."}},
    {"tool": "workspace_write", "args": {"path": "answer.txt", "content": "yes"}},
    {"tool": "workspace_write", "args": {"path": "/tmp/scratch/x", "content": "…"}},
    {"tool": "calendar_create", "args": {"calendar": "admin/work", "summary": "Lunch", "start": "2030-01-08T12:00Z"}},
    "done",
]


def source(sandbox: str, kind: str) -> str:
    awaits = "await " if kind == "async def" else ""
    config = {"workspace": {"sandbox": sandbox}}
    return REPLY.replace("CONFIG", repr(config)).replace("DEF", kind).replace("AWAIT ", awaits)


@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize("sandbox", PLACES)
def test_a_program_asks_what_agents_changed(play, sandbox, kind):
    played = play(source(sandbox, kind), STEPS)
    assert played.error is None
    checks = {check.name: check for check in played.result.verdict.checks}
    assert checks["only the reply"].passed
    assert checks["nothing since"].passed
    assert {name for name, check in checks.items() if not check.passed} == {
        "and the file",
        "what is missing",
        "a slip",
    }
    assert "+ file /root/answer.txt" in checks["and the file"].exception["message"]
    assert "message" not in checks["and the file"].exception["message"]
    assert "missing: 9 × email" in checks["what is missing"].exception["message"]
    assert "did you mean 'email'" in checks["a slip"].exception["message"]
    assert [word for word in played.said if "workspace" not in word] == [
        "changed calendar calendar",
        "added calendar object",
        "changed email copy",
        "added email copy",
        "added email copy",
        "added email message",
        "added calendar calendar",
        "added email copy",
        "added email copy",
        "added email message",
    ]
    assert "added workspace file" in played.said


@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize("sandbox", PLACES)
def test_a_replay_answers_and_what_comes_after_goes_on(play, sandbox, kind):
    played = play(source(sandbox, kind), STEPS, snapshot="every-turn")
    verdict = played.result.verdict
    parts = played.parts()
    played.crash_behind(played.snapshots()[1])
    again = played.trial.run_sync()
    assert again.verdict.reward == verdict.reward
    assert [check.passed for check in again.verdict.checks] == [check.passed for check in verdict.checks]
    if sandbox == "memory":
        assert played.parts() == parts


@pytest.mark.parametrize("sandbox", PLACES)
def test_every_trial_tells_what_changed_in_it_until_it_was_judged(play, sandbox):
    played = play(source(sandbox, "def"), STEPS)
    trajectory = load(played.journal)
    diff = trajectory.diff()
    keys = {(c.capability, c.table, c.key) for c in diff.changes}
    assert ("workspace", "file", "/root/answer.txt") in keys
    assert ("workspace", "file", "/root/given.txt") not in keys
    assert {c.kind for c in diff.of("email", "message")} == {"added"}
    assert len(diff.of("email", "message")) == 1
    assert len(trajectory.diff("everyone").of("email", "message")) == 2
    assert journal_diff(played.journal, Blobs(played.folder / "blobs")) == diff
    assert (diff.left_out, diff.unknown) == (0, [])


@pytest.mark.parametrize("sandbox", PLACES)
def test_checks_before_the_last_turn_do_not_end_the_story(play, sandbox):
    played = play(
        """
        @entry(capabilities_config={"workspace": {"sandbox": "SANDBOX"}})
        def fn(env, agent):
            agent.act("one")
            first = run_checkers({"first": lambda: env.unchanged_except("workspace:file:/root/one")})
            agent.act("two")
            return first
        """.replace("SANDBOX", sandbox),
        [
            {"tool": "workspace_write", "args": {"path": "one", "content": "1"}},
            "done",
            {"tool": "workspace_write", "args": {"path": "two", "content": "2"}},
            "done",
        ],
    )
    assert played.reward == 1.0
    assert [c.key for c in load(played.journal).diff().of("workspace", "file")] == ["/root/one", "/root/two"]


def test_reads_are_recorded_as_traces_and_are_no_change(play):
    played = play(
        """
        @entry(["email"])
        def fn(env, agent):
            env.email.send("ann@corp.example", env.email.address(), "News", "None.")
            agent.act("Read.")
            env.reward(str([change.fields for change in env.diff(by="everyone").changes]), 0)
            return run_checkers({"only looked": lambda: env.unchanged_except() and not env.diff()})
        """,
        [{"tool": "email_read", "args": {"id": "INBOX/1"}}, "done"],
    )
    assert played.reward == 1.0
    assert played.said == ["[['flags']]"]
    traced = [event.data["table"] for event in played.events("change") if "trace" in event.data]
    assert traced == ["mailbox", "mailbox", "copy"]


def test_where_no_agent_has_acted_nothing_differs(play):
    played = play(
        """
        @entry(["notes"], NOTES)
        def fn(env, agent):
            env.notes.add("x")
            now = env.state()
            env.notes.add("y")
            for wrong in (lambda: env.diff(env.state(), now), lambda: env.unchanged_except(3)):
                try:
                    wrong()
                except ConfigError as error:
                    env.reward(str(error), 0)
            return run_checkers({
                "nothing": lambda: not env.diff() and env.unchanged_except(),
                "since": lambda: len(env.diff(now, by="task")) == 1,
            })
        """
    )
    assert played.reward == 1.0
    assert "forward in time" in played.said[0]
    assert "a pattern is text" in played.said[1]


def test_a_diff_may_be_asked_for_in_conditions_and_callbacks(play):
    played = play(
        """
        @entry(["notes"], NOTES)
        def fn(env, agent):
            env.notes.add("x")
            env.when(lambda: env.diff(), lambda: env.reward(f"seen: {len(env.diff())}", 0))
            agent.act("Go.")
            return run_checkers({"so": lambda: True})
        """,
        [{"tool": "notes_add", "args": {"text": "y"}}, "done"],
    )
    assert played.said == ["seen: 1"]


def test_a_capability_that_came_or_went_is_not_taken_for_damage(play):
    played = play(
        """
        @entry(["notes"], NOTES)
        def fn(env, agent):
            agent.act("Go.")
            env.release("notes")
            return run_checkers({"so": lambda: env.unchanged_except()})
        """,
        [{"tool": "notes_add", "args": {"text": "y"}}, "done"],
    )
    assert played.reward == 1.0


def test_a_large_diff_lies_in_a_blob(play):
    played = play(
        """
        @entry(["workspace"], {"workspace": {"sandbox": "memory"}})
        def fn(env, agent):
            agent.act("Go.")
            return run_checkers({"so": lambda: len(env.diff()) == 200})
        """,
        [{"tool": "workspace_exec", "args": {"command": f"echo {'x' * 800} > f{number}"}} for number in range(200)]
        + ["done"],
        limits={"steps": 500, "tool_calls": 500},
    )
    assert played.reward == 1.0
    [asked] = [event.seq for event in played.events("call") if event.data["path"] == "env.diff"]
    assert b'{"$blob":' in played.journal.read_bytes().splitlines()[asked]


def test_the_moment_of_judging_is_found(play):
    played = play(source("memory", "def"), STEPS)
    events = list(read(played.journal, None))
    [call] = [e.seq for e in events if e.kind is EventKind.CALL and e.data["path"] == "env.checking"]
    assert judged(events) == State(call)
    assert judged(events[: call - 1]) == State(call - 1)
    assert compare(events, None, None, State(0)).changes == []
