"""The oracle plays the reference solution, which sees only its seat."""

from __future__ import annotations


def test_a_generator_plays_turn_by_turn_with_parameters(play):
    played = play(
        """
        @entry(["notes"], NOTES)
        def fn(env, agent, word):
            first = agent.act("write two notes")
            second = agent.act(f"now one more; you said {first.text}")
            third = agent.act("anything else?")
            env.reward(f"{first.text} | {second.text} | {third.text} | {third.steps}", 0)
            return run_checkers({"three": lambda: env.notes.texts() == [word, "two", "three"]})

        @fn.parameterize
        def variants():
            yield {"name": "only", "params": {"word": "hello"}}

        @fn.solution
        def solve(seat, word):
            assert seat.instruction == "write two notes" and "notes_add" in seat.tools and seat.name == "agent"
            seat.call("notes_add", text=word)
            id = seat.call("notes_add", text="two")
            instruction = yield f"wrote {id[:4]}"
            assert instruction == seat.instruction == "now one more; you said wrote 0001"
            seat.call("notes_add", text="three")
            return "finished"
        """,
        "oracle",
    )
    assert played.reward == 1.0
    assert played.said == ["wrote 0001 | finished |  | 0"]


def test_a_refusal_is_an_exception_with_what_the_agent_is_shown(play):
    played = play(
        """
        @entry()
        def fn(env, agent):
            env.reward(agent.act("go").text, 0)
            return run_checkers({})

        @fn.solution
        def solve(seat):
            told = []
            for tool, arguments in (("nosuch", {}), ("read", {"path": "/nowhere"}), ("read", {"pth": 1})):
                try:
                    seat.call(tool if tool == "nosuch" else f"workspace_{tool}", **arguments)
                except Refused as error:
                    told.append(str(error)[:40])
            return f"{' '.join(told)} {seat.result('nosuch').error}"
        """,
        "oracle",
    )
    (said,) = played.said
    assert "error: there is no tool 'nosuch'" in said
    assert "bad arguments for workspace_read" in said
    assert said.endswith("unknown_tool")


def test_a_solution_that_fails_is_the_agents_fault(play):
    played = play(
        """
        @entry()
        def fn(env, agent):
            agent.act("go")

        @fn.solution
        def solve(seat):
            raise KeyError("lost")
        """,
        "oracle",
    )
    assert played.error == "AgentFault: agent 'agent': KeyError: 'lost'"


def test_a_task_without_solution_has_no_oracle(play):
    played = play("@entry()\ndef fn(env, agent): ...\n", "oracle")
    assert played.error.startswith("ConfigError: this task has no reference solution")


def test_of_several_agents_the_one_without_a_solution_is_named(play):
    played = play(
        """
        @entry(agents=["ann", "bob"])
        async def fn(env, agents): ...

        @fn.solution
        def solve(seat): ...
        """,
        "oracle",
    )
    assert "agent 'bob' has no solution: decorate one with @<task>.solution(agent='bob')" in played.error


def test_a_solution_may_return_a_reply_that_gives_up(play):
    played = play(
        """
        from terrarium.core.agent import Reply, StopReason

        @entry()
        def fn(env, agent):
            reply = agent.act("go")
            env.reward(f"{reply.stop} {reply.text}", 0)
            return run_checkers({})

        @fn.solution
        def solve(seat):
            yield Reply.say("cannot", StopReason.GAVE_UP)
        """,
        "oracle",
    )
    assert played.said == ["gave_up cannot"]
