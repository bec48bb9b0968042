"""Heartbeats: who was woken when, who acted on what, and who cried wolf."""

from __future__ import annotations

import pytest

TASK = """
    @entry(["notes"], NOTES)
    {kind} fn(env, agent):
        env.at("09:45", lambda: env.notes.add("a result"))
        env.at("10:35", lambda: env.notes.add("another result"))
        report = {wait}env.heartbeat(agent, every="30m", {arguments})
        for beat in report.beats:
            env.reward(f"{{beat.time:%H:%M:%S}} {{beat.news}} {{beat.acted}} {{beat.latency}}", 0)
        env.reward(f"{{report.false_alarms}} false, {{report.missed}} missed, mean {{report.latency}}", 0)
        return run_checkers({{"fine": lambda: True}})

    @fn.solution
    def solve(seat):
        for acts in (True, True, False, True):
            if acts:
                seat.call("notes_add", text="seen")
            yield seat.instruction
"""
SAID = [
    "09:30:00 False True None",
    "10:00:00 True True 902.0",
    "10:30:00 False False None",
    "11:00:00 True True 1502.0",
    "1 false, 0 missed, mean 1202.0",
]


@pytest.mark.parametrize("arguments", ["until='11:00'", "times=4", "times=4, watch=['notes']"])
@pytest.mark.parametrize(("kind", "wait"), [("def", ""), ("async def", "await ")])
def test_what_is_measured(play, kind, wait, arguments):
    played = play(TASK.format(kind=kind, wait=wait, arguments=arguments), "oracle")
    assert played.said == SAID
    assert played.calls().count("env.heartbeat") == 1


def test_news_that_nobody_reacts_to_are_missed(play):
    played = play(TASK.format(kind="def", wait="", arguments="times=4"), "null")
    assert played.said[-1] == "0 false, 2 missed, mean None"


def test_the_task_says_what_is_news(play):
    arguments = "times=4, relevant=lambda: env.notes.count() >= 99"
    played = play(TASK.format(kind="def", wait="", arguments=arguments), "oracle")
    assert played.said[-1] == "3 false, 0 missed, mean None"


def test_the_agent_is_told_the_time(play):
    played = play(TASK.format(kind="def", wait="", arguments="times=1, text='{now:%H:%M} beat {number}'"), "oracle")
    assert [e.data["instruction"] for e in played.events("turn") if e.data["state"] == "begin"] == ["09:30 beat 1"]


def test_beats_that_a_long_turn_covers_are_left_out(play):
    source = TASK.format(kind="def", wait="", arguments="until='09:00:20'").replace("30m", "2s")
    played = play(source, "oracle")
    times = [line[:8] for line in played.said[:-1]]
    assert times == ["09:00:02", "09:00:08", "09:00:14", "09:00:16"]


@pytest.mark.parametrize("arguments", ["", "times=3, until='11:00'"])
def test_a_heartbeat_needs_one_end(play, arguments):
    played = play(TASK.format(kind="def", wait="", arguments=arguments), "oracle")
    assert "needs an end" in played.error


def test_a_resumed_heartbeat_measures_the_same(play):
    played = play(TASK.format(kind="def", wait="", arguments="times=4"), "oracle", snapshot="every-turn")
    parts, said = played.parts(), played.said
    ends = [event for event in played.events("turn") if event.data["state"] == "end"]
    played.crash_behind(ends[1], more=5)
    played.run()
    assert played.said == said
    assert played.parts() == parts
