"""`env` and `agent` as a task program sees them."""

from __future__ import annotations


def test_capabilities_are_attributes_and_instances_are_picked_by_calling(play):
    played = play(
        """
        BOTH = {"notes:left": NOTES["notes"], "notes:right": NOTES["notes"]}

        @entry(["notes:left", "notes:right"], BOTH)
        def fn(env, agent):
            env.notes("left").add("l")
            for notes in env.notes:
                notes.add("both")
            told = []
            for use in (
                lambda: env.notes.count(), lambda: env.notes("middle"), lambda: env.mail, lambda: env.notes("left").sing
            ):
                try:
                    use()
                except (AttributeError, CapabilityMissing) as error:
                    told.append(str(error))
            for word in told:
                env.reward(word, 0)
            return run_checkers({
                "left": lambda: env.notes("left").texts() == ["l", "both"],
                "right": lambda: env.notes("right").texts() == ["both"],
                "there": lambda: "notes" in env and "notes:left" in env and "mail" not in env and len(env.notes) == 2,
            })
        """
    )
    assert played.reward == 1.0
    several, middle, mail, sing = played.said
    assert "pick one" in several
    assert "there are: left, right" in middle
    assert "its capabilities are: notes:left, notes:right, workspace" in mail
    assert "it has: add, collapse, count" in sing


def test_acquire_and_release(play):
    played = play(
        """
        @entry()
        def fn(env, agent):
            more = env.acquire("notes:spare", NOTES["notes"])
            more.add("x")
            for use in (
                lambda: env.acquire("notes:spare", NOTES["notes"]),
                lambda: env.acquire("nosuch"),
                lambda: env.release("notes:never"),
                lambda: env.acquire("../out", NOTES["notes"]),
                lambda: env.acquire("notes:a/../../out", NOTES["notes"]),
            ):
                try:
                    use()
                except TerrariumError as error:
                    env.reward(type(error).__name__, 0)
            env.release("notes:spare")
            gone = "notes" not in env
            again = env.acquire("notes:spare", NOTES["notes"])
            return run_checkers({"gone": lambda: gone, "new": lambda: again.count() == 0})
        """
    )
    assert played.reward == 1.0
    assert played.said == ["Refused", "NotRegistered", "CapabilityMissing", "ConfigError", "ConfigError"]


def test_random_and_clock_are_derived_not_recorded(play):
    source = """
        @entry(clock="2031-05-06T07:08:09")
        def fn(env, agent):
            env.reward(f"{env.random.random()} {env.clock.now.isoformat()}", 0)
            return run_checkers({})
        """
    one, two, other = play(source), play(source), play(source, seed=1)
    assert one.said == two.said != other.said
    assert one.said[0].endswith("2031-05-06T07:08:09+00:00")
    assert one.calls() == ["env.reward", "env.checking"]


def test_what_an_agent_said_can_be_read(play):
    played = play(
        """
        @entry(["notes"], NOTES)
        def fn(env, agent):
            agent.system_prompt = "be brief"
            reply = agent.act("go")
            conversation = agent.get_trajectory()
            roles = [message.role for message in agent.messages]
            for fact in (agent.system_prompt, reply.text, reply.stop, reply.steps, reply.tool_calls, roles,
                         conversation.steps, conversation.messages == agent.messages, len(reply.messages)):
                env.reward(str(fact), 0)
            return run_checkers({})
        """,
        [{"tool": "notes_add", "args": {"text": "x"}}, "hello"],
    )
    roles = ["user", "assistant", "tool", "assistant"]
    assert played.said == ["be brief", "hello", "completed", "2", "1", str(roles), "2", "True", "3"]


