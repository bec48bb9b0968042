"""An agent that does everything wrong: it learns nothing it may not know, breaks nothing, and is cut at its limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest

from terrarium.core.agent import StopReason, TurnOver
from terrarium.core.message import Message, TextBlock
from terrarium.core.model import Completion
from terrarium.core.tool import ToolCall
from terrarium.run.config import AgentConfig, TaskConfig
from terrarium.run.trial import Trial, TrialConfig

TASK = '''
from terrarium import entry, run_checkers

CANARY = "canary-5b1f7c1e"  # never shown

@entry(capabilities=["email"], limits={"steps": 20, "tool_calls": 20, "turn_seconds": 5})
def program(env, agent):
    """A task."""
    env.email.send(from_addr="boss@x.example", to="agent@world.example", subject="s", body="b")
    first = agent.act("one")
    second = agent.act("two")
    return run_checkers({
        "two turns": lambda: len(agent.replies) == 2,
        "stops": lambda: [first.stop, second.stop] is not None,
    })

@program.solution
def solve(seat):
    return CANARY
'''


class Hostile:
    """Base of the agents below."""

    timing = "fixed"

    async def open(self, seat: Any) -> None:
        """Nothing."""

    def save(self) -> bytes | None:
        return b""

    def load(self, memory: bytes) -> None:
        """Nothing."""

    async def close(self) -> None:
        """Nothing."""


async def think(seat: Any) -> None:
    async def request() -> Completion:
        return Completion(Message("assistant", [TextBlock("hm")]))

    await seat.think(request)


NONSENSE: list[Any] = [
    None,
    "not json",
    '{"limit": "many"}',
    [1, 2],
    {"limit": "x" * 100},
    {"no_such_argument": 1},
    {"limit": -5},
    {"folder": "\ud800"},
    {"folder": {"nested": [{}] * 3}},
    {"folder": object()},
    {1: 2},
]


class Nonsense(Hostile):
    async def act(self, instruction: Any, seat: Any, resumed: bool = False) -> Any:
        from terrarium.core.agent import Reply

        for arguments in NONSENSE[: seat.budget.tool_calls - 2]:
            result = await seat.call(ToolCall("email_list", arguments, "id"))
            assert result.error in (None, "bad_arguments", "refused"), result
        assert (await seat.call(ToolCall("no_such_tool", {}))).error == "unknown_tool"
        return Reply.say("done")


class Huge(Hostile):
    async def act(self, instruction: Any, seat: Any, resumed: bool = False) -> Any:
        from terrarium.core.agent import Reply

        big = "x" * 50_000_000
        await think(seat)
        result = await seat.call(ToolCall("email_send", {"to": ["a@x.example"], "subject": "s", "body": big}))
        assert result.error == "refused"
        return Reply.say(big)


class Endless(Hostile):
    async def act(self, instruction: Any, seat: Any, resumed: bool = False) -> Any:
        while True:
            await think(seat)


class EndlessCalls(Hostile):
    async def act(self, instruction: Any, seat: Any, resumed: bool = False) -> Any:
        while True:
            await seat.call(ToolCall("email_list", {}))


class Deaf(Hostile):
    """Swallows the end of its turn, and goes on."""

    async def act(self, instruction: Any, seat: Any, resumed: bool = False) -> Any:
        refused = 0
        while refused < 1000:
            try:
                await think(seat)
            except TurnOver:
                refused += 1
        return "not a reply"


class Prying(Hostile):
    """Looks at everything its seat leads to by public names."""

    seen: ClassVar[list[str]] = []

    async def act(self, instruction: Any, seat: Any, resumed: bool = False) -> Any:
        from terrarium.core.agent import Reply

        for name in dir(seat):
            if not name.startswith("_"):
                self.seen.append(f"{name}={getattr(seat, name)!r}")
        for tool in seat.tools:
            self.seen.append(f"{tool.name} {tool.description} {tool.parameters}")
            if not tool.parameters.get("required"):
                self.seen.append((await seat.call(ToolCall(tool.name, {}))).content)
        return Reply.say("")


class Crashing(Hostile):
    async def act(self, instruction: Any, seat: Any, resumed: bool = False) -> Any:
        raise RuntimeError("the agent's own mistake")


def run(tmp_path: Path, agent: str) -> Any:
    (tmp_path / "task.py").write_text(TASK)
    config = TrialConfig(
        task=TaskConfig(path=str(tmp_path / "task.py")),
        agent=AgentConfig(name=agent, import_path=f"{__name__}:{agent}"),
        trial_dir=str(tmp_path / "run"),
    )
    return Trial(config).run_sync()


@pytest.mark.parametrize("agent", ["Nonsense", "Huge", "Prying"])
def test_nonsense_is_answered_and_the_trial_is_scored(tmp_path, agent):
    result = run(tmp_path, agent)
    assert result.error is None
    assert result.verdict.reward == 1.0


@pytest.mark.parametrize(
    ("agent", "stop"), [("Endless", StopReason.STEP_LIMIT), ("EndlessCalls", StopReason.TOOL_CALL_LIMIT)]
)
def test_an_agent_that_never_stops_is_cut_at_its_limit_and_scored(tmp_path, agent, stop):
    result = run(tmp_path, agent)
    assert result.verdict.reward == 1.0
    [journal] = (tmp_path / "run").glob("trials/*/try-1/journal.jsonl")
    assert journal.read_text().count(f'"stop":"{stop.value}"') >= 2


def test_an_agent_that_swallows_its_end_gains_nothing(tmp_path):
    result = run(tmp_path, "Deaf")
    assert result.error["boundary"] == "agent"
    assert result.verdict.reward is None


def test_an_agent_that_crashes_is_an_error_of_the_agent(tmp_path):
    result = run(tmp_path, "Crashing")
    assert result.error["boundary"] == "agent"
    assert "the agent's own mistake" in result.error["message"]


def test_a_seat_shows_nothing_of_task_checks_solution_or_seed(tmp_path):
    Prying.seen = []
    run(tmp_path, "Prying")
    everything = "\n".join(Prying.seen)
    assert "email_list" in everything
    for secret in ("canary-5b1f7c1e", "two turns", str(tmp_path), "solve", "run_checkers", "seed"):
        assert secret not in everything, secret
