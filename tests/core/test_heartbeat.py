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


MAIL = """
    @entry(["email"])
    def fn(env, agent):
        me = env.email.address()
        def mail(text):
            env.email.send("ann@corp.example", me, text, "")
        {happens}
        report = env.heartbeat(agent, every="30m", times=4)
        for beat in report.beats:
            env.reward(f"{{beat.news}} {{beat.acted}} {{beat.latency}}", 0)
        env.reward(f"{{report.false_alarms}} false, {{report.missed}} missed", 0)
        return run_checkers({{"fine": lambda: True}})

    @fn.solution
    def solve(seat):
        for doing in {doing}:
            for mail in seat.call("email_list")["mails"]:
                seat.call("email_read", id=mail["id"])
            if doing:
                seat.call("email_send", to=["ann@corp.example"], subject="Re", body="")
            yield "."
"""


@pytest.mark.parametrize(
    ("happens", "doing", "said"),
    [
        # to read a mail is no reaction to it, and no false alarm where it was read before
        ('mail("a")', "0000", ["False False None"] * 4),
        ('env.at("09:45", lambda: mail("a"))', "0000", ["False False None", "True False None"]),
        # a late reaction is late, not wrong; what was no news stays none
        (
            'env.at("09:45", lambda: mail("a"))',
            "0001",
            ["False False None", "True False None", "False False None", "True True 4508.0", "0 false, 1 missed"],
        ),
        ('env.at("09:45", lambda: mail("a"))', "0011", [*[""] * 2, "True True 2708.0", "False True None", "1 false"]),
        # what comes in the middle of a turn is news to it where the agent acts on it, else to the next beat
        ('env.at("09:30:03", lambda: mail("a"))', "1000", ["True True 2.0", *["False False None"] * 3, "0 false"]),
        (
            'env.when(lambda: env.email.sent(me), lambda: mail("a"))',
            "1010",
            ["False True None", "True False None", "True True 3602.0", "False False None", "1 false, 1 missed"],
        ),
    ],
)
def test_looking_is_not_acting_and_news_in_a_turn_are_not_lost(play, happens, doing, said):
    played = play(MAIL.format(happens=happens, doing=f"map(int, {doing!r})"), "oracle")
    for line, wanted in zip(played.said, said, strict=False):
        assert line.startswith(wanted), played.said


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


def test_a_storm_of_alarms_ends_with_the_turns_and_the_trial_is_scored(play):
    played = play(
        """
        @entry(limits={"turns": 20})
        def fn(env, agent):
            for number in range(3000):
                env.after("1m", lambda number=number: agent.post(f"alarm {number}"))
            env.clock.advance("1h")
            env.reward(f"{len(agent.replies)} {env.clock.now:%H:%M}", 0)
            return run_checkers({"nobody acts": lambda: False})
        """
    )
    assert played.reward == 0.0
    assert played.said == ["20 10:00"]
    assert played.result.stop == "turn_limit"
    begun = [event.data["instruction"] for event in played.events("turn") if event.data["state"] == "begin"]
    assert begun == [f"alarm {number}" for number in range(20)]
