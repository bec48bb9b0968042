"""Who answers at the model server: scripts, policies and reference solutions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from terrarium.core.errors import ConfigError, ModelFault, TaskBroken
from terrarium.core.message import Message, TextBlock, ToolResultBlock, ToolUseBlock
from terrarium.core.model import Completion
from terrarium.core.tool import Tool, foreign_tool
from terrarium.model.server.script import read_script
from terrarium.model.server.solution import SolutionModel, value_of
from terrarium.run.served import brain

USER = Message("user", "Go.")
SAID = Message("assistant", "I did.")


def tool(name: str) -> Tool:
    return foreign_tool(name, "", {"type": "object"}, lambda arguments: None)


def ask(model: Any, messages: Sequence[Message], tools: Sequence[str] = ()) -> Completion:
    completion: Completion = asyncio.run(model.generate(messages, [tool(name) for name in tools]))
    return completion


def done(name: str, result: str | None, error: bool = False, call: str = "c", **arguments: Any) -> list[Message]:
    """A call in a conversation, and its result."""
    use = Message("assistant", [ToolUseBlock(call, name, arguments)])
    return [use, Message("tool", [ToolResultBlock(call, result, error)])]


# -- scripts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", '["one", {"tool": "t", "args": {"x": 1}}]'),
        ("a.json", '{"answers": ["one", {"tool": "t", "args": {"x": 1}}], "per": "conversation"}'),
        ("a.jsonl", '"one"\n\n{"tool": "t", "args": {"x": 1}}\n'),
        ("a.toml", 'answers = ["one", {tool = "t", args = {x = 1}}]\n'),
    ],
)
def test_a_script_answers_each_conversation_from_its_beginning(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    model, faults = brain(str(tmp_path / name))
    assert not faults
    assert not isinstance(model, dict)
    for _ in range(2):
        assert ask(model, [USER]).message.text == "one"
        [use] = ask(model, [USER, SAID, USER]).message.tool_uses
        assert (use.name, use.input) == ("t", {"x": 1})
    with pytest.raises(ModelFault, match="more than its"):
        ask(model, [USER, SAID, USER, SAID, USER])


def test_a_script_of_the_server_gives_each_answer_once_and_brings_its_faults(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text('per = "server"\nanswers = ["one", "two"]\nfaults = ["500,at=1"]\n')
    model, faults = brain(str(file), "named")
    assert [fault.kind for fault in faults] == ["500"]
    assert getattr(model, "name", "") == "named"
    assert [ask(model, [USER]).message.text for _ in range(2)] == ["one", "two"]
    with pytest.raises(ModelFault):
        ask(model, [USER])


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.json", "[", "is no JSON"),
        ("a.jsonl", '"one"\n[', "is no JSONL"),
        ("a.toml", "answers = ", "is no TOML"),
        ("a.json", "3", "has no list `answers`"),
        ("a.json", '{"answers": [], "fault": []}', "did you mean 'faults'"),
        ("a.json", '{"answers": [], "per": "agent"}', "server or conversation"),
        ("a.json", '{"answers": [], "faults": "500"}', "`faults` is a list"),
        ("a.json", '{"answers": [], "faults": ["boom"]}', "there is no fault 'boom'"),
        ("a.json", '{"answers": [7]}', "neither text nor a tool call"),
        ("a.json", "[" * 10_000, "is no JSON"),
    ],
)
def test_what_is_no_script_is_told(tmp_path: Path, name: str, text: str, told: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=told):
        read_script(tmp_path / name).model("m")


# -- policies -------------------------------------------------------------------------------------------------------


def test_echo_says_what_the_user_said_last() -> None:
    model, _ = brain("echo")
    assert (
        ask(model, [Message("system", "s"), Message("user", "one"), SAID, Message("user", "two")]).message.text == "two"
    )
    assert ask(model, [Message("system", "s")]).message.text == "(nothing)"


def test_tools_calls_what_the_prompt_names_in_that_order() -> None:
    model, _ = brain("tools")
    names = ["email_list", "mcp__world__email_send", "email_lister"]
    talk = [Message("user", 'First email_send {"to": ["a@b.example"]}, then email_list. {"no": 1}')]
    first = ask(model, talk, names).message.tool_uses[0]
    assert (first.name, first.input) == ("mcp__world__email_send", {"to": ["a@b.example"]})
    talk += done(first.name, "done")
    assert ask(model, talk, names).message.tool_uses[0].name == "email_list"
    talk += done("email_list", "[]", call="d")
    assert ask(model, talk, names).message.text == "Done: mcp__world__email_send, email_list."
    assert ask(model, [USER], names).message.text == "There is no tool to call."


def policy(messages: Sequence[Message], tools: Sequence[Tool]) -> Any:
    return f"{len(messages)} messages"


async def slow_policy(messages: Sequence[Message], tools: Sequence[Tool]) -> Any:
    return [{"say": "slowly"}]


def test_a_function_of_ones_own() -> None:
    assert ask(brain(f"{__name__}:policy")[0], [USER]).message.text == "1 messages"
    assert ask(brain(f"{__name__}:slow_policy")[0], [USER]).message.text == "slowly"


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("ehco", "did you mean 'echo'"),
        ("no_such_module:thing", "cannot be imported"),
        (f"{__name__}:USER", "is no function"),
        ("cassette:/nowhere.jsonl", "holds no recording"),
        ("script.json", "cannot read the script"),
        ("solution:/nowhere", "/nowhere"),
    ],
)
def test_nobody_who_could_answer(spec: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        brain(spec)


# -- reference solutions --------------------------------------------------------------------------------------------


def solve(seat: Any, limit: int = 2) -> Any:
    found = seat.call("mail_list", limit=limit)
    try:
        seat.call("mail_read", id=found["mails"][0])
    except ValueError as refusal:
        seat.call("note", text=str(refusal))
    answer = yield f"I read {found['mails'][0]}; {seat.instruction}"
    seat.call("note", text=json.loads(answer)["say"])
    return ""


def test_a_solution_is_led_through_a_conversation() -> None:
    model = SolutionModel(solve, {"limit": 5}, "errand")
    talk = [Message("system", "You are an agent."), Message("user", "Read.")]
    names = ["mail_list", "mail_read", "note"]
    first = ask(model, talk, names)
    assert first.stop == "tool_use"
    assert first.message.tool_uses[0].input == {"limit": 5}
    assert first.usage.input_tokens
    talk += done("mail_list", '{"mails": ["m1"]}')
    talk += [Message("user", [TextBlock("[notice] mail has come")])]
    assert ask(model, talk, names).message.tool_uses[0].input == {"id": "m1"}
    talk += done("mail_read", "error: no such mail", call="c2")
    assert ask(model, talk, names).message.tool_uses[0].input == {"text": "error: no such mail"}
    talk += done("note", "done", call="c3")
    talk += [Message("assistant", []), Message("user", "Your answer was empty.")]
    said = ask(model, talk, names)
    assert said.message.text == "I read m1; Read."
    assert said.stop == "end"
    talk += [said.message, Message("user", '{"say": "more"}'), Message("user", "[notice from mail] x")]
    assert ask(model, talk, names).message.tool_uses[0].input == {"text": "more"}
    talk += done("note", "done", call="c4")
    end = ask(model, talk, names).message
    assert end.text == "There is nothing more to do."
    assert ask(model, [*talk, end, USER], names).message.text == "There is nothing more to do."


def test_tools_behind_a_prefix_are_called_by_it() -> None:
    model = SolutionModel(solve, {}, "errand")
    names = ["Bash", "mcp__world__mail_list"]
    talk = [Message("user", "<system-reminder>x</system-reminder>Read.")]
    assert ask(model, talk, names).message.tool_uses[0].name == "mcp__world__mail_list"
    talk += done("Bash", "nothing") + done("mcp__world__mail_list", '{"mails": ["m1"]}', call="d")
    assert ask(model, talk, names).message.tool_uses[0].name == "mail_read"


def test_a_solution_that_breaks_or_is_told_nothing() -> None:
    model = SolutionModel(solve, {}, "errand")
    with pytest.raises(ModelFault, match="the solution of errand breaks: TypeError"):
        ask(model, [Message("user", "Read."), *done("mail_list", "no JSON")])
    with pytest.raises(ModelFault, match="no instruction"):
        ask(model, [Message("system", "x")])


@pytest.mark.parametrize(
    ("content", "value"),
    [
        ("done", None),
        ('{"a": [1]}', {"a": [1]}),
        ("[1, 2", "[1, 2"),
        ("-3.5", -3.5),
        ("3 apples", "3 apples"),
        ("true", True),
        ("true story", "true story"),
        ('{"result": "a,b\\n1,2\\n"}', "a,b\n1,2\n"),
        ('{"result": 1, "more": 2}', {"result": 1, "more": 2}),
        ('Wall time: 0.3624 seconds\nOutput:\n{"total": 3}', {"total": 3}),
        ("", ""),
    ],
)
def test_the_value_behind_a_text(content: str, value: Any) -> None:
    assert value_of(content) == value


def test_solutions_of_a_taskset_are_models_by_the_names_of_their_tasks(tmp_path: Path) -> None:
    shipped = Path(__file__).parents[2] / "tasksets" / "office"
    models, _ = brain(f"solution:{shipped}")
    assert isinstance(models, dict)
    assert {"deadline", "standup"} <= set(models)
    alone, _ = brain(f"solution:{shipped / 'deadline'}")
    assert getattr(alone, "name", "") == "deadline"
    (tmp_path / "task.py").write_text("1 / 0\n")
    with pytest.raises(TaskBroken, match="ZeroDivisionError"):
        brain(f"solution:{tmp_path}")
    (tmp_path / "task.py").write_text("from terrarium import entry\n\n@entry()\ndef bare(env, agent):\n    pass\n")
    with pytest.raises(ConfigError, match=r"no task at .* has a reference solution"):
        brain(f"solution:{tmp_path}")
