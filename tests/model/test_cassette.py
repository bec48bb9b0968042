"""The cassette: recorded and replayed, by itself and in a trial, and what it says of a request that is not there."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from terrarium.core.agent import Reply
from terrarium.core.errors import ConfigError, ModelFault
from terrarium.core.message import Message
from terrarium.core.model import Completion, Structured
from terrarium.core.offers import offers
from terrarium.core.tool import Tool, ToolCall
from terrarium.model.cassette import Cassette
from terrarium.model.scripted import ScriptedModel
from terrarium.run.config import AgentConfig
from terrarium.testing import check_model


def look_up(word: str) -> str:
    """Look up a word."""
    return word


def look_at(word: str, closely: bool = False) -> str:
    """Look at a word."""
    return word


TOOL = Tool.of(look_up, "look_up")
TALK = [Message("system", "Be brief."), Message("user", "What is a terrarium?")]


def counted(name: str = "m-1") -> ScriptedModel:
    """A model that never gives one answer twice."""
    return ScriptedModel([f"answer {number}" for number in range(50)], name)


def ask(model: Any, messages: list[Message] = TALK, tools: Any = (TOOL,)) -> str:
    return asyncio.run(model.generate(messages, list(tools))).message.text


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    return tmp_path / "talks" / "tape.jsonl"


def recorded(tape: Path, **more: Any) -> ScriptedModel:
    model = counted()
    cassette = Cassette(tape, model, **more)
    ask(cassette)
    ask(cassette, [*TALK, Message("assistant", "A world."), Message("user", "Of glass?")])
    ask(cassette, [Message("user", "Say the word grüß, and nothing else, please; not even a full stop.")], [])
    return model


def test_it_keeps_the_contract_while_it_records_and_while_it_replays(tape):
    first = ScriptedModel(lambda messages, tools: [{"tool": tool.name} for tool in tools] or "hello")
    check_model(lambda: Cassette(tape, first))
    assert first.asked == 6
    check_model(lambda: Cassette(tape, first))
    check_model(lambda: Cassette(tape))
    assert first.asked == 6
    check_model(lambda: Cassette(tape, first, mode="record"))
    assert first.asked == 12


def test_equal_requests_get_their_answers_in_order_and_then_no_more(tape):
    model = counted()
    live = Cassette(tape, model)
    said = [ask(live), ask(live), ask(live)]
    assert said == ["answer 0", "answer 1", "answer 2"]
    again = Cassette(tape, mode="replay")
    assert [ask(again) for _ in range(3)] == said
    with pytest.raises(ModelFault, match=r"recorded 3 times in .*tape.jsonl and is asked once more"):
        ask(again)
    more = Cassette(tape, model)
    assert [ask(more) for _ in range(4)] == [*said, "answer 3"]
    assert ask(Cassette(tape)) == "answer 0"


def test_a_new_recording_counts_in_place_of_the_old_one(tape):
    recorded(tape)
    fresh = Cassette(tape, ScriptedModel(["new", "newer"], "m-1"), mode="record")
    assert [ask(fresh), ask(fresh)] == ["new", "newer"]
    again = Cassette(tape)
    assert [ask(again), ask(again)] == ["new", "newer"]
    assert ask(again, [*TALK, Message("assistant", "A world."), Message("user", "Of glass?")]) == "answer 1"


def test_a_conversation_is_not_written_again_at_every_step(tape):
    model, talk = counted(), list(TALK)
    cassette = Cassette(tape, model)
    for number in range(20):
        talk = [*talk, Message("assistant", "."), Message("user", f"{number} " + "x" * 1000)]
        ask(cassette, talk)
    assert tape.stat().st_size < 20 * 3000
    again = Cassette(tape)
    assert ask(again, talk) == "answer 19"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"name": "m-2"}, r"recording 2 of 3: it asked the model 'm-1', this one asks 'm-2'"),
        ({"parameters": {"temperature": 1}}, r"parameter 'temperature' was 0 and is 1"),
        ({"parameters": {}}, r"parameter 'temperature' was 0 and is nothing"),
        ({"tools": []}, r"this one asks without 'look_up'"),
        ({"tools": [TOOL, Tool.of(look_at, "look_at")]}, r"this one asks with 'look_at'"),
        ({"tools": [Tool.of(look_at, "look_up")]}, r"the tool 'look_up' differs, at description: recorded \"Look up"),
        (
            {"last": "Of plastic?"},
            r"message 4 of 4 \(user\) differs, at content: recorded \"Of glass\?\", asked \"Of",
        ),
        ({"more": "Go on."}, r"its first 4 messages are the same, and this one goes on \(it had 4\)"),
    ],
)
def test_an_unmatched_request_says_which_recording_is_nearest_and_why_it_failed(tape, change, told):
    recorded(tape, parameters={"temperature": 0})
    settings = {"name": "m-1", "parameters": {"temperature": 0}}
    cassette = Cassette(tape, **settings | {key: change[key] for key in settings if key in change})
    talk = [*TALK, Message("assistant", "A world."), Message("user", change.get("last", "Of glass?"))]
    talk += [Message("user", change["more"])] if "more" in change else []
    with pytest.raises(ModelFault, match=told):
        ask(cassette, talk, change.get("tools", [TOOL]))


def test_long_messages_are_cut_around_the_place_where_they_differ(tape):
    long = "word " * 2000
    ask(Cassette(tape, counted()), [Message("user", f"{long}END ONE{long}")])
    with pytest.raises(ModelFault) as caught:
        ask(Cassette(tape), [Message("user", f"{long}END TWO{long}")])
    assert "END ONE" in str(caught.value)
    assert "END TWO" in str(caught.value)
    assert len(str(caught.value)) < 800


def test_whoever_replays_need_not_repeat_name_and_parameters(tape):
    recorded(tape, parameters={"temperature": 0, "api_key": "sk-very-secret-1"})
    again = Cassette(tape)
    assert again.name == "m-1"
    assert ask(again) == "answer 0"
    assert b"sk-very-secret-1" not in tape.read_bytes()


def test_no_key_of_the_environment_is_written(tape, monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", "sk-in-the-environment")
    model = ScriptedModel(["the key is sk-in-the-environment"])
    assert "sk-in" in ask(Cassette(tape, model), [Message("user", "Use sk-in-the-environment.")])
    assert b"sk-in-the-environment" not in tape.read_bytes()
    assert "[secret]" in ask(Cassette(tape), [Message("user", "Use sk-in-the-environment.")])


def test_two_models_in_one_file_are_told_apart_by_name(tape):
    recorded(tape)
    ask(Cassette(tape, ScriptedModel(["of the other"], "m-2")))
    with pytest.raises(ConfigError, match="recordings of m-1, m-2: say which with name="):
        Cassette(tape)
    assert ask(Cassette(tape, name="m-2")) == "of the other"
    assert ask(Cassette(tape, name="m-1")) == "answer 0"


def test_several_agents_at_once_each_get_their_own(tape):
    async def all_of(cassette: Cassette) -> list[str]:
        async def one(agent: int) -> str:
            said = ""
            for step in range(5):
                talk = [Message("user", f"agent {agent}, step {step}: {said}")]
                said = (await cassette.generate(talk, [])).message.text
            return said

        return list(await asyncio.gather(*(one(agent) for agent in range(8))))

    class Slow(ScriptedModel):
        async def generate(self, messages: Any, tools: Any) -> Completion:
            await asyncio.sleep(0.001 * (hash(messages[-1].text) % 3))
            return await super().generate(messages, tools)

    first = asyncio.run(all_of(Cassette(tape, Slow([f"answer {n}" for n in range(40)]))))
    assert len(set(first)) == 8
    assert asyncio.run(all_of(Cassette(tape))) == first


def test_what_a_crash_left_of_the_last_line_is_passed_over_and_written_behind(tape):
    recorded(tape)
    whole = tape.read_bytes()
    for cut in (2, 20, 200):
        tape.write_bytes(whole[:-cut])
        cassette = Cassette(tape, ScriptedModel(["anew"], "m-1"))
        assert ask(cassette) == "answer 0"
        question = [Message("user", "Say the word grüß, and nothing else, please; not even a full stop.")]
        assert ask(cassette, question, []) == "anew"
        assert ask(Cassette(tape), question, []) == "anew"


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda text: b"hello\n", "is no cassette"),
        (lambda text: b"[]\n", "is no cassette"),
        (lambda text: text.replace(b'"cassette":1', b'"cassette":9', 1), "version 9; this reads 1"),
        (lambda text: text.replace(b'"completion"', b'"compl"'), "is damaged: KeyError"),
        (lambda text: b"\n".join(text.split(b"\n")[1:]), "is damaged: KeyError"),
        (lambda text: b"", "holds no recording, and there is no model"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_and_left_alone(tape, spoil, told):
    recorded(tape)
    tape.write_bytes(spoil(tape.read_bytes()))
    before = tape.read_bytes()
    with pytest.raises(ConfigError, match=told):
        Cassette(tape)
    assert tape.read_bytes() == before


def test_wrong_settings_are_refused_at_once(tape):
    with pytest.raises(ConfigError, match="auto, record or replay"):
        Cassette(tape, mode="play")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="a cassette that records needs a model"):
        Cassette(tape, mode="record")


def test_a_fault_of_the_model_is_passed_on_and_not_recorded(tape):
    cassette = Cassette(tape, ScriptedModel([]))
    with pytest.raises(ModelFault, match="more than its 0 answers"):
        ask(cassette)
    assert not tape.exists()


def test_a_file_that_cannot_be_written_is_a_fault_of_the_model(tape, tmp_path):
    cassette = Cassette(tape, counted())
    tape.parent.mkdir()
    tape.mkdir()
    with pytest.raises(ModelFault, match="cannot be written: Is a directory"):
        ask(cassette)
    shutil.rmtree(tape)


def test_every_line_is_json_and_says_its_version(tape):
    recorded(tape)
    lines = [json.loads(line) for line in tape.read_text().splitlines()]
    assert [(line["cassette"], line["take"], line["model"]) for line in lines] == [(1, 1, "m-1")] * 3


class Taped:
    """An agent whose model is a cassette; `live` is what it asks where that has no recording."""

    timing = "fixed"

    def __init__(self, tape: str, live: list[Any] | None = None) -> None:
        self._model = Cassette(tape, None if live is None else ScriptedModel(live, "m-1"))

    async def open(self, seat: Any) -> None: ...

    async def act(self, instruction: Message, seat: Any, resumed: bool = False) -> Reply:
        said = [instruction]
        while True:
            done = await seat.think(lambda: self._model.generate(said, seat.tools))
            uses = done.message.tool_uses
            if not uses:
                return Reply.say(done.message.text)
            results = [await seat.call(ToolCall(use.name, use.input, use.id)) for use in uses]
            said.extend([done.message, Message("user", "; ".join(result.content for result in results))])

    def save(self) -> bytes | None:
        return None

    def load(self, memory: bytes) -> None: ...

    async def close(self) -> None:
        await self._model.close()


TASK = """
    @entry(["notes"], NOTES, agents=["ann", "bob"])
    async def fn(env, agents):
        import asyncio
        env.notes.add("{note}")
        await asyncio.gather(*(agent.act(f"You are {{name}}: look.") for name, agent in agents.items()))
        return run_checkers({{"fine": lambda: True}})
