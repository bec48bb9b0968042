"""The report: a table for the terminal, and the same with the machine as a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from bench import machine
from bench.figure import Figure, shown

QUIET = 0.15  # cores that others may keep busy before a quiet run is not one

ELSEWHERE = """\
## Reference figures

Measured elsewhere and at another time, not in this run:

| | |
|---|---|
| Meta ARE 1.2.0, independent mail events, events/s at n = 100 / 250 / 1,000 / 2,000 / 4,000 | \
2,334 / 817 / 197–228 / 89 / 30 |
| inspect_ai 0.3.285, 1,000 trivial samples on 2 cores, samples/s | 95–112, with `log_realtime` off 163 |
"""


@dataclass(frozen=True)
class Measured:
    """One bench, run once quiet or loaded.

    `others` is how many cores other processes kept busy meanwhile; `error` says why there are no figures.
    """

    bench: str
    load: str
    figures: Sequence[Figure]
    seconds: float
    others: float | None
    error: str = ""


def table(runs: Sequence[Measured]) -> list[str]:
    """The figures as lines of a table, aligned."""
    rows = [("bench", "load", "figure", "value", "target", "met", "note")]
    for run in runs:
        disturbed = "" if run.load == "loaded" or (run.others or 0.0) <= QUIET else "not quiet; "
        for figure in run.figures:
            rows.append(
                (run.bench, run.load, figure.what, *_judged(figure, run.load, run.bench), disturbed + figure.note)
            )
        if run.error:
            rows.append((run.bench, run.load, "", "–", "", "no", run.error))
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    lines = ["| " + " | ".join(_padded(row, widths)) + " |" for row in rows]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|---|"
    return [lines[0], rule, *lines[1:]]


def _judged(figure: Figure, load: str, bench: str) -> tuple[str, str, str]:
    """Value, target, and whether it is met; targets are for a quiet machine, except for what is only run loaded."""
    value = "–" if figure.value is None else f"{shown(figure.value)} {figure.unit}".strip()
    if figure.target is None or (load == "loaded" and bench != "determinism"):
        return value, "", ""
    met = figure.value is not None and figure.target.met(figure.value)
    return value, f"{figure.target} {figure.unit}".strip(), "yes" if met else "NO"


def _padded(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)]


def missed(runs: Sequence[Measured]) -> list[str]:
    """Names of the figures whose target was missed."""
    return [
        f"{run.bench}: {figure.what}"
        for run in runs
        for figure in run.figures
        if _judged(figure, run.load, run.bench)[2] == "NO"
    ]


def page(runs: Sequence[Measured], load: str, speed: float) -> str:
    """The page that is kept.

    Args:
        runs: What was measured.
        load: The load averages before the first of them.
        speed: The machine's speed before the first of them.
    """
    about = {"date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", **machine.facts()}
    about["load average"] = f"{load} before, {machine.load_average()} after (the loaded runs are in it)"
    about["speed"] = f"{speed:.0f} before, {machine.speed():.0f} after (million turns/s of an empty Python loop)"
    lines = [
        "# Results",
        "",
        "Written by `just bench`; `docs/bench.md` says what each measures.",
        "",
        "| | |",
        "|---|---|",
    ]
    lines += [f"| {key} | {value} |" for key, value in about.items()]
    lines += ["", *table(runs), "", "Cores that processes other than the bench kept busy during each run:", ""]
    lines += ["| bench | load | others | took |", "|---|---|---|---|"]
    for run in runs:
        others = "unknown" if run.others is None else f"{run.others:.2f}"
        lines.append(f"| {run.bench} | {run.load} | {others} | {run.seconds:.0f} s |")
    return "\n".join([*lines, "", ELSEWHERE])
