"""The shell agent: commands one after the other, until it says that it is done."""

from __future__ import annotations

import pytest
from dialogue import ASKED, talking, told

from terrarium.agent.shell import ShellAgent
from terrarium.core.errors import ConfigError
from terrarium.core.message import ToolResultBlock, ToolUseBlock
from terrarium.model.scripted import ScriptedModel

TASK = """
@entry()
def fn(env, agent):
    for number in range(TURNS):
        reply = agent.act(f"round {number}")
        env.reward(f"{reply.stop}: {reply.text}", 0)
    return run_checkers({"kept": lambda: env.workspace.fs.exists("kept.txt")})
"""


def bash(command: str) -> dict:
    return {"tool": "bash", "args": {"command": command}}


@pytest.fixture
def turns(play):
    def go(number, *answers, limits=None, reward=1.0, **settings):
        source = TASK.replace("TURNS", str(number))
        played = play(source, talking(*answers, agent="shell", **settings), limits=limits)
        assert played.reward == reward
        return played.said, played

    return go


def test_commands_by_tool_and_in_fences(turns):
    said, played = turns(2, bash("echo one > kept.txt"), "I look.\n```bash\ncat kept.txt\n```\nSo.", "seen", "again")
    assert said == ["completed: seen", "completed: again"]
    assert [event.data["tool"] for event in played.events("tool_call")] == ["workspace_exec"] * 2
    assert ASKED[0][1] == ["bash"]
    assert ASKED[2][0][-1].text == "[exit code 0]\none\n"
    assert [message.role for message in ASKED[-1][0]][-2:] == ["assistant", "user"]


def test_without_a_tool_on_offer(turns):
    said, _ = turns(1, "```sh\necho one > kept.txt; cat nosuch\n```", "done", native=False)
    assert said == ["completed: done"]
    assert ASKED[0][1] == []
    assert "[exit code 1]" in told()
    assert "[stderr]" in told()


def test_it_says_that_it_is_done(turns):
    asked = [bash("echo x > kept.txt"), bash("echo TERRARIUM_DONE; cat kept.txt; echo y"), bash("rm kept.txt")]
    said, _ = turns(1, asked)
    assert said == ["completed: x\ny"]
    assert len(ASKED) == 1


def test_a_limit_between_commands_leaves_none_without_a_result(turns):
    twice = [ToolUseBlock("a", "bash", {"command": "echo > kept.txt"}), ToolUseBlock("a", "bash", {"command": "true"})]
    said, _ = turns(2, twice, "end", limits={"tool_calls": 1})
    assert said == ["tool_call_limit: ", "completed: end"]
    uses = [use.id for message in ASKED[-1][0] for use in message.tool_uses]
    results = [b for m in ASKED[-1][0] if m.role == "tool" for b in m.content if isinstance(b, ToolResultBlock)]
    assert [block.tool_use_id for block in results] == uses == ["a", "a_2"]
    assert "not run" in results[1].content


def test_what_is_no_command_is_told_and_empty_answers_end(turns):
    said, _ = turns(1, [bash("echo > kept.txt"), {"tool": "bash", "args": {"cmd": "x"}}, {"tool": "nosuch"}], "", "")
    assert said == ["gave_up: "]
    assert "bad arguments" in told()
    assert "no tool 'nosuch'" in told()
    assert len(ASKED) == 4


def test_long_output_shows_head_and_tail(turns):
    turns(1, bash(f"echo {'x' * 900}yyy | tee kept.txt"), "end", output_limit=300)
    assert "[left out: 604 characters]" in told()
    assert "yyy" in told()


def test_bad_settings_are_refused():
    with pytest.raises(ConfigError, match="output_limit"):
        ShellAgent(ScriptedModel([]), output_limit=5)


def test_its_memory_is_what_was_said():
    agent, twin = ShellAgent(ScriptedModel([])), ShellAgent(ScriptedModel([]))
    memory = agent.save()
    assert memory is not None
    twin.load(memory)
    assert twin.save() == memory
