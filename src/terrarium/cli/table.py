"""The tables at the end of a run, and of a run that is looked at."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from terrarium.cli.safe_text import one_line
from terrarium.cli.summary import SHORT

if TYPE_CHECKING:
    from rich.console import Console

TASK_ROWS = 40  # of one table; a longer one shows only the tasks that did not always pass
ERROR_ROWS = 20
NOTHING = "–"


def print_summary(console: Console, told: Mapping[str, Any]) -> None:
    """Print what came of a job: numbers, what was broken, what failed and where to look."""
    for taskset in told["tasksets"]:
        _print_taskset(console, taskset)
    print_all(console, map(broken, told["broken"]))
    for entry in told["errors"][:ERROR_ROWS]:
        ids = ", ".join(one[:SHORT] for one in entry["trials"][:3]) + (", …" if len(entry["trials"]) > 3 else "")
        head = f"{entry['count']} × {entry['boundary']} error"
        print_all(console, [Text.assemble((head, "red"), f"  {entry['message']}  ({ids})")])
    if len(told["errors"]) > ERROR_ROWS:
        console.print(f"… and {len(told['errors']) - ERROR_ROWS} more kinds of error")
    _print_end(console, told)


def _print_taskset(console: Console, taskset: Mapping[str, Any]) -> None:
    names = [metric["name"] for metric in taskset["agents"][0]["metrics"] if metric["name"] != "mean"]
    total = _table("agent", *(plain(name) for name in names))
    detail = _table("task")
    rows = []
    for agent in taskset["agents"]:
        values = [metric for metric in agent["metrics"] if metric["name"] != "mean"]
        total.add_row(plain(agent["agent"]), *_numbers(agent), *(_number(metric["value"]) for metric in values))
        several = len(taskset["agents"]) > 1
        rows += [(f"{task['task']}  {agent['agent']}" if several else task["task"], task) for task in agent["tasks"]]
    single = len(rows) == len(taskset["agents"])  # the table of a single task would say the same again
    shown = [] if single else rows
    if len(rows) > TASK_ROWS:
        shown = [(name, task) for name, task in rows if task["passed"] < task["trials"]][:TASK_ROWS]
    for name, task in shown:
        detail.add_row(plain(name), *_numbers(task))
    title = f"{taskset['name']} {taskset['version']}".strip()
    if single and rows[0][1]["task"] != taskset["name"]:
        title += f": {rows[0][1]['task']}"
    console.print()
    console.print(plain(title, style="bold"))
    console.print(total)
    for agent in taskset["agents"]:
        for metric in agent["metrics"]:
            if metric["note"] and agent["scored"]:
                console.print(Text(f"  {agent['agent']}: no {metric['name']}: {one_line(metric['note'])}", "yellow"))
    for agent in taskset["agents"]:
        if agent["usage"]["input_tokens"] or agent["usage"]["output_tokens"]:
            console.print(Text(f"  {one_line(agent['agent'])}: {used(agent['usage'])}", "dim"))
    if shown:
        console.print()
        console.print(detail)
    if len(shown) < len(rows) and not single:
        console.print(f"({len(rows) - len(shown)} more rows are not shown)")
    console.print()


def used(usage: Mapping[str, Any]) -> str:
    """What models were asked for, as a sentence: tokens, dollars where they are known, requests sent again."""
    told = f"{usage['input_tokens']:,} tokens in ({usage['cached_tokens']:,} cached), {usage['output_tokens']:,} out"
    if usage["cost"]:
        told += f", ${usage['cost']:.4f}"
    if usage["unpriced"]:
        told += f", {usage['unpriced']:,} steps without a known price"
    return told + (f", {usage['retries']:,} requests sent again" if usage["retries"] else "")


def _table(first: str, *more: Text) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column(first, overflow="fold", min_width=12)
    for name in (*map(Text, ("n", "mean", "± se", "95 % interval", "passed", "errors", "null")), *more):
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _numbers(group: Mapping[str, Any]) -> list[Text]:
    found, null = group["estimate"], group["null"]
    interval = f"{found['low']:.3f} … {found['high']:.3f}" if found and found["low"] is not None else NOTHING
    clean = group["passed"] == group["scored"] == group["trials"]
    errors = ", ".join(f"{count} {boundary}" for boundary, count in group["errors"].items())
    return [
        Text(str(group["scored"])),
        _number(found and found["mean"], "bold"),
        _number(found and found["stderr"]),
        Text(interval),
        Text(f"{group['passed']}/{group['scored']}", "green" if clean else "yellow"),
        Text(errors or "0", "red" if errors else "dim"),
        _number(null and null["mean"], "dim"),
    ]


def _number(value: float | None, style: str = "") -> Text:
    return Text(NOTHING, "dim") if value is None else Text(f"{value:.3f}", style)


def _print_end(console: Console, told: Mapping[str, Any]) -> None:
    parts = [f"{told['scored']} of {told['trials']} trials scored in {told['seconds']:.1f} s"]
    if told["skipped"]:
        parts.append(f"{told['skipped']} were done before")
    if told["undone"]:
        parts.append(f"{told['undone']} not run")
    if told["broken"]:
        parts.append(f"{len(told['broken'])} tasks broken")
    console.print(Text("; ".join(parts), "green" if told["exit_code"] == 0 else "bold red"))
    folder = shlex.quote(told["folder"])
    if told["results"]:
        own = [one for one in told["results"] if not one["baseline"]] or told["results"]
        worst = min(own, key=lambda one: bool(one["passed"]))
        console.print(f"run: {told['folder']}", soft_wrap=True)
        console.print(f"     {_own_name()} show {folder}", soft_wrap=True)
        console.print(f"     {_own_name()} show {folder} {worst['id'][:SHORT]}", soft_wrap=True)


def trials_table(rows: Sequence[Mapping[str, Any]], short: int = SHORT) -> Table:
    """A run's trials, a row each; where some are forks, with what they left."""
    forks = any(row.get("branch") for row in rows)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("id", "task", "agent"):
        table.add_column(name, overflow="fold")
    for name in ("seed", "attempt", "reward", "stop"):
        table.add_column(name, justify="right", no_wrap=True)
    if forks:
        table.add_column("fork of", overflow="fold")
    table.add_column("error", overflow="fold")
    for row in rows:
        error = row["error"]
        told = f"{error['boundary']}: {error['type']}: {one_line(str(error['message']), 120)}" if error else ""
        agent = f"{row['agent']} (baseline)" if row["baseline"] else row["agent"]
        table.add_row(
            Text(row["id"][:short], "bold"),
            plain(row["task"]),
            plain(agent, style="dim" if row["baseline"] else ""),
            *(Text(str(row[key])) for key in ("seed", "attempt")),
            _number(row["reward"], "green" if row["passed"] else "yellow"),
            plain(row["stop"]),
            *([plain(left(row.get("branch"), short))] if forks else []),
            plain(told, style="red"),
        )
    return table


def left(branch: Mapping[str, Any] | None, short: int = SHORT) -> str:
    """Where a trial left another one, in a few words."""
    if not branch:
        return ""
    where = f"turn {branch['turn']}" if branch.get("turn") else f"event {branch.get('seq')}"
    return f"{str(branch.get('parent'))[:short]} at {where}"


def print_all(console: Console, texts: Iterable[Text]) -> None:
    """Print lines as they are; a terminal wraps them, a file keeps them whole."""
    for text in texts:
        console.print(text, soft_wrap=True)


def broken(entry: Mapping[str, str]) -> Text:
    """A task that could not be loaded, and why."""
    message = entry["message"].removeprefix(entry["path"]).removeprefix(":").strip()  # the path stands before it
    return Text.assemble(("BROKEN  ", "bold red"), plain(entry["path"]), ": ", plain(message, 1000))


def plain(text: str, width: int = 200, style: str = "") -> Text:
    """One safe line of foreign text, never read as markup."""
    return Text(one_line(str(text), width), style)


def _own_name() -> str:
    """How the reader can call this command again: by its name, or by the path it was called with."""
    called = Path(sys.argv[0])
    if shutil.which("terrarium") is None and called.name == "terrarium":
        return shlex.quote(str(called))
    return "terrarium"
