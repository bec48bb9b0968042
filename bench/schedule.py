"""A busy month: 10,000 scheduled events over 30 world days, each a callback that sends a mail or writes a file."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.figure import Figure, at_most, median, shown, spread
from terrarium.run.config import AgentConfig, TaskConfig
from terrarium.run.trial import Trial, TrialConfig

TARGET = 2.0  # seconds for 10,000 events
RATIO = 2.0  # how much slower an event may be at 10,000 than at 1,000

TASK = '''
from datetime import timedelta
from terrarium import entry, run_checkers

COUNT, KIND = {count}, {kind!r}


@entry(capabilities=["email", "workspace"], limits={{"world_days": 31}})
def month(env, agent):
    """Let a month pass."""

    def mail(number):
        env.email.send(f"p{{number % 10}}@corp.example", "agent@world.example", f"Mail {{number}}", "Nothing new.")

    def file(number):
        env.workspace.fs.write_file(f"/root/note-{{number}}.txt", "Nothing new.")

    def happen(number):
        kind = ("mail", "file")[number % 2] if KIND == "mixed" else KIND
        (mail if kind == "mail" else file)(number)

    agent.act("Nothing is to be done.")
    for number in range(COUNT):
        env.after(timedelta(days=30) * (number + 1) / COUNT, lambda number=number: happen(number))
    env.clock.advance("30d")
    return run_checkers({{"over": lambda: True}})
'''


def run(quick: bool, loaded: bool) -> Iterator[Figure]:
    """Seconds for the month, and what an event costs in a long schedule against a short one."""
    many, few, repeats = (100, 20, 1) if quick else (10_000, 1000, 1 if loaded else 3)
    whole, slow, fast = [], [], []
    for _ in range(repeats):
        seconds, firing = _month(many, "mixed")
        whole.append(seconds)
        slow.append(many / firing)
        fast.append(few / _month(few, "mixed")[1])
    yield Figure(f"{many:,} events in 30 days, mail and files", median(whole), "s", at_most(TARGET), spread(whole))
    yield Figure(f"firing, at {many:,} events", median(slow), "events/s", None, spread(slow))
    yield Figure(f"firing, at {few:,} events", median(fast), "events/s", None, spread(fast))
    ratio = median(fast) / median(slow)
    yield Figure(f"cost of an event, {many:,} to {few:,}", ratio, "×", at_most(RATIO), "1 means: it does not grow")
    if not loaded:
        for kind in ("mail", "file"):
            seconds, firing = _month(few, kind)
            note = f"the whole trial {shown(seconds)} s"
            yield Figure(f"firing, at {few:,} events, only {kind}", few / firing, "events/s", None, note)


def _month(count: int, kind: str) -> tuple[float, float]:
    """Wall seconds of one trial with so many events, and of the passing of its time alone."""
    with tempfile.TemporaryDirectory(prefix="terrarium-bench-") as folder:
        task = Path(folder) / "month" / "task.py"
        task.parent.mkdir()
        task.write_text(TASK.format(count=count, kind=kind), "utf-8")
        run = Path(folder) / "run"
        trial = Trial(
            TrialConfig(task=TaskConfig(path=str(task.parent)), agent=AgentConfig(name="null"), trial_dir=str(run))
        )
        began = time.perf_counter()
        result = trial.run_sync()
        seconds = time.perf_counter() - began
        if result.verdict.reward != 1.0:
            raise RuntimeError(f"the month failed: {result.error}")
        [journal] = run.glob("trials/*/try-1/journal.jsonl")
        return seconds, _firing(journal)


def _firing(journal: Path) -> float:
    """Seconds between the call that lets time pass and its return, by the wall clock of the journal."""
    call, began = 0, 0.0
    with journal.open("rb") as lines:
        for line in lines:
            if b'"env.clock.advance"' in line:
                event = json.loads(line)
                call, began = event["seq"], event["wall"]["at"]
            elif (
                call
                and line.startswith(b'{"seq":')
                and b'"kind":"return"' in line[:40]
                and b'"cause":%d,' % call in line
            ):
                return float(json.loads(line)["wall"]["at"]) - began
    raise RuntimeError("no time passed in this month")
