"""Calls that stand in text, and answers that are JSON: whatever models make of it."""

from __future__ import annotations

import json

import pytest
from dialogue import ASKED, talking, told
from hypothesis import given
from hypothesis import strategies as st

from terrarium.agent.tool_loop.json_calls import JsonCalls, action_schema
from terrarium.agent.tool_loop.text_calls import TextCalls, calls_in
from terrarium.agent.tool_loop.tool_loop import ToolLoopAgent
from terrarium.core.message import Message, TextBlock, ToolUseBlock
from terrarium.core.model import Completion, Structured
from terrarium.core.tool import Tool
from terrarium.model.scripted import ScriptedModel
from terrarium.testing import check_agent

TASK = """
@entry(["notes"], NOTES)
def fn(env, agent):
    reply = agent.act("add notes")
    env.reward(f"{reply.stop}: {reply.text}", 0)
    return run_checkers({"so": lambda: True})
"""


def found(text: str) -> list:
    return [(one.name, one.arguments) for one in calls_in(text)]


@pytest.mark.parametrize(
    "text",
    [
        '<tool name="add">{"a": 1}</tool>',
        "I add.\n<tool name='add'>\n{\"a\": 1}\n</tool>\nThere.",
        '<tool name=add>{"a": 1}</tool>',
        '<TOOL NAME="add">{"a": 1}</TOOL>',
        '<tool name="add">```json\n{"a": 1}\n```</tool>',
        '<tool name="add">{"a": 1}',
        "<tool name=\"add\">{'a': 1}</tool>",
        '<tool name="add">{"tool": "add", "args": {"a": 1}}</tool>',
        '<tool_call>{"name": "add", "arguments": {"a": 1}}</tool_call>',
        '<tool_call>\n{"function": {"name": "add", "arguments": {"a": 1}}}\n</tool_call>',
        '<tool>{"tool": "add", "args": {"a": 1}}</tool>',
        'So:\n```json\n{"tool": "add", "args": {"a": 1}}\n```\n',
        '```\n{"name": "add", "parameters": {"a": 1}}\n```',
        '```tool_call\n{"tool": "add", "a": 1}\n```',
        '{"action": "add", "action_input": {"a": 1}}',
        '[{"tool_name": "add", "tool_input": {"a": 1}}]',
        '{"tool_calls": [{"type": "function", "function": {"name": "add", "arguments": {"a": 1}}}]}',
    ],
)
def test_the_spellings_of_one_call(text):
    assert found(text) == [("add", {"a": 1})]


def test_several_calls_and_the_words_between_them():
    text = 'One.<tool name="a">{}</tool> Two.<tool name="b"></tool>Three.<tool name="c">not json</tool>'
    answer = TextCalls().read(Completion(Message("assistant", [TextBlock(text)])), 7)
    assert [(use.id, use.name, use.input) for use in answer.calls] == [
        ("call_7_1", "a", {}),
        ("call_7_2", "b", {}),
        ("call_7_3", "c", "not json"),
    ]
    assert answer.text == "One. Two.Three."


@pytest.mark.parametrize(
    "text",
    [
        "All done.",
        '{"price": 3}',
        '{"name": "Ann", "age": 3}',
        '{"action": "buy", "price": 3}',
        '```json\n{"name": "Ann"}\n```',
        '```python\n{"tool": "add", "args": {}}\n```',
        "```bash\nls\n```",
        "a < b and <toolbox>",
        "[1, 2]",
        "",
    ],
)
def test_what_is_no_call(text):
    assert found(text) == []


@pytest.mark.parametrize(
    "text",
    ["<tool>{}</tool>", "<tool>what</tool>", '```json\n{"tool": "add", "args": {\n```', '{"tool": "add", "args": '],
)
def test_what_was_meant_as_a_call_is_complained_about(text):
    answer = TextCalls().read(Completion(Message("assistant", [TextBlock(text)])), 1)
    assert not answer.calls
    assert json.loads(answer.wrong[0])["error"]["code"] == "no_call"


@given(st.text(alphabet="<>/tool name=\"a{}[]1:,`\n\\'", max_size=200))
def test_no_text_breaks_the_parser(text):
    for read in (TextCalls().read, JsonCalls().read):
        answer = read(Completion(Message("assistant", [TextBlock(text)])), 1)
        assert isinstance(answer.text, str)


