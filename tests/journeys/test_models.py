"""Models from end to end: agents solve tasks through each wire format, and every fault ends as the manual says."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from terrarium.core.errors import ModelFault, ModelRefused
from terrarium.core.message import Message
from terrarium.core.model import Completion
from terrarium.core.tool import foreign_tool
from terrarium.model.server.fault import KINDS
from terrarium.model.server.server import ModelServer
from terrarium.run.config import AgentConfig
from terrarium.run.models import close_models, make_model
from terrarium.run.trial import Trial, TrialConfig
from terrarium.testing import serving

sys.path.insert(0, str(Path(__file__).parents[1] / "tasksets"))
from shipped import NAMES, TASKS, TASKSETS, place

CLIENTS = {"openai-chat": "/v1", "openai": "/v1", "anthropic": "", "google": ""}
"""By provider, what stands behind the server's address in its base address."""
FEW = ["deadline", "webhook_triage"]
SOME = [name if name in ("anthropic", "openai") else pytest.param(name, marks=pytest.mark.soak) for name in CLIENTS]
"""The clients, of which the others take their turn where time does not matter."""
SETTINGS: dict[str, Any] = {"retries": 2, "max_wait": 0.02, "timeout": 60.0, "stall": 3.0}


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.setenv(name, "key-for-a-journey")


@pytest.fixture(scope="module")
def perfect() -> Iterator[ModelServer]:
    """A server at which the reference solutions of the office tasks answer."""
    with serving(f"solution:{TASKSETS / 'office'}") as server:
        yield server


def solved(folder: Path, task: str, provider: str, server: ModelServer, **settings: Any) -> Any:
    """The result of one trial of an office task with a tool loop that asks the server."""
    kwargs = {"base_url": server.url + CLIENTS[provider], **settings}
    agent = AgentConfig(name="tool_loop", model_name=f"{provider}/{task}", model_kwargs=kwargs)
    config = TrialConfig(place(TASKS[task]), agent, trial_dir=str(folder), snapshot="never")
    return Trial(config).run_sync()


def outcome(result: Any) -> tuple[Any, ...]:
    """What must be equal whatever format was spoken."""
    assert result.error is None, f"{result.error['type']}: {result.error['message']}"
    checks = [(check.name, check.passed) for check in result.verdict.checks]
    return result.verdict.reward, result.stop, checks, result.totals["steps"], result.totals["tool_calls"]


@pytest.mark.parametrize("task", [task for task in FEW if task in NAMES])
def test_an_office_task_is_solved_alike_in_all_four_formats(task: str, tmp_path: Path, perfect: ModelServer) -> None:
    outcomes = [outcome(solved(tmp_path / provider, task, provider, perfect)) for provider in CLIENTS]
    assert outcomes[0][0] == 1.0
    assert outcomes.count(outcomes[0]) == 4


@pytest.mark.soak
@pytest.mark.parametrize("task", NAMES)
@pytest.mark.parametrize("stream", [True, False])
def test_every_office_task_is_solved_alike_in_all_four_formats(
    task: str, stream: bool, tmp_path: Path, perfect: ModelServer
) -> None:
    outcomes = [outcome(solved(tmp_path / each, task, each, perfect, stream=stream)) for each in CLIENTS]
    assert outcomes[0][0] == 1.0
    assert outcomes.count(outcomes[0]) == 4


# -- faults -----------------------------------------------------------------------------------------------------------

MANUAL = (Path(__file__).parents[2] / "docs" / "serve_model.md").read_text("utf-8")
DOCUMENTED = dict(re.findall(r"^\| `(\w+)` \| .* \| `?(\w+)`? \|$", MANUAL.split("## Faults")[1], re.MULTILINE))
"""By fault, what the manual says that clients do: the class of the retry, `refused` or `arrives`."""
ANSWER = [{"say": "Here you are."}, {"tool": "look", "args": {"at": 1}}, {"tool": "look", "args": {"at": 2}}]
LOOK = foreign_tool("look", "", {"type": "object"}, lambda arguments: None)
SIZES = {"huge": ",size=20000000", "slow": ",seconds=0.001"}


