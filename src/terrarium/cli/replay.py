"""`terrarium replay`: run a recorded trial again on its recorded answers, and compare."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from terrarium.cli.trial_journal import journal_of
from terrarium.core.errors import NotReplayable

if TYPE_CHECKING:
    from terrarium.run.replaying import Replay


@click.command("replay")
@click.argument("place", metavar="RUN_OR_TRIAL_OR_JOURNAL", type=click.Path(path_type=Path))
@click.argument("trial", required=False, metavar="[TRIAL_PREFIX]")
@click.option("--task", type=click.Path(path_type=Path), help="Where the task is now, if it has moved.")
@click.option("--played", is_flag=True, help="Do what the journal says of the agents, without their code.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def command(place: Path, trial: str | None, task: Path | None, played: bool, as_json: bool) -> None:
    """Run a recorded trial again on its recorded model answers, and compare every event.

    The trial is named as for `terrarium show`. No model is asked, no key is needed, and nothing in the run is changed.
    The first difference is shown with what came before it. Where a part of the trial is not deterministic, what is
    promised there is compared: rows, replies, rewards, checks and verdict. Exit code 0: it went the same way; 1: it
    did not; 2: it cannot be replayed, and why.
    """
    from terrarium.run.replaying import replay

    try:
        done = asyncio.run(replay(journal_of(place, trial), task, played))
    except NotReplayable as error:
        if as_json:
            click.echo(json.dumps({"identical": None, "reason": error.code, "message": str(error)}))
        raise
    click.echo(json.dumps(_as_data(done)) if as_json else _as_text(done))
    raise SystemExit(0 if done.identical else 1)


def _as_data(done: Replay) -> dict[str, Any]:
    told = {**dataclasses.asdict(done), "journal": str(done.journal), "identical": done.identical}
    return {**told, "text": None if done.difference is None else done.difference.text()}


def _as_text(done: Replay) -> str:
    from terrarium.cli.safe_text import one_line, visible

    lines = [f"warning: {one_line(told, 300)}" for told in done.warnings]
    what = f"{done.task} ({done.trial[:12]})"
    if done.exact:
        compared = f"{done.compared} events"
    else:
        compared = f"{done.compared} events that tell of rows, replies, rewards, checks and verdict"
        lines.append("not every part of this trial is deterministic: only what is promised of it was compared")
    if done.difference is None:
        lines.append(f"identical: {what}, {compared}, {done.seconds:.2f} s")
    else:
        lines.append(f"different: {what} goes another way at event {done.difference.event} ({done.difference.kind})")
        lines.append(visible(done.difference.text()))
    return "\n".join(lines)
