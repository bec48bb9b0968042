"""Command-line agents: how their programs are run in the sandbox of their world, and how they end."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from terrarium.agent.command.agent import CommandAgent
from terrarium.agent.command.program import McpServer, Program
from terrarium.agent.command.template import file_of, filled, plain, words_of
from terrarium.agent.command.transcript import LINE_BYTES, Lines
from terrarium.core import patience
from terrarium.core.errors import ConfigError, ModelFault
from terrarium.core.message import Message, TextBlock, Usage
from terrarium.core.model import Completion
from terrarium.run.config import AgentConfig
from terrarium.sandbox.tier import tier

needs_namespaces = pytest.mark.skipif(tier().number != 1, reason=f"no namespaces here: {' '.join(tier().reasons)}")


class LittleTranscript:
    def __init__(self) -> None:
        self.session: str | None = None
        self.messages: list[Message] = []
        self.text = self.error = ""

    def line(self, line: str) -> None:
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            return
        self.session = event.get("session", self.session)
        if event.get("said"):
            self.text = event["said"]
            self.messages.append(Message("assistant", [TextBlock(self.text)]))

    def file(self, content: bytes) -> None: ...


LITTLE = Program(
    name="little",
    version="1.0",
    wire="openai_chat",
    first=("$bin/little", "--session", "$session", ("--system", "$system_prompt")),
    resumed=("$bin/little", "--resume", "--session", "$session"),
    transcript=LittleTranscript,
    stdin="$instruction",
    env={"LITTLE_URL": "$url", "LITTLE_TOKEN": "$token", "LITTLE_MODEL": "$model", "LITTLE_HOME": "$home"},
    files={"$home/config.json": ({"model": "$model"}, {"system": "$system_prompt"})},
    servers=("$home/config.json", lambda servers: {"servers": {server.name: server.url for server in servers}}),
    skills="$home/skills",
    home="/var/lib/agents/little",
)


class Little(CommandAgent):
    def __init__(self, model: Any, gateway: Any, **settings: Any) -> None:
        super().__init__(LITTLE, model, gateway, **settings)

    @classmethod
    def mounts(cls, kwargs: Mapping[str, Any]) -> Mapping[str, str]:
        return {LITTLE.bin: str(Path(__file__).parent / "little")}


class Missing(Little):
    @classmethod
    def mounts(cls, kwargs: Mapping[str, Any]) -> Mapping[str, str]:
        return {}


class Echo:
    """Says what it is asked, in capitals; its name says what goes wrong."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def generate(self, messages: Any, tools: Any) -> Completion:
        if self.name == "down":
            raise ModelFault("nobody there")
        said = TextBlock(messages[-1].text.upper())
        return Completion(Message("assistant", [said]), "end", Usage(3, 2), self.name)

    async def close(self) -> None: ...


def little(model: str = "m", kind: str = "Little", **settings: Any) -> AgentConfig:
    own = f"{__name__}:{kind}"
    return AgentConfig(name="little", import_path=own, model_name=f"{__name__}:Echo/{model}", kwargs=settings)


def turns(*instructions: str, before: str = "", after: str = "", config: str = "") -> str:
    """A task whose program asks for these turns and notes down what was said."""
    lines = [f"    note(agent.act({text!r}))" for text in instructions]
    return "\n".join(
        [
            f"@entry({config})",
            "def errand(env, agent):",
            "    def note(reply):",
            '        env.reward(f"{reply.stop}: {reply.text}"[:300], 0)',
            f"    {before or 'pass'}",
            *lines,
            f"    {after or 'pass'}",
            '    return run_checkers({"done": lambda: True})',
        ]
    )


# -- in a sandbox -------------------------------------------------------------------------------------------------