def test_the_manual_tells_of_every_fault() -> None:
    assert set(DOCUMENTED) == {*KINDS, "429", "500", "529", "400"}


async def asked(provider: str, server: ModelServer, **settings: Any) -> Completion:
    """One answer of a fresh client."""
    model = make_model(f"{provider}/m", {"base_url": server.url + CLIENTS[provider], **SETTINGS, **settings})
    try:
        return await model.generate([Message("user", "Please.")], [LOOK])
    finally:
        await close_models()


def _pairs() -> Iterator[Any]:
    """Every fault with every client; each fault with one of them by default, in turn."""
    for number, fault in enumerate(DOCUMENTED):
        for turn, provider in enumerate(CLIENTS):
            late = fault in ("huge", "stall") or (number + turn) % 4
            yield pytest.param(fault, provider, marks=[pytest.mark.soak] if late else [])


@pytest.mark.parametrize(("fault", "provider"), list(_pairs()))
def test_a_fault_that_comes_once(fault: str, provider: str) -> None:
    """A client does what the manual says, and then has the answer."""
    wanted = DOCUMENTED[fault]
    with serving([ANSWER] * 3, [f"{fault}{SIZES.get(fault, '')},at=1"]) as server:
        if wanted == "refused":
            with pytest.raises(ModelRefused, match="this is fault"):
                asyncio.run(asked(provider, server))
            return
        completion = asyncio.run(asked(provider, server))
    assert completion.retries == ({} if wanted == "arrives" else {wanted: 1})
    if fault == "empty":
        assert (completion.stop, completion.message.text) == ("end", "")
        return
    assert completion.stop == "tool_use"
    ids = [use.id for use in completion.message.tool_uses]
    assert len(set(ids)) == len(ids) == (1 if fault == "deep" else 2)
    if fault not in ("deep", "control", "surrogate"):
        assert completion.message.text == "Here you are."


@pytest.mark.soak
@pytest.mark.parametrize("provider", CLIENTS)
@pytest.mark.parametrize("fault", [kind for kind, does in DOCUMENTED.items() if does not in ("arrives", "refused")])
def test_a_fault_that_comes_always(fault: str, provider: str) -> None:
    with serving([ANSWER] * 9, [f"{fault}{SIZES.get(fault, '')}"]) as server:
        with pytest.raises(ModelFault, match="gave no answer in 3 requests"):
            asyncio.run(asked(provider, server))
        assert len(server.requests) == 3


@pytest.mark.parametrize("provider", SOME)
def test_a_task_is_solved_while_much_goes_wrong(provider: str, tmp_path: Path) -> None:
    faults = ["429,at=1,after=0.01", "500,at=2", "truncated,at=4", "empty,at=6", "drop,at=8", "duplicate_ids,at=9"]
    with serving(f"solution:{TASKSETS / 'office' / 'deadline'}", faults) as server:
        result = solved(tmp_path, "deadline", provider, server, **SETTINGS)
        seen = [served.fault for served in server.requests if served.fault]
    assert outcome(result)[0] == 1.0
    assert seen == ["429", "500", "truncated", "empty", "drop", "duplicate_ids"]
    assert result.totals["retries"] >= 4


@pytest.mark.parametrize("provider", SOME)
def test_a_model_that_cannot_be_had_is_no_score(provider: str, tmp_path: Path) -> None:
    with serving(f"solution:{TASKSETS / 'office' / 'deadline'}", ["500,at=3,times=0"]) as server:
        result = solved(tmp_path, "deadline", provider, server, **SETTINGS)
    assert result.verdict.reward is None
    assert result.error is not None
    assert result.error["boundary"] == "model"
    assert "gave no answer in 3 requests" in result.error["message"]
