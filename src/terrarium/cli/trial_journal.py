"""Which trial of which run is meant, and where its journal is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from terrarium.core.errors import ConfigError, JournalFault


def is_run(path: Path) -> bool:
    """Whether it is the folder of a run."""
    return path.is_dir() and (
        (path / "job.json").is_file() or (path / "trials").is_dir() or (path / "verdicts").is_dir()
    )


def journal_of(path: Path, trial: str | None) -> Path:
    """The journal that is meant: of the last try where there were several.

    Args:
        path: Of a run, a trial, a try or a journal.
        trial: The name of its task, or what its id begins with; may be left out where a run has one trial.

    Raises:
        ConfigError: There is none, or it could be several.
    """
    if not path.exists():
        raise ConfigError(f"there is no run, trial or journal at {path}")
    if path.is_file():
        if trial is not None:
            raise ConfigError(f"{path} is a file: a trial can be picked only from a run's folder")
        return path
    if is_run(path):
        path = path / "trials" / (_only(path) if trial is None else chosen(path, trial))
    if (path / "journal.jsonl").is_file():
        return path / "journal.jsonl"
    tries = sorted(path.glob("try-*/journal.jsonl"), key=lambda found: (len(found.parent.name), found.parent.name))
    if not tries:
        raise ConfigError(f"{path} holds neither a run nor the journal of a trial")
    return tries[-1]


def _only(run: Path) -> str:
    """The id of the one trial of a run, whatever the null agent did beside it, and whatever left it."""
    rows = trial_rows(run)
    own = [row for row in rows if not row["baseline"] and not row["branch"]] or rows
    if len(own) != 1:
        raise ConfigError(f"{run} has {len(own)} trials: name one; `terrarium show {run}` lists them")
    return str(own[0]["id"])


def chosen(run: Path, wanted: str) -> str:
    """The id of the one trial whose task is called `wanted`, or whose id begins so; a whole name wins.

    Forks, and what the null agent did beside it, are meant by their ids only.
    """
    rows = trial_rows(run)
    found = [row for row in rows if row["task"] == wanted]
    found = found or [row for row in rows if wanted and row["id"].startswith(wanted.lower())]
    own = [row for row in found if not row["baseline"] and not row["branch"]]
    found = own if len(own) == 1 else found
    if len(found) == 1:
        return str(found[0]["id"])
    short = distinct([row["id"] for row in rows])
    if not found:
        raise ConfigError(f"{run} has no trial {wanted!r}; `terrarium show {run}` lists them")
    names = ", ".join(
        f"{row['id'][:short]} ({row['agent']} seed {row['seed']} attempt {row['attempt']})" for row in found[:10]
    )
    raise ConfigError(f"{len(found)} trials are meant by {wanted!r}: {names}{', …' if len(found) > 10 else ''}")


def distinct(ids: list[str]) -> int:
    """How many characters tell these ids apart; at least eight."""
    for length in range(8, 64):
        if len({one[:length] for one in ids}) == len(set(ids)):
            return length
    return 64


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
        header: Mapping[str, Any] = next(entries(journal_of(run / "trials" / name, None))).data
        agent = header["agent"]
        row |= {key: header[key] for key in ("taskset", "seed", "attempt")}
        row["branch"] = header.get("branch")
        row["task"] = header["task"]["name"]
        row["agent"] = f"{agent['name']}/{agent['model_name']}" if agent.get("model_name") else agent["name"]
    except (ConfigError, JournalFault, StopIteration, KeyError, TypeError):
        pass
    return row
