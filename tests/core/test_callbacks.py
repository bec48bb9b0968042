"""What is due fires on the program's thread, in the middle of a turn, in order."""

from __future__ import annotations

THREE_STEPS = [{"tool": "notes_add", "args": {"text": "one"}}, {"tool": "notes_add", "args": {"text": "two"}}, "done"]


def test_callbacks_fire_in_the_middle_of_a_turn_on_the_programs_thread(play):
    played = play(
        """
        import threading

        @entry(["notes"], NOTES)
        def fn(env, agent):
            home = threading.get_ident()
            env.after(1, lambda: env.notes.add(f"at model time {threading.get_ident() == home}"))
            env.after("2500ms", lambda: env.notes.add("at tool time"))
            agent.act("go")
            order = ["at model time True", "one", "at tool time", "two"]
            return run_checkers({"order": lambda: env.notes.texts() == order})
        """,
        THREE_STEPS,
    )
    assert played.reward == 1.0
    times = [
        (e.data["after"]["text"], (e.time - played.events()[0].time).total_seconds()) for e in played.events("change")
    ]
    assert times == [("at model time True", 1.0), ("one", 2.0), ("at tool time", 2.5), ("two", 5.0)]


def test_order_is_time_then_registration(play):
    played = play(
        """
        @entry()
        def fn(env, agent):
            say = lambda word: (lambda: env.reward(word, 0))
            env.after(2, say("c"))
            env.after(1, say("a"))
            env.at("09:00:02", say("d"))
            env.at("2030-01-07T09:00:01", say("b"))
            env.every(1, say("e"), first="09:00:02", until="09:00:03")
            env.at("2030-01-01T00:00:00", say("past"))
            env.clock.advance(10)
            return run_checkers({})
        """
    )
    assert played.reward == 0.0
    assert played.said == ["past", "a", "b", "c", "d", "e", "e"]


def test_every_until_first_and_cancel(play):
    played = play(
        """
        @entry()
        def fn(env, agent):
            seconds = lambda: (env.clock.now - start).total_seconds()
            start = env.clock.now
            env.every(10, lambda: env.reward(f"ten {seconds():g}", 0), until=start + timedelta(seconds=30))
            stop = start + timedelta(seconds=15)
            env.every(7, lambda: env.reward(f"seven {seconds():g}", 0), first=start, until=stop)
            ticket = env.every("3s", lambda: count())
            done = []
            def count():
                done.append(seconds())
                if len(done) == 2:
                    env.reward(f"cancelled {env.cancel(ticket)}", 0)
            never = env.after(5, lambda: env.reward("never", 0))
            env.reward(f"{env.cancel(never)} {env.cancel(never)} {env.cancel(99999)}", 0)
            env.clock.advance("1m")
            env.reward(f"{done} {seconds():g}", 0)
            return run_checkers({})
        """
    )
    assert played.said == [
        "True False False",
        "seven 0",
        "cancelled True",
        "seven 7",
        "ten 10",
        "seven 14",
        "ten 20",
        "ten 30",
        "[3.0, 6.0] 60",
    ]


def test_bad_spans_moments_and_periods_are_refused(play):
    played = play(
        """
        @entry()
        def fn(env, agent):
            for use in (
                lambda: env.after(-1, print), lambda: env.after("soon", print), lambda: env.every(0, print),
                lambda: env.at("25:00", print), lambda: env.clock.advance(float("nan")),
                lambda: env.clock.advance(None), lambda: env.after("9" * 400 + "s", print),
            ):
                try:
                    use()
                except (Refused, ConfigError) as error:
                    env.reward(type(error).__name__, 0)
            return run_checkers({})
        """
    )
    assert played.reward == 0.0
    assert played.said == ["Refused", "Refused", "ConfigError", "Refused", "Refused", "Refused", "Refused"]


def test_a_callback_that_raises_reaches_the_program_at_its_wait(play):
    played = play(
        """
        @entry(["notes"], NOTES)
        def fn(env, agent):
            def fail():
                raise LookupError("in the callback")
            env.after(1, fail)
            env.after(2, lambda: env.reward("later", 0))
            try:
                env.clock.advance(10)
            except ProgramError as error:
                env.reward(f"caught {error} after {env.clock.now:%S}", 0)
            env.after(1, env.notes.refuse)
            try:
                agent.act("go")
            except Refused as error:
                env.reward(f"caught {error.code}", 0)
            env.clock.advance(10)
            return run_checkers({"so": lambda: True})
        """,
        THREE_STEPS,
    )
    assert played.reward == 1.0
    assert played.said == ["caught LookupError: in the callback after 01", "later", "caught N0"]


def test_an_uncaught_callback_error_is_the_tasks(play):
    played = play(
        """
        @entry()
        def fn(env, agent):
            env.after(1, lambda: 1 / 0)
            env.clock.advance(10)
        """
    )
    assert played.error == "ProgramError: ZeroDivisionError: division by zero"
    assert played.result.error["boundary"] == "task"


def test_waiting_inside_a_callback_is_refused_and_posting_is_not(play):
    played = play(
        """
        async def coroutine():
            pass

        @entry()
        def fn(env, agent):
            def heartbeat():
                waits = [lambda: agent.act("x"), lambda: env.clock.advance(1), lambda: env.clock.advance_to("12:00")]
                for use in waits:
                    try:
                        use()
                    except ReentrantCall:
                        env.reward("reentrant", 0)
                agent.post("posted")
            env.after(5, heartbeat)
            env.clock.advance(10)
            env.after(1, coroutine)
            try:
                env.clock.advance(2)
            except ReentrantCall as error:
                env.reward(str(error), 0)
            return run_checkers({"turn": lambda: len(agent.replies) == 1})
        """
    )
    assert played.reward == 1.0
    assert played.said == ["reentrant"] * 3 + ["a callback cannot be an `async def`: it may not wait"]