@needs_namespaces
def test_turns_of_a_program_continue_its_session(play: Any, tmp_path: Path) -> None:
    (tmp_path / "skills" / "count").mkdir(parents=True)
    (tmp_path / "skills" / "count" / "SKILL.md").write_text("one, two")
    agent = little(skills=str(tmp_path / "skills"), mcp_servers={"more": {"url": "http://more.world/mcp"}})
    played = play(
        turns(
            "ask hello\nremember seven",
            "recall",
            "skill count/SKILL.md",
            "config",
            "noise 3000000\nask after",
            before='agent.system_prompt = "be kind"',
        ),
        agent,
    )
    said = played.said
    assert said[:3] == ["completed: HELLO", "completed: seven", "completed: one, two"]
    servers = {"more": "http://more.world/mcp", "world": "http://mcp.world/mcp"}
    told = json.loads(said[3].partition(": ")[2])
    assert told == {"model": "m", "system": "be kind", "servers": servers}
    assert said[4] == "completed: AFTER"
    assert [event.data["completion"].usage for event in played.events("model")] == [Usage(3, 2)] * 2
    reply = next(event.data["value"] for event in played.events("return") if "Reply" in str(type(event.data["value"])))
    assert [message.text for message in reply.messages] == ["HELLO"]
    assert (reply.usage, reply.steps) == (Usage(3, 2), 1)


@needs_namespaces
@pytest.mark.parametrize(
    ("instruction", "model", "kind", "told"),
    [
        ("fail 3", "m", "Little", "AgentFault: little 1.0 ended with exit code 3: it  [31mbroke"),
        ("kill 9", "m", "Little", "AgentFault: little 1.0 was killed by signal 9"),
        ("ask", "m", "Missing", "AgentFault: little 1.0 is not installed"),
        ("ask hello\nfail 1", "down", "Little", "ModelFault: nobody there"),
        ("ask hello", "down", "Little", "ModelFault: nobody there"),
    ],
)
def test_a_program_that_breaks_or_has_no_model_is_no_zero(
    play: Any, instruction: str, model: str, kind: str, told: str
) -> None:
    played = play(turns(instruction), little(model, kind))
    assert played.error.startswith(told)
    assert played.result.verdict.reward is None