def test_registered_tools_run_on_the_programs_thread_and_may_use_env(play):
    played = play(
        """
        import threading
        from enum import Enum

        class Colour(Enum):
            RED = "red"

        @entry(["notes"], NOTES)
        def fn(env, agent):
            home = threading.get_ident()
            def paint(colour: Colour, sizes: tuple[int, ...] = ()) -> str:
                '''Paint.'''
                env.notes.add(f"{colour!r} {sizes!r} {threading.get_ident() == home}")
                return env.notes.texts()[-1]
            def callback(number: int) -> int:
                '''A name that means something elsewhere.'''
                return number + 1
            def number() -> str:
                '''Another such name.'''
                return "one"
            def broken() -> None:
                '''Fails.'''
                raise KeyError("lost")
            def waits() -> None:
                '''May not.'''
                env.clock.advance(1)
            agent.register_tools(paint, callback, number, broken, waits)
            agent.act("go")
            return run_checkers({"painted": lambda: env.notes.count() == 1})
        """,
        [
            {"tool": "paint", "args": {"colour": "red", "sizes": [1, 2]}},
            {"tool": "paint", "args": {"colour": "blue"}},
            {"tool": "callback", "args": {"number": 1}},
            {"tool": "number"},
            {"tool": "broken"},
            {"tool": "waits"},
            {"tool": "nosuch"},
            "done",
        ],
    )
    assert played.reward == 1.0
    shown = played.shown()
    assert shown[0] == "<Colour.RED: 'red'> (1, 2) True"
    assert shown[1].startswith("error: bad arguments for paint: colour")
    assert shown[2:5] == ["2", "one", "error: 'lost'"]
    assert "inside a callback" in shown[5]
    assert "there is no tool 'nosuch'" in shown[6]


def test_untyped_functions_cannot_be_tools(play):
    played = play(
        """
        @entry()
        def fn(env, agent):
            for function in (lambda: None, lambda x: x):
                try:
                    agent.register_tools(function)
                except ConfigError as error:
                    env.reward(str(error), 0)
            return run_checkers({})
        """
    )
    assert len(played.said) == 2


def test_a_tool_needs_a_name_of_its_own(play):
    played = play(
        """
        from functools import partial
        @entry(["notes"], NOTES, notices=["notes"])
        def fn(env, agent):
            def notes_add(text: str) -> str:
                '''Called like a tool of a capability.'''
            def clock_wait(minutes: float) -> float:
                '''Called like the tool for waiting.'''
            def ring() -> str:
                '''Fine.'''
                return "ding"
            def größe() -> str:
                '''No name that models may use.'''
            for functions in (
                [ring, notes_add], [clock_wait], [ring, ring], [ring, größe], [partial(ring)], ["ring"], [ring], [ring]
            ):
                try:
                    agent.register_tools(*functions)
                except ConfigError as error:
                    env.reward(str(error), 0)
            agent.act("go")
            return run_checkers({})
        """,
        [{"tool": "ring"}, {"tool": "notes_add", "args": {"text": "x"}}, "done"],
    )
    wanted = (
        *("'notes_add' already, of notes", "'clock_wait' already, of the engine", "two functions are called 'ring'"),
        *(
            "'größe' is not a tool name",
            "takes functions with a name",
            "takes functions",
            "'ring' already, of the task",
        ),
    )
    assert [text in said for text, said in zip(wanted, played.said, strict=True)] == [True] * 7, played.said
    assert played.shown()[0] == "ding"
    assert len(played.events("change")) == 1


def test_several_agents_each_have_a_view_of_their_own(play):
    played = play(
        """
        @entry(["notes"], NOTES, agents=["buyer", "seller"])
        def fn(env, agents):
            agents["buyer"].act("buy")
            agents["seller"].act("sell")
            named = list(agents) == ["buyer", "seller"]
            return run_checkers({"by": lambda: named, "two": lambda: env.notes.count() == 2})
        """,
        [{"tool": "notes_add", "args": {"text": "mine"}}, "done"],
    )
    assert played.reward == 1.0
    assert [e.actor for e in played.events("change")] == ["buyer", "seller"]
    assert [e.seen_by for e in played.events("tool_result")] == [("buyer",), ("seller",)]
    assert played.result.verdict.rewards == {"buyer": 1.0, "seller": 1.0}


def test_arguments_of_admin_methods_are_held_against_their_types_and_keywords_arrive(play):
    played = play(
        """
        @entry(["notion", "object_store"])
        def fn(env, agent):
            page = env.notion.create_page("Today")
            [block] = env.notion.append_blocks(page["id"], "- [ ] fern")
            env.notion.update_block(block["id"], to_do={"checked": True})
            for use in (
                lambda: env.object_store.get_object(None, 7),
                lambda: env.notion.append_blocks(page["id"], 5),
                lambda: env.notion.update_block(to_do={}),
            ):
                try:
                    use()
                except (Refused, TypeError) as error:
                    env.reward(str(error), 0)
            return run_checkers({"ticked": lambda: env.notion.markdown(page["id"]) == "- [x] fern"})
        """
    )
    assert played.reward == 1.0
    assert played.said == [
        "env.object_store.get_object: bucket must be str, and is None",
        "env.notion.append_blocks: children must be list[dict[str, Any]] | str, and is int: 5",
        "missing a required argument: 'block_id'",
    ]