def test_posted_turns_run_at_the_world_time_they_were_posted(play):
    played = play(
        """
        @entry()
        def fn(env, agent):
            env.every("1h", lambda: agent.post(f"beat at {env.clock.now:%H:%M}"), until="11:30")
            env.clock.advance("3h")
            env.reward(f"{env.clock.now:%H:%M:%S} {[reply.text for reply in agent.replies]}", 0)
            return run_checkers({})
        """,
        ["first", "second"],
    )
    begun = [
        (e.time.strftime("%H:%M:%S"), e.data["instruction"])
        for e in played.events("turn")
        if e.data["state"] == "begin"
    ]
    assert begun == [("10:00:00", "beat at 10:00"), ("11:00:00", "beat at 11:00")]
    assert played.said == ["12:00:00 ['first', 'second']"]


def test_a_turn_posted_during_a_turn_follows_it_before_act_returns(play):
    played = play(
        """
        @entry(["notes"], NOTES)
        def fn(env, agent):
            env.after(1, lambda: agent.post("again"))
            reply = agent.act("go")
            env.reward(f"{reply.text} then {agent.replies[-1].text}", 0)
            return run_checkers({})
        """,
        [*THREE_STEPS, "encore"],
    )
    assert played.said == ["done then encore"]
    turns = [(e.data["state"], e.data["number"]) for e in played.events("turn")]
    assert turns == [("begin", 1), ("end", 1), ("begin", 2), ("end", 2)]


def test_conditions_fire_once_and_see_each_others_writes(play):
    played = play(
        """
        @entry(["notes"], NOTES)
        def fn(env, agent):
            env.when(lambda: env.notes.count() >= 1, lambda: env.notes.add("because one"))
            env.when(lambda: env.notes.count() >= 2, lambda: env.reward("two", 0))
            gone = env.when(lambda: True, lambda: env.reward("never", 0))
            env.cancel(gone)
            agent.act("go")
            return run_checkers({"texts": lambda: env.notes.texts() == ["one", "because one", "two"]})
        """,
        THREE_STEPS,
    )
    assert played.reward == 1.0
    assert played.said == ["two"]


def test_a_condition_that_writes_or_waits_is_an_error_at_the_wait(play):
    played = play(
        """
        @entry(["notes"], NOTES)
        def fn(env, agent):
            for condition in (
                lambda: env.notes.add("x"), lambda: agent.post("x"), lambda: agent.act("x"),
                lambda: env.clock.advance(1), lambda: env.reward("x", 0), lambda: env.notes.refuse(), lambda: 1 / 0,
            ):
                ticket = env.when(condition, print)
                try:
                    env.clock.advance(1)
                except Exception as error:
                    env.reward(type(error).__name__, 0)
                env.cancel(ticket)
            return run_checkers({"untouched": lambda: env.notes.count() == 0})
        """
    )
    assert played.reward == 1.0
    assert played.said == ["WriteInCondition"] * 5 + ["Refused", "ProgramError"]
    assert played.calls().count("env.notes.refuse") == 0, "what a condition looks at is not recorded"


def test_every_from_a_past_moment_fires_once_and_keeps_its_grid(play):
    played = play(
        """
        @entry()
        def fn(env, agent):
            env.every("1h", lambda: env.reward(f"{env.clock.now:%H:%M}", 0), first="2029-01-01T00:30")
            env.every("1h", lambda: env.reward("never", 0), first="2029-01-01T00:30", until="2029-01-02T00:00")
            env.clock.advance("2h")
            return run_checkers({})
        """
    )
    assert played.said == ["09:00", "09:30", "10:30"]


def test_what_cannot_be_called_is_refused_at_once(play):
    played = play(
        """
        @entry()
        def fn(env, agent):
            for use in (
                lambda: env.at("10:00", "noon"), lambda: env.after(1, None), lambda: env.every(1, 7),
                lambda: env.when(True, print), lambda: env.when(print, "x"),
            ):
                try:
                    use()
                except ConfigError as error:
                    env.reward(str(error), 0)
            env.clock.advance("2h")
            return run_checkers({})
        """
    )
    assert played.said == [
        "env.at needs a function to call, not 'noon'",
        "env.after needs a function to call, not None",
        "env.every needs a function to call, not 7",
        "env.when needs a function to call, not True",
        "env.when needs a function to call, not 'x'",
    ]


def test_a_condition_that_raised_is_told_once_and_waits_no_more(play):
    played = play(
        """
        @entry(["notes"], NOTES)
        def fn(env, agent):
            env.when(lambda: 1 / 0, print)
            env.when(lambda: env.notes.count() == 2, lambda: env.reward("two", 0))
            for _ in range(3):
                env.notes.add("x")
                try:
                    env.clock.advance(1)
                    env.reward("waited", 0)
                except ProgramError as error:
                    env.reward(str(error), 0)
            return run_checkers({})
        """
    )
    assert played.said == ["ZeroDivisionError: division by zero", "two", "waited", "waited"]


def test_a_callback_that_arms_itself_again_and_again_ends_at_the_size_of_the_journal(play):
    played = play(
        """
        @entry()
        def fn(env, agent):
            def again():
                env.after(0, again)
            env.after(0, again)
            env.clock.advance(1)
            return run_checkers({})
        """,
        limits={"journal_mb": 0.0625},
    )
    assert played.error == "BudgetSpent: the journal has more than 0.0625 MB (limits.journal_mb)"
    assert 0.05 * 2**20 < played.journal.stat().st_size < 0.07 * 2**20
    assert [event.kind.value for event in played.events()][-3:] == ["error", "stop", "verdict"]
