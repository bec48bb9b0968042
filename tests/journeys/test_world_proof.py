"""Proof that a world lives by its own clock: T-W1, T-W2 and T-W7 of the manual's page on testing."""

from __future__ import annotations

import pytest

MAIL_IN_A_TOOL = """
    ROUNDS, TOOL, STEP = 100, 30, 32

    @entry(["email"], notices=["email"], limits={"tool_cost": TOOL, "steps": 300, "tool_calls": 300})
    def fn(env, agent):
        start, me = env.clock.now, env.email.address()
        planned = []
        for number in range(ROUNDS):
            # Two tools in each round; the mail comes while the first of them is at work.
            within = env.random.uniform(0.001, TOOL - 0.001)
            planned.append(start + timedelta(seconds=round(2 * STEP * number + STEP - TOOL + within, 6)))
            env.at(planned[-1], lambda number=number: env.email.send("ann@corp.example", me, f"Mail {number}", ""))
        agent.act("Work, and look after your mail.")
        return run_checkers({
            "in time": lambda: [mail["received"] for mail in env.email.list_inbox(me)] == planned,
            "seen": lambda: agent.replies[0].text == f"{ROUNDS} of {ROUNDS}",
        })

    @fn.solution
    def solve(seat):
        good = 0
        for number in range(ROUNDS):
            before = seat.notices()
            seat.call("workspace_list", path="/root")
            told = seat.notices()
            listed = seat.call("email_list", unread_only=True)
            good += before == [] and len(told) == 1 and f"Mail {number}" in told[0] and listed["total"] == number + 1
        return f"{good} of {ROUNDS}"
"""


def test_mail_that_comes_while_a_tool_is_at_work_is_there_before_its_result_is_used(play):
    """T-W1."""
    assert play(MAIL_IN_A_TOOL, "oracle").reward == 1.0


MONTH = """
    COUNT = {count}

    @entry(["email"], limits={{"world_days": 31, "journal_mb": 100}})
    def fn(env, agent):
        start, me, fired = env.clock.now, env.email.address(), []
        planned = [start + timedelta(seconds=env.random.randrange(30 * 86400 // 60) * 60) for _ in range(COUNT)]

        def happen(number):
            fired.append((env.clock.now, number))
            if number % 2:
                env.email.send("ann@corp.example", me, f"Mail {{number}}", "")
            else:
                env.workspace.fs.write_file(f"/root/{{number}}.txt", str(number))

        for number, moment in enumerate(planned):
            env.at(moment, lambda number=number: happen(number))
        for _ in range(30):
            env.clock.advance("23h")
            agent.act("Look after your mail.")
            env.clock.advance_to(start + timedelta(days=len(agent.replies)))
        order = sorted((moment, number) for number, moment in enumerate(planned))
        return run_checkers({{
            "all fired, in order, at their moments": lambda: fired == order,
            "thirty days": lambda: env.clock.now == start + timedelta(days=30),
            "mail came as it was sent": lambda: [
                (mail["received"], int(mail["subject"].split()[1])) for mail in env.email.list_inbox(me)
            ] == [(moment, number) for moment, number in order if number % 2],
        }})

    @fn.solution
    def solve(seat):
        while True:
            for mail in seat.call("email_list", unread_only=True, limit=5)["mails"]:
                seat.call("email_read", id=mail["id"])
            yield "done"
"""


@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=pytest.mark.soak)])
def test_whatever_is_planned_for_a_month_happens_in_order_at_its_moment(play, count):
    """T-W2; many events have one moment. How fast it is, `bench schedule` says."""
    assert play(MONTH.format(count=count), "oracle").reward == 1.0


def test_a_condition_fires_at_the_instant_it_comes_true_and_is_not_asked_before(play):
    """T-W7."""
    played = play(
        """
        @entry(["notes"], NOTES)
        def fn(env, agent):
            looked = []

            def there():
                looked.append(env.clock.now)
                return env.notes.count() >= 2

            env.when(there, lambda: env.reward(f"{env.clock.now:%d %H:%M:%S.%f}", 0))
            env.every("1m", lambda: None)
            env.clock.advance(1)
            first = len(looked)
            env.at("2030-01-08T10:00:30.250", lambda: env.notes.add("one of two"))
            env.at("2030-01-08T10:01:30.125", lambda: env.notes.add("two of two"))
            env.clock.advance("25h")
            quiet = len(looked) - first
            env.clock.advance("25h")
            env.notes.add("too late")
            env.clock.advance(1)
            env.reward(f"{first} at first, {quiet} in 1,500 ticks, {len(looked) - first - quiet} for two changes", 0)
            return run_checkers({})
        """,
        limits={"world_days": 4},
    )
    assert played.said == ["08 10:01:30.125000", "1 at first, 0 in 1,500 ticks, 2 for two changes"]


def test_a_condition_that_a_step_of_the_agent_makes_true_fires_when_the_step_is_done(play):
    """T-W7: a step takes effect at once, and ends when its cost in world time has passed."""
    played = play(
        """
        @entry(["notes"], NOTES)
        def fn(env, agent):
            env.every("1m", lambda: None)
            env.when(lambda: env.notes.count(), lambda: env.reward(f"{env.clock.now:%H:%M:%S}", 0))
            agent.act("go")
            return run_checkers({})
        """,
        [{"tool": "notes_list"}, {"tool": "notes_add", "args": {"text": "there"}}, {"tool": "notes_list"}, "done"],
    )
    assert played.said == [f"{played.events('tool_result')[1].time:%H:%M:%S}"] == ["09:00:06"]