@needs_namespaces
def test_a_limit_ends_a_program_that_asks_on_and_on(play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("terrarium.agent.command.agent._GRACE", 0.3)
    after = 'env.reward(str(env.workspace.shell.exec("pgrep -c little").stdout.strip()), 0)'
    played = play(turns("retry", after=after), little(), limits={"steps": 3})
    assert played.said == ["step_limit: HTTP 400", "0"]
    assert len(played.events("step")) == 3
    assert played.reward == 1.0


@needs_namespaces
def test_the_time_of_a_turn_ends_its_program(play: Any) -> None:
    after = 'env.reward(str(env.workspace.shell.exec("pgrep -c little").stdout.strip()), 0)'
    played = play(turns("ask hi\nsleep 600", "recall", after=after), little(), limits={"turn_seconds": 1.5})
    assert played.said[0] == "turn_time_limit: "
    assert played.said[-1] == "0"


@needs_namespaces
def test_what_a_program_leaves_behind_lives_on_and_is_not_answered(play: Any) -> None:
    after = 'env.workspace.shell.exec("while ! [ -s left.txt ]; do sleep 0.05; done; cat left.txt").stdout'
    played = play(turns("leave 0.2\nask hi", after=f"env.reward({after}, 0)"), little())
    assert played.said == ["completed: HI", "HTTP 400"]


@needs_namespaces
def test_a_resumed_trial_continues_the_session(play: Any) -> None:
    played = play(turns("remember seven", "ask more", "recall"), little(), snapshot="every-turn")
    assert played.said[-1] == "completed: seven"
    played.crash_behind(played.snapshots()[1])
    assert played.run().said == ["completed: ", "completed: MORE", "completed: seven"]
    assert played.result.tries == 1


@needs_namespaces
def test_the_clock_follows_the_wall_while_a_program_neither_asks_nor_acts(
    play: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "SECONDS", 0.2)
    monkeypatch.setattr(patience, "TICK", 0.05)
    wait = 'env.after(0.1, lambda: env.workspace.fs.write_file("/root/due.txt", "now"))'
    after = 'env.reward(env.workspace.fs.read_text("/root/due.txt"), 0)'
    played = play(turns("sleep 0.8\nask hi", before=wait, after=after), little())
    assert played.said == ["completed: HI", "now"]
    kinds = [event.kind for event in played.events("fired", "step")]
    assert kinds[0] == "fired"


@needs_namespaces
def test_no_key_of_a_provider_is_in_the_sandbox_or_in_what_is_written(
    play: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key = "sk-" + "fake-9f8e7d6c5b4a"
    for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.setenv(name, key)
    played = play(turns("ask hi\nsearch fake-9f8e7d6c5b4a", "search planted"), little())
    assert played.said == ["completed: nothing", "completed: nothing"]
    files = [path for path in played.folder.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if key.encode() in path.read_bytes()]
    token = [path for path in files if b"terrarium-" in path.read_bytes()]
    assert not [path for path in token if b"LITTLE_TOKEN" in path.read_bytes()]


@needs_namespaces
def test_each_of_several_agents_has_a_gateway_of_its_own(play: Any) -> None:
    source = """
    @entry(agents=["ann", "bob"])
    def errand(env, agents):
        env.reward(agents["ann"].act("ask one").text, 0)
        env.reward(agents["bob"].act("ask two\\nwith terrarium-0123\\nask three").text, 0)
        return run_checkers({"done": lambda: True})
    """
    played = play(source, little())
    assert played.said == ["ONE", "THREE"]
    assert [event.actor for event in played.events("step")] == ["ann", "bob", "bob"]


@needs_namespaces
@pytest.mark.parametrize(
    ("config", "told"),
    [
        ('capabilities=["workspace"], capabilities_config={"workspace": {"sandbox": "memory"}}', "sandbox 'local'"),
        ('agents=["ann", "bob"], capabilities_config={"workspace": {"agents": ["ann", "bob"]}}', "shares its sandbox"),
    ],
)
def test_where_there_is_no_sandbox_of_its_own_that_is_said(play: Any, config: str, told: str) -> None:
    source = turns("ask hi", config=config)
    if "agents=" in config:
        source = source.replace("(env, agent)", "(env, agents)").replace("agent.act", 'agents["ann"].act')
    played = play(source, little())
    assert "SandboxFault" in played.error
    assert told in played.error


# -- descriptions of programs -------------------------------------------------------------------------------------


def test_templates_leave_out_what_has_no_value() -> None:
    values = {"model": "m", "mcp": "", "text": "$model ${x} \x1b"}
    assert words_of(["run", ("--mcp", "$mcp"), ("--model", "$model"), "$text"], values) == [
        "run",
        "--model",
        "m",
        "$model ${x} \x1b",
    ]
    assert file_of(["a=$model\n", "b=$mcp\n", "c=$$1\n"], values) == "a=m\nc=$1\n"
    parts = [{"a": {"b": "$model"}}, {"a": {"c": ["$text", 1, None]}}, {"d": "$mcp"}, plain({"e": "$mcp"})]
    assert json.loads(file_of(parts, values)) == {
        "a": {"b": "m", "c": ["$model ${x} \x1b", 1, None]},
        "e": "$mcp",
    }
    with pytest.raises(ConfigError, match="cannot be filled"):
        filled("$nobody", values)


def test_settings_of_a_program_are_checked(tmp_path: Path) -> None:
    made: Any = {"model": None, "gateway": None}
    for settings, told in (
        ({"skills": str(tmp_path / "none")}, "is none"),
        ({"mcp_servers": {"a": {}}}, "with `url` or with `command`"),
        ({"mcp_servers": {"a": {"url": "x", "head": {}}}}, "unknown key 'head'"),
        ({"args": "--fast"}, "list of words"),
    ):
        with pytest.raises(ConfigError, match=told):
            Little(**made, **settings)
    assert McpServer.of("a", {"command": "run", "args": ["x"]}).args == ["x"]


def test_lines_are_bounded() -> None:
    told: list[str] = []
    lines = Lines(told.append)
    for data in (b"on", b"e\r\n\ntw", b"o\xff\n", b"x" * LINE_BYTES, b"y\nthree", b""):
        lines.feed(data)
    lines.end()
    assert told == ["one", "two\ufffd", "three"]


def test_the_stand_in_can_be_run() -> None:
    assert os.access(Path(__file__).parent / "little" / "little", os.X_OK)
