"""`terrarium snapshots`: the moments of trials that were saved, or what one of them holds."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from terrarium.core.errors import ConfigError, EngineFault

_TOLD = re.compile(rb'"kind":"(snapshot|turn|header)"').search
_UNITS = ("B", "kB", "MB", "GB", "TB")


@click.command("snapshots")
@click.argument("place", metavar="RUN_OR_TRIAL")
@click.argument("trial", required=False, metavar="[TRIAL_PREFIX]")
@click.option("--snapshot", "name", metavar="PREFIX", help="Describe the one snapshot whose name begins so, instead.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option("--no-color", is_flag=True, help="Without colours.")
def command(place: str, trial: str | None, name: str | None, as_json: bool, no_color: bool) -> None:
    """List the snapshots of a run or of a trial, oldest first, or describe one.

    A snapshot holds files, the state of every service, clock and random streams. It does not hold processes: what
    commands of agents had left running is listed as not carried. `own` is what it alone takes of the disk, `shared`
    what other snapshots or a living world hold too. A trial that was scored keeps only its last snapshot, unless it ran
    with `--snapshot every-turn`.
    """
    rows = list(_found(Path(place), trial))
    if name is not None:
        told = _described(rows, name, place)
        if as_json:
            click.echo(json.dumps(told, ensure_ascii=True))
        else:
            _print_one(told, no_color)
        return
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=True))
        return
    if not rows:
        click.echo(f"there is no snapshot in {place}: none was taken, or none is kept")
        return
    _print_all(rows, no_color)


# -- reading ------------------------------------------------------------------------------------------------------


def _found(place: Path, trial: str | None) -> Iterator[dict[str, Any]]:
    """The snapshots that journals tell of, as plain data."""
    from terrarium.cli.trial_journal import is_run, journal_of, trial_rows

    if not place.exists():
        raise ConfigError(f"there is no run or trial at {place}")
    if trial is None and is_run(place):
        for row in trial_rows(place):
            with contextlib.suppress(ConfigError):  # it has no journal yet
                yield from _of_trial(journal_of(place / "trials" / row["id"], None), row["task"])
        return
    yield from _of_trial(journal_of(place, trial), None)


def _of_trial(journal: Path, task: str | None) -> Iterator[dict[str, Any]]:
    from terrarium.core.journal import EventKind, read
    from terrarium.core.points import Points
    from terrarium.core.snapshot import Snapshots
    from terrarium.core.values import from_micros

    journal = journal.resolve()
    held, turn = Snapshots(journal.parents[min(3, len(journal.parents) - 1)] / "snapshots"), 0
    begins: list[int] = []
    rows: list[dict[str, Any]] = []
    for event in read(journal, None, _TOLD):
        if event.kind is EventKind.HEADER:
            task = task or event.data.get("task", {}).get("name")
        elif event.kind is EventKind.TURN:
            turn += event.data.get("state") == "begin"
            begins += [event.seq] if event.data.get("state") == "begin" else []
        elif event.kind is EventKind.SNAPSHOT and event.wall.get("digest"):
            name = str(event.wall["digest"])
            row: dict[str, Any] = {"snapshot": name, "trial": journal.parents[1].name, "task": task or "?"}
            row |= {"try": journal.parent.name, "event": event.seq, "time": event.time.isoformat(), "turn": turn}
            row |= {"why": _why(event.data), "not_carried": event.wall.get("not_carried", {})}
            rows.append(row | _stored(held, name))
    for seq, name in Points(journal).read():
        row = {"snapshot": name, "trial": journal.parents[1].name, "task": task or "?", "try": journal.parent.name}
        row |= {"event": seq, "time": None, "turn": sum(begin <= seq for begin in begins), "why": "step"}
        stored = _stored(held, name)
        if stored["trouble"] is None:  # one of a turn that has ended is gone as a matter of course
            row |= {"time": from_micros(held.state(name)["clock"]).isoformat(), "not_carried": held.not_carried(name)}
            rows.append(row | stored)
    yield from sorted(rows, key=lambda row: row["event"])


def _why(data: Any) -> str:
    if data.get("final"):
        return "end"
    return "checks" if "rows" in data else "turn end"


def _stored(held: Any, name: str) -> dict[str, Any]:
    """What there is of a snapshot: where, how large, of which capabilities; or why it cannot be opened."""
    path = held.folder / name
    row: dict[str, Any] = {"path": str(path), "own": 0, "shared": 0, "capabilities": [], "trouble": None}
    if not path.is_dir():
        return row | {"trouble": "gone"}
    for file in path.rglob("*"):
        with contextlib.suppress(OSError):
            known = file.lstat()
            row["shared" if known.st_nlink > 1 and not file.is_dir() else "own"] += known.st_blocks * 512
    try:
        row["capabilities"] = [spec for spec, _ in held.state(name)["capabilities"]]
    except (EngineFault, KeyError, TypeError, ValueError) as error:
        row["trouble"] = str(error)
    return row


def _described(rows: list[dict[str, Any]], prefix: str, place: str) -> dict[str, Any]:
    """Everything about one snapshot.

    Raises:
        ConfigError: None is called so, or several are.
        EngineFault: It is not there any more, or damaged.
    """
    from terrarium.core.snapshot import FORMAT, Snapshots
    from terrarium.core.state import UNREAD
    from terrarium.core.values import from_micros

    names = sorted({row["snapshot"] for row in rows if row["snapshot"].startswith(prefix)})
    if len(names) != 1:
        told = f"{len(names)} snapshots of {place} begin with {prefix!r}" if names else f"{place} has no {prefix!r}"
        raise ConfigError(f"{told}; `terrarium snapshots {place}` lists them")
    row = next(row for row in reversed(rows) if row["snapshot"] == names[0])
    if row["trouble"] == "gone":
        raise EngineFault(
            f"snapshot {names[0][:12]} is not there any more; of a scored trial only the last one is kept"
        )
    held, path = Snapshots(Path(row["path"]).parent), Path(row["path"])
    state, digests = held.state(names[0]), held.rows(names[0])
    parts = [
        {
            "capability": spec,
            "rows": _count(path / spec),
            "digest": None if digests.get(spec, UNREAD).startswith(UNREAD) else digests[spec],
        }
        for spec in row["capabilities"]
    ]
    clock = from_micros(state["clock"]).isoformat()
    left = held.not_carried(names[0])
    return {**row, "format": FORMAT, "clock": clock, "capabilities": parts, "not_carried": left}


def _count(folder: Path) -> int | None:
    """How many rows or files a capability saved; None where that cannot be told without opening it."""
    import sqlite3

    rows, listing = folder / "rows.sqlite", folder / "tree.jsonl"
    try:
        if rows.exists():
            with contextlib.closing(sqlite3.connect(f"file:{rows}?immutable=1", uri=True)) as base:
                return int(base.execute("SELECT count(*) FROM rows").fetchone()[0])
        lists = [listing, *folder.glob("sealed/*/tree.jsonl")]
        return sum(int(one.read_bytes().splitlines()[-1]) for one in lists) if listing.exists() else None
    except (sqlite3.Error, OSError, ValueError, IndexError):
        return None


# -- showing ------------------------------------------------------------------------------------------------------


def _print_all(rows: list[dict[str, Any]], no_color: bool) -> None:
    from rich.table import Table

    from terrarium.cli.screen import screen
    from terrarium.cli.table import plain, print_all

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("snapshot", "trial", "task", "event", "world time", "why", "turn", "own", "shared", "holds"):
        right = column in ("event", "turn", "own", "shared")
        table.add_column(column, justify="right" if right else "left", no_wrap=column != "holds")
    for row in rows:
        holds = row["trouble"] or ", ".join(row["capabilities"]) or "–"
        values = [
            row["snapshot"][:12],
            row["trial"][:8],
            row["task"],
            str(row["event"]),
            _moment(row["time"]),
            row["why"],
        ]
        values += [str(row["turn"]), *(_size(row[key]) if not row["trouble"] else "–" for key in ("own", "shared"))]
        table.add_row(*(plain(value) for value in [*values, holds]))
    console = screen(color=not no_color)
    console.print(table)
    for row in rows:
        print_all(console, _left(row["not_carried"], f"{row['snapshot'][:12]}: "))


def _print_one(told: dict[str, Any], no_color: bool) -> None:
    from terrarium.cli.screen import screen
    from terrarium.cli.table import plain, print_all

    console = screen(color=not no_color)
    lines = [
        f"snapshot  {told['snapshot']}",
        f"of        {told['task']}, trial {told['trial'][:8]}, {told['try']}, event {told['event']}",
        f"why       {told['why']}, turn {told['turn']}",
        f"clock     {told['clock']}",
        f"size      {_size(told['own'])} own, {_size(told['shared'])} shared; format {told['format']}",
        f"at        {told['path']}",
    ]
    for part in told["capabilities"]:
        count = "" if part["rows"] is None else f"  {part['rows']} rows"
        digest = f"  digest {part['digest'][:12]}" if part["digest"] else "  rows not read"
        lines.append(f"holds     {part['capability']}{count}{digest}")
    print_all(
        console,
        [*map(plain, lines), *(_left(told["not_carried"], "") or [plain("carried   all; nothing was running")])],
    )


def _left(not_carried: dict[str, list[str]], head: str) -> list[Any]:
    from terrarium.cli.table import plain

    return [
        plain(f"{head}not carried, running in {spec}: {line}") for spec, lines in not_carried.items() for line in lines
    ]


def _moment(text: str) -> str:
    return text[:19].replace("T", " ")


def _size(count: float) -> str:
    for unit in _UNITS:
        if count < 1000 or unit == _UNITS[-1]:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError
