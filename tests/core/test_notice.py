"""What agents are told without asking: when, in which order, and only what the task wants them told."""

from __future__ import annotations

import pytest

TASK = """
    @entry(["notes"], NOTES, notices={notices})
    def fn(env, agent):
        env.notes.leave("agent", "before the turn")
        env.after("3500ms", lambda: env.notes.leave("agent", "during the second step"))
        agent.act("go")
        return run_checkers({{"fine": lambda: True}})

    @fn.solution
    def solve(seat):
        told = [seat.notices()]
        for _ in range(3):
            seat.call("notes_list")
            told.append(seat.notices())
        return " | ".join(",".join(part) for part in told)
"""


def test_an_agent_is_told_at_its_next_step(play):
    played = play(TASK.format(notices=["notes"]), "oracle")
    [end] = [event for event in played.events("turn") if event.data["state"] == "end"]
    before, during = "a note for you: before the turn", "a note for you: during the second step"
    assert end.data["text"] == f"{before} |  | {during} | "
    told = played.events("notice")
    assert [event.data["notice"].text for event in told] == [before, during]
    assert all(event.seen_by == ("agent",) for event in told)
    second_result = played.events("tool_result")[1]
    assert told[1].time == second_result.time


def test_nobody_is_told_unless_the_task_says_so(play):
    played = play(TASK.format(notices=[]), "oracle")
    assert played.events("notice") == []


@pytest.mark.parametrize("notices", ["notes", ["email"], [3]])
def test_what_cannot_be_a_policy(play, notices):
    with pytest.raises(Exception, match="notices must be a list"):
        play(TASK.format(notices=repr(notices)), "oracle")


WAITING = """
    @entry(["notes"], NOTES, notices=["all"])
    def fn(env, agent):
        env.after("40m", lambda: env.notes.leave("agent", "lunch"))
        env.after("10m", lambda: env.notes.add("of no concern"))
        begun = env.clock.now
        told = agent.wait({arguments})
        env.reward(f"{{(env.clock.now - begun).total_seconds() / 60:g}} min: {{[n.text for n in told]}}", 0)
        agent.act("go on")
        return run_checkers({{"fine": lambda: True}})
"""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("for_='2h'", "40 min: ['a note for you: lunch']"),
        ("", "40 min: ['a note for you: lunch']"),
        ("until='09:30'", "30 min: []"),
        ("for_=60", "1 min: []"),
    ],
)
def test_the_program_waits_for_the_next_notice(play, arguments, said):
    played = play(WAITING.format(arguments=arguments))
    assert played.said == [said]
    assert len(played.events("notice")) == ("lunch" in said)


def test_waiting_ends_with_the_time_where_nothing_happens(play):
    source = WAITING.replace('env.after("40m"', 'env.after("99d"').replace(
        "notices=", "limits={{'world_days': 1}}, notices="
    )
    played = play(source.format(arguments="for_='1h'"))
    assert played.said == ["60 min: []"]


AGENT_WAITS = """
    @entry(["notes"], NOTES, notices=["notes"])
    def fn(env, agent):
        env.after("40m", lambda: env.notes.leave("agent", "lunch"))
        agent.act("go")
        return run_checkers({"fine": lambda: True})

    @fn.solution
    def solve(seat):
        first = seat.call("clock_wait", minutes=500)
        second = seat.call("clock_wait", minutes=5)
        return f"{first['waited_minutes']:.1f} {first['notices']} {second['waited_minutes']:.1f} {second['notices']}"
"""


def test_the_agent_waits_for_the_next_notice(play):
    played = play(AGENT_WAITS, "oracle")
    [end] = [event for event in played.events("turn") if event.data["state"] == "end"]
    assert end.data["text"] == "40.0 1 5.0 0"
    assert [event.time.strftime("%H:%M:%S") for event in played.events("notice")] == ["09:40:01"]


def test_waiting_is_refused_without_sense(play):
    played = play(AGENT_WAITS, [{"tool": "clock_wait", "args": {"minutes": n}} for n in (0, -1, 1e9)])
    assert all("minutes" in shown for shown in played.shown())
    assert len(played.shown()) == 3


def test_a_resumed_trial_tells_the_same(play):
    whole = play(
        TASK.format(notices=["notes"]).replace("return run", 'agent.act("again")\n        return run'),
        "oracle",
        snapshot="every-turn",
    )
    parts = whole.parts()
    turn_end = next(event for event in whole.events("turn") if event.data["state"] == "end")
    whole.crash_behind(turn_end, more=4)
    assert whole.run().parts() == parts


def test_of_a_storm_of_notices_the_last_thousand_are_kept_and_long_ones_are_cut(play):
    played = play(
        """
        @entry(["notes"], NOTES, notices=["notes"])
        def fn(env, agent):
            def storm():
                for number in range(1500):
                    env.notes.leave("agent", f"{number} " + "x" * 1000)
            env.after("1s", storm)
            agent.act("go")
            return run_checkers({"all are there": lambda: env.notes.count() == 1500})

        @fn.solution
        def solve(seat):
            seat.call("notes_list")
            told = [text.removeprefix("a note for you: ") for text in seat.notices()]
            return f"{len(told)}, {told[0].split()[0]} to {told[-1].split()[0]}, {max(map(len, told))} long"
        """,
        "oracle",
    )
    assert played.reward == 1.0
    [end] = [event for event in played.events("turn") if event.data["state"] == "end"]
    assert end.data["text"] == "1000, 500 to 1499, 484 long"