def test_huge_and_deep_text_is_read_in_bearable_time():
    text = "<tool>" * 150_000
    assert len(calls_in(text)) <= 1000
    assert len(calls_in("```json\n" * 120_000)) <= 1000
    deep = "[" * 500_000
    assert found(f'<tool name="a">{deep}</tool>') == [("a", deep)]
    JsonCalls().read(Completion(Message("assistant", [TextBlock('{"a":' * 200_000)])), 1)


def test_a_trial_in_text(play):
    answers = [
        'I add. <tool name="notes_add">{"text": "a"}</tool><tool name="notes_add">{"txt": "b"}</tool>',
        "<tool>{}</tool>",
        [{"say": "native"}, {"tool": "notes_add", "args": {"text": "c"}}],
        "done",
    ]
    played = play(TASK, talking(*answers, calls="text"))
    assert played.said == ["completed: done"]
    assert [event.data["result"].error for event in played.events("tool_result")] == [None, "bad_arguments", None]
    assert all(tools == [] for _, tools in ASKED)
    system = ASKED[0][0][0].text
    assert '<tool name="NAME">' in system
    assert "notes_add: " in system
    assert [message.role for message in ASKED[-1][0]] == ["system"] + ["user", "assistant"] * 3 + ["user"]
    assert not any(message.tool_uses for message in ASKED[-1][0])
    assert '<result tool="notes_add" call="call_1_1">' in told()
    assert '"code": "bad_arguments"' in told()
    assert '"code": "no_call"' in told()


def test_a_trial_in_json(play):
    call = '{"thought": "hm", "action": {"tool": "notes_add", "args": {"text": "a"}}}'
    answers = [call, f"Here: {call} so.", "no json", "{}", '```json\n{"action": {"say": "done"}}\n```']
    played = play(TASK, talking(*answers, calls="json"))
    assert played.said == ["completed: done"]
    assert len(played.events("tool_result")) == 2
    assert '"code": "not_json"' in told(3)
    assert '"code": "no_action"' in told(4)


class Held(ScriptedModel):
    """A model that can be held to a schema."""

    schemas: list

    async def generate_json(self, messages, schema):
        self.schemas = [*getattr(self, "schemas", []), schema]
        return await self.generate(messages, [])


def test_a_model_that_can_be_held_to_a_schema_gets_it():
    made = []

    def make() -> ToolLoopAgent:
        answers = ['{"thought": "", "action": {"tool": "remember", "args": {"text": "x"}}}']
        answers += ['{"thought": "", "action": {"say": "yes"}}'] * 2
        made.append(Held(answers))
        return ToolLoopAgent(made[-1], calls="json")

    assert isinstance(Held([]), Structured)
    check_agent(make)
    actions = made[1].schemas[0]["properties"]["action"]["anyOf"]
    remember = next(one for one in actions if one["properties"].get("tool", {}).get("const") == "remember")
    assert remember["properties"]["args"]["required"] == ["text"]


def plan(when: str, days: list[dict[str, int]]) -> None:
    """Plan."""


def test_definitions_of_a_tools_schema_stand_at_the_root():
    parameters = {
        "type": "object",
        "properties": {"at": {"$ref": "#/$defs/Place"}},
        "$defs": {"Place": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Place"}}}},
    }
    tools = [Tool("go", "Go.", parameters, plan), Tool.of(plan)]
    schema = action_schema(tools)
    assert set(schema["$defs"]) == {"go.Place"}
    assert schema["$defs"]["go.Place"]["properties"]["next"] == {"$ref": "#/$defs/go.Place"}
    go = schema["properties"]["action"]["anyOf"][1]["properties"]["args"]
    assert go["properties"]["at"] == {"$ref": "#/$defs/go.Place"}
    assert "$defs" not in go
    assert parameters["properties"]["at"] == {"$ref": "#/$defs/Place"}


def test_a_native_call_in_text_mode_is_said_in_words():
    made = TextCalls()

    async def ask():
        model = ScriptedModel([[ToolUseBlock("", "a", "{broken")]])
        return await made.ask(model, [], [])

    import asyncio

    completion = asyncio.run(ask())
    assert made.read(completion, 1).calls == [ToolUseBlock("call_1_1", "a", "{broken")]
