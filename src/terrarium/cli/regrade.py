"""`terrarium regrade`: corrected programs against the journals of a run."""

from __future__ import annotations

import contextlib
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from terrarium.run.regrade import Regraded, Regrading


@click.command("regrade")
@click.argument("run", metavar="RUN")
@click.argument("trial", required=False, metavar="[TRIAL_PREFIX]")
@click.option("--task", metavar="PATH", help="Where the tasks are now, if not where they were.")
@click.option("--judge-model", metavar="PROVIDER/NAME", help="Have another judge answer what programs ask of one.")
@click.option("--judge-votes", metavar="N", type=click.IntRange(1, 99), help="How often it is asked. Default: 1.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option("--no-color", is_flag=True, help="Without colours.")
def command(
    run: str,
    trial: str | None,
    task: str | None,
    judge_model: str | None,
    judge_votes: int | None,
    as_json: bool,
    no_color: bool,
) -> None:
    """Grade a run again with the tasks as they are now.

    The program of every trial that ended is run against its journal: what happened is taken from there, and no agent
    or model is asked. What a corrected check reads, and the journal does not hold, is looked up in a snapshot of that
    stage. What a judge said stands, unless --judge-model names another; what is asked anew is asked of it, or of the
    trial's own. A trial whose program now writes, acts or waits otherwise than before is not regradable. New verdicts
    go to RUN/verdicts/regrade-N/; nothing else is changed. Exit code 0: every trial has a new verdict; 1: some have
    none.
    """
    from terrarium.cli.screen import screen
    from terrarium.run.regrade import regrade
    from terrarium.run.runtime import runtime

    judge = None
    if judge_model is not None:
        from terrarium.cli.env_file import read_env_file
        from terrarium.run.judge_config import JudgeConfig
        from terrarium.run.models import model_class

        read_env_file()
        model_class(judge_model)  # raises, and names the nearest
        judge = JudgeConfig(model_name=judge_model, votes=judge_votes or 1)
    place = Path(task) if task is not None else None
    with contextlib.redirect_stdout(sys.stderr):  # what tasks print is no part of our answer
        found = runtime().submit(regrade(Path(run), trial, place, judge=judge)).result()
    if as_json:
        told = {**found.to_json(), "folder": str(found.folder), "trials": [one.to_json() for one in found.trials]}
        click.echo(json.dumps(told, ensure_ascii=True, allow_nan=False))
    else:
        _print(screen(color=not no_color), found)
    raise SystemExit(0 if all(one.outcome == "regraded" for one in found.trials) else 1)


def _print(console: Console, found: Regrading) -> None:
    from rich.text import Text

    from terrarium.cli.safe_text import one_line
    from terrarium.cli.table import print_all

    console.print(_table(found.trials))
    warnings = Counter(warning for one in found.trials for warning in one.warnings)
    print_all(console, (Text(f"{count} × {one_line(warning, 300)}", "yellow") for warning, count in warnings.items()))
    counts = found.counts
    told = f"{counts['regraded']} of {len(found.trials)} trials regraded, {counts['changed']} with another verdict"
    told += "".join(f", {counts[outcome]} {outcome}" for outcome in ("failed", "not regradable") if counts[outcome])
    console.print(Text(told, "green" if counts["regraded"] == len(found.trials) else "bold red"))
    console.print(f"verdicts: {found.folder}", soft_wrap=True)


def _table(trials: Sequence[Regraded]) -> Table:
    from rich.table import Table
    from rich.text import Text

    from terrarium.cli.summary import SHORT
    from terrarium.cli.table import plain

    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("id", "task", "agent"):
        table.add_column(name, overflow="fold")
    for name in ("seed", "attempt", "reward"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("what is other now", overflow="fold")
    for one in trials:
        trial = one.before.trial
        after = _reward(one.verdict.reward) if one.outcome == "regraded" else one.outcome
        style = "red" if one.outcome != "regraded" else "bold" if one.changed else "dim"
        agent = f"{trial.agent.label} (baseline)" if trial.baseline else trial.agent.label
        table.add_row(
            Text(trial.id[:SHORT], "bold"),
            plain(trial.task),
            plain(agent, style="dim" if trial.baseline else ""),
            *(Text(str(number)) for number in (trial.seed, trial.attempt)),
            Text(f"{_reward(one.before.verdict.reward)} → {after}", style),
            plain(_detail(one), 400, style="red" if one.outcome != "regraded" else ""),
        )
    return table


def _reward(reward: float | None) -> str:
    return "unscored" if reward is None else f"{reward:.3f}"


def _detail(one: Regraded) -> str:
    if one.reason is not None:
        named = one.event is None or f"event {one.event} " in one.reason
        return one.reason if named else f"at event {one.event}: {one.reason}"
    if one.error is not None:
        return f"{one.error['type']}: {one.error['message']}"
    return "; ".join([*one.changes, *([f"ends before {one.left}"] if one.left else [])])
