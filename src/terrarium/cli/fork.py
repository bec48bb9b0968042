"""`terrarium fork`: a new trial that leaves a recorded one at a turn."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from terrarium.core.errors import ConfigError

if TYPE_CHECKING:
    from terrarium.run.config import AgentConfig
    from terrarium.run.folder import RunFolder
    from terrarium.run.spec import TrialResult, TrialSpec


@click.command("fork")
@click.argument("run", metavar="RUN")
@click.argument("trial", metavar="TRIAL")
@click.option(
    "--at", "turn", required=True, type=click.IntRange(1), metavar="TURN", help="Leave it when this turn begins."
)
@click.option("-a", "--agent", metavar="AGENT", help="Who acts from then on. Default: the same, with its memory.")
@click.option("--agent-import", metavar="MODULE:CLASS", help="An agent of your own.")
@click.option("--model", metavar="NAME", help="Another model.")
@click.option("-k", "--kwarg", "kwargs", multiple=True, metavar="KEY=VALUE", help="A setting of the agent; repeatable.")
@click.option("--seed", type=int, help="What the agent and the world draw from then on.")
@click.option("--instruction", metavar="TEXT", help="What the agent is told in that turn.")
@click.option("--inject", "calls", multiple=True, metavar="JSON", help="A call that is made when that turn begins.")
@click.option("-n", "--number", default=1, show_default=True, type=click.IntRange(1, 1000), help="So many forks.")
@click.option("--task", "path", metavar="FILE", help="Where the task is now, if it has moved.")
@click.option("--json", "as_json", is_flag=True, help="The results as JSON.")
def command(
    run: str, trial: str, turn: int, calls: tuple[str, ...], number: int, path: str | None, as_json: bool, **flags: Any
) -> None:
    """Start a new trial in RUN from a turn of a recorded one.

    TRIAL is the name of its task, or the beginning of its id. The world is as it was when that turn began, and the
    task program goes on from there. What is injected is JSON such as
    {"call": "env.email.send", "args": {"from_addr": "a@x.example", ...}}.

    Exit code 0: every fork was scored. 1: one failed. 2: it cannot be forked there.
    """
    from terrarium.cli.trial_journal import chosen
    from terrarium.run.folder import RunFolder

    folder = RunFolder(Path(run))
    if not folder.path.is_dir():
        raise ConfigError(f"there is no run at {run}")
    parent = _parent(folder, chosen(folder.path, trial), path)
    agent = _agent(parent, flags)
    inject = [_call(text) for text in calls]
    results = asyncio.run(_forks(folder, parent, turn, number, agent, inject, flags))
    if as_json:
        click.echo(json.dumps([result.to_json() for result in results], ensure_ascii=True, allow_nan=False))
    else:
        from terrarium.cli.screen import screen
        from terrarium.cli.table import trials_table
        from terrarium.cli.trial_journal import trial_rows

        names = {result.trial.id for result in results} | {parent.id}
        screen().print(trials_table([row for row in trial_rows(folder.path) if row["id"] in names], 12))
    raise SystemExit(0 if all(result.scored for result in results) else 1)


async def _forks(
    folder: RunFolder,
    parent: TrialSpec,
    turn: int,
    number: int,
    agent: AgentConfig | None,
    inject: list[dict[str, Any]],
    flags: dict[str, Any],
) -> list[TrialResult]:
    from terrarium.run.fork import fork, run_fork

    told = {"agent": agent, "seed": flags["seed"], "instruction": flags["instruction"], "inject": inject}
    specs = [fork(folder, parent, turn, number=one, **told) for one in range(1, number + 1)]
    return [await run_fork(folder, spec) for spec in specs]


def _parent(folder: RunFolder, name: str, path: str | None) -> TrialSpec:
    from dataclasses import replace

    result = folder.result(name)
    if result is None:
        raise ConfigError(f"trial {name[:12]} has no record: run it to its end first")
    spec = result.trial if path is None else replace(result.trial, path=str(Path(path).resolve()))
    if not Path(spec.path).exists():
        raise ConfigError(f"the task is not at {spec.path} any more; say where it is with --task")
    return spec


def _agent(parent: TrialSpec, flags: dict[str, Any]) -> AgentConfig | None:
    from terrarium.cli.flags import pairs
    from terrarium.run.config import AgentConfig

    if not any(flags[key] for key in ("agent", "agent_import", "model", "kwargs")):
        return None
    told = parent.agent.model_dump()
    if flags["agent"] or flags["agent_import"]:
        told = {"name": flags["agent"] or flags["agent_import"].partition(":")[2], "import_path": flags["agent_import"]}
    if flags["model"]:
        told["model_name"] = flags["model"]
    if flags["kwargs"]:
        told["kwargs"] = {**told.get("kwargs", {}), **pairs(flags["kwargs"], "--kwarg")}
    return AgentConfig(**told)


def _call(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"--inject is JSON, and this is none ({error}): {text[:200]}") from None
    if not isinstance(found, dict):
        raise ConfigError(f"--inject is an object with `call` and `args`, not {text[:200]}")
    return found
