"""`terrarium attach`: follows a trial while it runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from terrarium.cli.trial_journal import journal_of
from terrarium.core.errors import ConfigError

if TYPE_CHECKING:
    from terrarium.cli.follow import Followed


@click.command("attach")
@click.argument("place", metavar="RUN_OR_TRIAL_OR_JOURNAL")
@click.argument("trial", required=False, metavar="[TRIAL_PREFIX]")
@click.option("--json", "as_json", is_flag=True, help="The events as they stand in the journal, a line each.")
@click.option("--no-color", is_flag=True, help="Without colours.")
@click.option("--all", "everything", is_flag=True, help="Also steps, usage, results of calls, and long values.")
def command(place: str, trial: str | None, as_json: bool, no_color: bool, everything: bool) -> None:
    """Show what happened in a trial so far, and then everything as it happens, up to its verdict.

    A trial is named as for `terrarium show`. Nothing is written, and the trial does not notice. Where it is tried again
    after a failure of the machinery, the next try is followed. Exit code 0: it was scored; 1: it was not.
    """
    from terrarium.cli.follow import Follower
    from terrarium.run.lock import holder

    path = Path(place)
    if not path.exists():
        raise ConfigError(f"there is no run, trial or journal at {place}")
    journal = journal_of(path, trial)
    above = journal.resolve().parents
    own, run = above[min(1, len(above) - 1)], above[min(3, len(above) - 1)]
    follower = Follower(journal, lambda: holder(own) is not None or holder(run) is not None, _tries(run))
    if as_json:
        for followed in follower.events():
            click.echo(followed.line, err=followed.entry is None)
    else:
        _print(follower.events(), everything, no_color)
    raise SystemExit(0 if follower.scored else 1)


def _print(events: Iterator[Followed], everything: bool, no_color: bool) -> None:
    from rich.text import Text

    from terrarium.cli.screen import screen
    from terrarium.cli.table import print_all
    from terrarium.cli.transcript import Transcript

    console, transcript = screen(color=not no_color), Transcript(everything)
    for followed in events:
        if followed.entry is None:
            transcript = Transcript(everything)
            print_all(console, [Text(f"── {followed.line}", "yellow")])
        else:
            print_all(console, transcript.lines([followed.entry]))


def _tries(run: Path) -> int:
    """How many tries a trial of this run may have; many where the run does not say."""
    try:
        job = json.loads((run / "job.json").read_text("utf-8"))
        return int(job["config"]["retry"]["max_retries"]) + 1
    except (OSError, ValueError, KeyError, TypeError):
        return 1_000
