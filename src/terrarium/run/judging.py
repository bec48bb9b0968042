"""Who answers `env.judge` in a trial: the judge of the job, or the record of the trial."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from terrarium.core.calls import Handler
from terrarium.core.errors import TerrariumError, VerifierFault
from terrarium.core.judgement import PATH, Judgement
from terrarium.core.world import World
from terrarium.run.judge_config import JudgeConfig
from terrarium.run.models import make_model
from terrarium.run.totals import Totals
from terrarium.task.judge import Judge

Asked = Callable[..., Awaitable[Judgement]]


def install_judge(world: World, ask: Asked) -> None:
    """Put a judge behind `env.judge`; the program keeps the baton while it thinks."""
    world.handle(PATH, Handler(lambda _number, **asked: world.calls.block(_asked(ask, asked))))


async def _asked(ask: Asked, asked: Mapping[str, Any]) -> Judgement:
    return await ask(**asked)


def live_judge(config: JudgeConfig | None, totals: Totals) -> Asked:
    """Asks the model of the job, and counts what that costs apart from what agents use.

    Args:
        config: Who judges; None where the job does not say.
        totals: Of the trial.
    """

    async def ask(**asked: Any) -> Judgement:
        found = await judged(config, asked)
        totals.judge_tokens += found.usage.input_tokens + found.usage.output_tokens
        totals.judge_cost += found.cost or 0.0
        totals.judge_votes += len(found.votes)
        return found

    return ask


async def judged(config: JudgeConfig | None, asked: Mapping[str, Any]) -> Judgement:
    """What the judge of a job says.

    Raises:
        VerifierFault: There is none, or it cannot be made or reached.
    """
    if config is None:
        raise VerifierFault("the task asks a judge, and the job names none: say which with --judge-model provider/name")
    try:
        model = make_model(config.model_name, config.model_kwargs)
    except TerrariumError as error:
        raise VerifierFault(f"there is no judge {config.model_name}: {error}") from error
    judge = Judge(model, config.model_name, config.votes, config.aggregate, config.timeout_sec)
    return await judge.judge(**asked)
