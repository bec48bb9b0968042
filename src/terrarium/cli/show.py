"""`terrarium show`: a run's trials, or the story of one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from terrarium.core.errors import ConfigError, JournalFault
from terrarium.core.values import encode

if TYPE_CHECKING:
    from terrarium.cli.entry import Entry


@click.command("show")
@click.argument("place", metavar="RUN_OR_TRIAL_OR_JOURNAL")
@click.argument("trial", required=False, metavar="[TRIAL_PREFIX]")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option("--no-color", is_flag=True, help="Without colours.")
@click.option("--all", "everything", is_flag=True, help="Also steps, usage, results of calls, and long values.")
@click.option("--diff", "changes", is_flag=True, help="What agents changed, instead; with --all, what anybody did.")
def command(place: str, trial: str | None, as_json: bool, no_color: bool, everything: bool, changes: bool) -> None:
    """Show the trials of a run, or what happened in one of them.

    A trial is named by the name of its task where that has only one, or by the beginning of its id; a trial's folder
    and a journal file can be given directly. Text of agents and tasks is shown with its control characters spelled
    out, so that it cannot steer the terminal.
    """
    from terrarium.cli.screen import screen

    path = Path(place)
    if not path.exists():
        raise ConfigError(f"there is no run, trial or journal at {place}")
    console = screen(color=not no_color)
    if trial is None and _is_run(path):
        if changes:
            raise ConfigError("--diff is about one trial: name it, or give its journal")
        from terrarium.cli.table import trials_table

        rows = trial_rows(path)
        if as_json:
            click.echo(json.dumps(rows, ensure_ascii=True))
        else:
            console.print(trials_table(rows, _distinct([row["id"] for row in rows])))
        return
    journal = _journal(path, trial)
    if changes:
        _show_diff(journal, as_json, "everyone" if everything else "agents")
        return
    if as_json:
        click.echo(json.dumps(encode(_as_data(journal)), ensure_ascii=True, allow_nan=False))
        return
    from terrarium.cli.entry import entries
    from terrarium.cli.table import print_all
    from terrarium.cli.transcript import Transcript

    first, rest = _begun(journal, entries(journal))
    print_all(console, Transcript(everything).lines(_chained(first, rest)))


def _show_diff(journal: Path, as_json: bool, by: str) -> None:
    from terrarium.cli.entry import FoundBlobs
    from terrarium.cli.safe_text import visible
    from terrarium.core.state import journal_diff

    folder = journal.resolve()
    diff = journal_diff(journal, FoundBlobs(folder.parents[min(3, len(folder.parents) - 1)] / "blobs"), by)
    if as_json:
        told = {**vars(diff), "changes": [vars(change) for change in diff.changes]}
        click.echo(json.dumps(encode(told), ensure_ascii=True, allow_nan=False))
    else:
        click.echo(visible(diff.text(lines=1000)))


def _is_run(path: Path) -> bool:
    return path.is_dir() and (
        (path / "job.json").is_file() or (path / "trials").is_dir() or (path / "verdicts").is_dir()
    )


def _begun(journal: Path, events: Iterator[Entry]) -> tuple[Entry, Iterator[Entry]]:
    first = next(events, None)
    if first is None:
        raise JournalFault(f"{journal} holds no event: its trial ended before it began")
    return first, events


def _chained(first: Entry, rest: Iterator[Entry]) -> Iterator[Entry]:
    yield first
    yield from rest


# -- finding ------------------------------------------------------------------------------------------------------


def _journal(path: Path, trial: str | None) -> Path:
    """The journal that is meant: of the last try where there were several."""
    if path.is_file():
        if trial is not None:
            raise ConfigError(f"{path} is a file: a trial can be picked only from a run's folder")
        return path
    if _is_run(path):
        assert trial is not None
        path = path / "trials" / chosen(path, trial)
    if (path / "journal.jsonl").is_file():
        return path / "journal.jsonl"
    tries = sorted(path.glob("try-*/journal.jsonl"), key=lambda found: (len(found.parent.name), found.parent.name))
    if not tries:
        raise ConfigError(f"{path} holds neither a run nor the journal of a trial")
    return tries[-1]


def chosen(run: Path, wanted: str) -> str:
    """The id of the one trial whose task is called `wanted`, or whose id begins so; a whole name wins."""
    rows = trial_rows(run)
    found = [row for row in rows if row["task"] == wanted]
    found = found or [row for row in rows if wanted and row["id"].startswith(wanted.lower())]
    own = [row for row in found if not row["baseline"]]
    found = own if len(own) == 1 else found
    if len(found) == 1:
        return str(found[0]["id"])
    short = _distinct([row["id"] for row in rows])
    if not found:
        raise ConfigError(f"{run} has no trial {wanted!r}; `terrarium show {run}` lists them")
    names = ", ".join(
        f"{row['id'][:short]} ({row['agent']} seed {row['seed']} attempt {row['attempt']})" for row in found[:10]
    )
    raise ConfigError(f"{len(found)} trials are meant by {wanted!r}: {names}{', …' if len(found) > 10 else ''}")


def _distinct(ids: list[str]) -> int:
    """How many characters tell these ids apart; at least eight."""
    for length in range(8, 64):
        if len({one[:length] for one in ids}) == len(set(ids)):
            return length
    return 64


# -- reading ------------------------------------------------------------------------------------------------------


def trial_rows(run: Path) -> list[dict[str, Any]]:
    """Every trial of a run as plain data; one without a record tells what its journal begins with."""
    names = {path.name.removesuffix(".json") for path in run.glob("verdicts/*.json") if path.name[0] != "."}
    names |= {path.name for path in run.glob("trials/*") if path.is_dir()}
    rows = [row for row in (_recorded(run, name) or _unfinished(run, name) for name in names) if row]
    return sorted(rows, key=lambda r: (r["baseline"], r["task"], r["agent"], r["seed"], r["attempt"], r["id"]))


def _recorded(run: Path, name: str) -> dict[str, Any] | None:
    from terrarium.cli.summary import trial_row
    from terrarium.run.folder import RunFolder

    result = RunFolder(run).result(name)
    return None if result is None else trial_row(result)


def _unfinished(run: Path, name: str) -> dict[str, Any] | None:
    from terrarium.cli.entry import entries

    row: dict[str, Any] = {"id": name, "taskset": "", "task": "?", "agent": "?", "seed": 0, "attempt": 0}
    row |= {"baseline": False, "reward": None, "passed": None, "stop": "unfinished", "error": None}
    row |= {"tries": len(list((run / "trials" / name).glob("try-*"))), "seconds": 0.0, "totals": {}}
    row["branch"] = None
    try:
        header: Mapping[str, Any] = next(entries(_journal(run / "trials" / name, None))).data
        agent = header["agent"]
        row |= {key: header[key] for key in ("taskset", "seed", "attempt")}
        row["branch"] = header.get("branch")
        row["task"] = header["task"]["name"]
        row["agent"] = f"{agent['name']}/{agent['model_name']}" if agent.get("model_name") else agent["name"]
    except (ConfigError, JournalFault, StopIteration, KeyError, TypeError):
        pass
    return row


def _as_data(journal: Path) -> dict[str, Any]:
    """A try as data: header, events, verdict, stop and error; `damaged` says where it cannot be read any further."""
    from terrarium.cli.entry import entries

    found: dict[str, Any] = {"journal": str(journal), "header": None, "verdict": None, "stop": None, "error": None}
    found |= {"damaged": None, "events": []}
    try:
        for event in entries(journal):
            body = {"seq": event.seq, "kind": event.kind, "actor": event.actor, "time": event.time.isoformat()}
            found["events"].append({**body, "cause": event.cause, "data": event.data, "wall": event.wall})
            if event.kind == "header":
                found["header"] = event.data
            elif event.kind == "verdict":
                found["verdict"] = event.data.get("verdict")
            elif event.kind == "stop":
                found["stop"] = event.data.get("reason")
            elif event.kind == "error":
                found["error"] = event.data
    except JournalFault as error:
        found["damaged"] = str(error)
    return found