"""


def test_a_trial_is_run_again_from_a_cassette_and_another_world_is_told_apart(play, tape):
    def agent(**more: Any) -> AgentConfig:
        return AgentConfig(name="taped", import_path=f"{__name__}:Taped", kwargs={"tape": str(tape), **more})

    live = play(TASK.format(note="one"), agent(live=[{"tool": "notes_list"}, "I see."]))
    assert live.reward == 1.0
    again = play(TASK.format(note="one"), agent())
    assert again.parts()[1:] == live.parts()[1:]
    other = play(TASK.format(note="two"), agent())
    assert "ModelFault: no recording" in other.error
    assert "message 3 of 3 (user) differs, at content" in other.error


class Strict(ScriptedModel):
    """A model that can be held to a schema."""

    async def generate_json(self, messages: Any, schema: Any) -> Completion:
        return await self.generate(messages, [])


def test_an_answer_that_is_held_to_a_schema_is_recorded_with_it(tape: Path) -> None:
    def ask_json(cassette: Any, kind: str) -> str:
        return asyncio.run(cassette.generate_json(TALK, {"type": kind})).message.text

    cassette = Cassette(tape, Strict(["first", "second", "third"], "m-1"))
    assert [ask_json(cassette, "object"), ask_json(cassette, "array"), ask(cassette)] == ["first", "second", "third"]
    player = Cassette(tape)
    assert isinstance(player, Structured)
    assert [ask(player), ask_json(player, "array"), ask_json(player, "object")] == ["third", "second", "first"]
    with pytest.raises(ModelFault, match="schema"):
        ask_json(player, "string")


def test_it_offers_no_more_than_its_model(tape: Path) -> None:
    assert not offers(Cassette(tape, counted()), Structured)
    assert offers(Cassette(tape, Strict([])), Structured)
    recorded(tape)
    assert not offers(Cassette(tape), Structured)
