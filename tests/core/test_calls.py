"""Every use of `env` and `agent` is one recorded call, on one thread, with copies going in and out."""

from __future__ import annotations

import threading
from typing import Any

from terrarium.core.agent import Reply
from terrarium.run.config import AgentConfig


class Meddler:
    """An agent that tries to use what its program left lying around."""

    timing = "fixed"
    loot: Any = None

    async def open(self, seat: Any) -> None: ...

    async def act(self, instruction: Any, seat: Any, resumed: bool = False) -> Reply:
        try:
            Meddler.loot.notes.add("from the engine's thread")
        except Exception as error:
            return Reply.say(type(error).__name__)
        return Reply.say("done")

    def save(self) -> bytes | None:
        return b""

    def load(self, memory: bytes) -> None: ...

    async def close(self) -> None: ...


def test_env_from_another_thread_is_refused(play):
    played = play(
        """
        import threading

        @entry(["notes"], NOTES)
        def fn(env, agent):
            told = []
            def other():
                for use in (lambda: env.notes.add("x"), lambda: agent.act("x"), lambda: env.clock.advance(1)):
                    try:
                        use()
                    except WrongThread:
                        told.append("wrong thread")
            thread = threading.Thread(target=other)
            thread.start()
            thread.join()
            refused = told == ["wrong thread"] * 3
            return run_checkers({"refused": lambda: refused, "none": lambda: env.notes.count() == 0})
        """
    )
    assert played.reward == 1.0


def test_an_agent_cannot_use_a_leaked_env(play):
    played = play(
        """
        import test_calls

        @entry(["notes"], NOTES)
        def fn(env, agent):
            test_calls.Meddler.loot = env
            return run_checkers({"refused": lambda: agent.act("x").text == "WrongThread"})
        """,
        AgentConfig(name="meddler", import_path="test_calls:Meddler"),
    )
    Meddler.loot = None
    assert played.reward == 1.0


def test_a_leaked_env_is_dead_after_the_trial(play):
    told: list[str] = []
    seen = threading.Event()
    Meddler.loot = (told, seen)
    played = play(
        """
        import threading, test_calls
        told, seen = test_calls.Meddler.loot

        @entry(["notes"], NOTES)
        def fn(env, agent):
            def later(ended):
                ended.join()
                for use in (lambda: env.notes.count(), lambda: agent.act("x")):
                    try:
                        use()
                    except (WrongThread, WorldClosed) as error:
                        told.append(type(error).__name__)
                seen.set()
            threading.Thread(target=later, args=(threading.current_thread(),), daemon=True).start()
            return run_checkers({"so": lambda: True})
        """
    )
    Meddler.loot = None
    assert played.reward == 1.0
    assert seen.wait(20)
    assert len(told) == 2  # of a closed world or of a wrong thread, whichever is noticed first


def test_results_are_copies_and_arguments_are_taken_as_they_were(play):
    played = play(
        """
        @entry(["notes"], NOTES)
        def fn(env, agent):
            env.notes.add("a")
            texts = env.notes.texts()
            texts.append("mine")
            return run_checkers({"copy": lambda: env.notes.texts() == ["a"], "list": lambda: type(texts) is list})
        """
    )
    assert played.reward == 1.0


def test_errors_are_recorded_with_their_code_and_foreign_ones_become_faults(play):
    played = play(
        """
        @entry(["notes"], NOTES)
        def fn(env, agent):
            for use in (env.notes.refuse, env.notes.stumble):
                try:
                    use()
                except CapabilityFault as error:
                    env.reward(f"{type(error).__name__} {error.code} {error}", 0)
            return run_checkers({})
        """
    )
    assert played.said == [
        "Refused N0 the notes say no",
        "CapabilityFault None env.notes.stumble: ZeroDivisionError: a bug in the notes",
    ]
    assert [e.data["type"] for e in played.events("raise")] == ["Refused", "CapabilityFault"]


def test_arguments_that_cannot_be_written_down_are_refused_before_anything_happens(play):
    played = play(
        """
        @entry(["notes"], NOTES)
        def fn(env, agent):
            loop = []
            loop.append(loop)
            for text in (object(), {1: 2}, loop, {1, 2}):
                try:
                    env.notes.add(text)
                except ValueNotPlain:
                    env.reward("not plain", 0)
            return run_checkers({"nothing": lambda: env.notes.count() == 0})
        """
    )
    assert played.reward == 1.0
    assert played.said == ["not plain"] * 4
    assert "env.notes.add" not in played.calls()


def test_functions_are_recorded_by_name_and_calls_inside_callbacks_by_cause(play):
    played = play(
        """
        @entry(["notes"], NOTES)
        def fn(env, agent):
            def tick():
                env.notes.add("tick")
            env.after(1, tick)
            env.clock.advance(2)
            return run_checkers({})
        """
    )
    after, advance, add, *_ = played.events("call")
    fire, change = played.events("fire")[0], played.events("change")[0]
    assert after.data["args"]["callback"] == {"callable": "fn.<locals>.tick"}
    assert (fire.cause, add.cause, change.cause) == (after.seq, fire.seq, add.seq)
    assert advance.seq < fire.seq < add.seq < change.seq
    assert {e.actor for e in (add, change)} == {"task"}
