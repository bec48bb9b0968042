"""What judges were asked in the trials of a run, read from its journals; and the labels that people gave the same."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from terrarium.core.errors import ConfigError, JournalFault, nearest, unknown_key
from terrarium.core.judgement import PATH, Judgement
from terrarium.core.trajectory import Trajectory, load

COLUMNS = ("item", "task", "question", "scale", "evidence", "label", "rater")
CELL = 30_000  # characters of one cell; programs for tables take 32,767


@dataclass(frozen=True)
class Item:
    """One question that a judge answered.

    Attributes:
        id: The beginning of its trial's id, and the number of the event.
        task: The name of the task.
        question: As it was asked.
        evidence: What the judge saw, by name.
        judgement: What it said; None where it could not be asked.
    """

    id: str
    task: str
    question: str
    evidence: Mapping[str, str]
    scale: tuple[float, ...]
    judgement: Judgement | None

    @property
    def label(self) -> str:
        """The judgement as a person would write it: `yes`, `no`, or the grade next to the mean of the votes."""
        assert self.judgement is not None
        if not self.scale:
            return "yes" if self.judgement.passed else "no"
        low, high = self.scale
        return f"{round(low + self.judgement.score * (high - low)):g}"

    @property
    def categories(self) -> list[str]:
        """The labels that there are."""
        if not self.scale:
            return ["no", "yes"]
        low, high = self.scale
        return [f"{grade:g}" for grade in range(round(low), round(high) + 1)]


def items_of(run: Path) -> list[Item]:
    """Every question to a judge in the last try of each trial of a run.

    Raises:
        ConfigError: There is no run.
    """
    if not (run / "trials").is_dir():
        raise ConfigError(f"there is no run with trials at {run}")
    found: list[Item] = []
    for folder in sorted((run / "trials").iterdir()):
        tries = sorted(folder.glob("try-*/journal.jsonl"), key=lambda path: (len(path.parent.name), path.parent.name))
        if tries:
            try:
                found += _items(folder.name, load(tries[-1]))
            except JournalFault:  # a damaged journal is no reason to lose the others
                continue
    return found


def _items(trial: str, told: Trajectory) -> Iterator[Item]:
    ends = {event.cause: event for event in told.events if event.kind == "return"}
    for event in told.events:
        if event.kind == "call" and event.data["path"] == PATH:
            args: Mapping[str, Any] = event.data["args"]
            end = ends.get(event.seq)
            value = None if end is None else end.data["value"]
            judgement = value if isinstance(value, Judgement) else None
            task = str(told.header["task"]["name"])
            scale = tuple(map(float, args["scale"]))
            yield Item(f"{trial[:12]}:{event.seq}", task, args["question"], args["evidence"], scale, judgement)


def write_template(items: Sequence[Item], path: Path) -> None:
    """Write items for people to label, `.csv` or `.jsonl`; what the judge said is not shown to them.

    Raises:
        ConfigError: It cannot be written, or has another ending.
    """
    rows = [_row(item) for item in items]
    try:
        if path.suffix == ".jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        elif path.suffix == ".csv":
            with path.open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, COLUMNS)
                writer.writeheader()
                writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
        else:
            raise ConfigError(f"{path}: items are written to a .csv or a .jsonl file")
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from None


def _row(item: Item) -> dict[str, str]:
    shown = "\n\n".join(f"[{name}]\n{text}" for name, text in item.evidence.items())
    scale = f"{item.scale[0]:g} to {item.scale[1]:g}" if item.scale else "yes or no"
    told = (item.id, item.task, item.question, scale, shown, "", "")
    return dict(zip(COLUMNS, told, strict=True))


def _cell(text: str) -> str:
    """Text that a program for tables does not take for a formula, whatever agents wrote."""
    kept = "".join(letter for letter in text if letter in "\n\t" or letter.isprintable())[:CELL]
    return f"'{kept}" if kept[:1] in ("=", "+", "-", "@", "\t") else kept


@dataclass(frozen=True)
class Labelled:
    """One label of one person."""

    item: Item
    label: str
    rater: str


def labels_of(path: Path, items: Sequence[Item]) -> list[Labelled]:
    """The labels in a `.csv` or `.jsonl` file: `item`, `label` and, where there are several people, `rater`.

    A row without a label is passed over.

    Raises:
        ConfigError: It cannot be read, or names an item, a column or a label that there is not; says in which row.
    """
    known = {item.id: item for item in items}
    found: dict[tuple[str, str], Labelled] = {}
    for number, row in enumerate(_rows(path), 1):
        for column in row:
            if column not in COLUMNS:
                raise unknown_key(f"{path}, row {number}", column, COLUMNS)
        if "item" not in row or "label" not in row:
            raise ConfigError(f"{path}, row {number}: there is no {'label' if 'item' in row else 'item'}")
        label, rater = _text(row["label"]).strip().lower(), _text(row.get("rater")).strip() or "rater"
        if not label:
            continue
        item = known.get(_text(row["item"]).strip())
        if item is None:
            told = nearest(_text(row["item"]), known) or f"; the run has {len(known)} items"
            raise ConfigError(f"{path}, row {number}: there is no item {_text(row['item'])!r:.60}{told}")
        label = _known_label(label, item)
        if label not in item.categories:
            names = ", ".join(item.categories)
            raise ConfigError(f"{path}, row {number}: {label!r:.60} is no label of {item.id}; there are: {names}")
        if (item.id, rater) in found:
            raise ConfigError(f"{path}, row {number}: {rater!r:.60} has labelled {item.id} before")
        found[item.id, rater] = Labelled(item, label, rater)
    return list(found.values())


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _known_label(label: str, item: Item) -> str:
    if not item.scale:
        return {"1": "yes", "true": "yes", "y": "yes", "0": "no", "false": "no", "n": "no"}.get(label, label)
    try:
        return f"{float(label):g}"
    except ValueError:
        return label


def _rows(path: Path) -> Iterable[Mapping[str, Any]]:
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    except ValueError:
        raise ConfigError(f"{path} is not text in UTF-8") from None
    if path.suffix != ".jsonl":
        rows = list(csv.DictReader(text.splitlines(keepends=True)))
        if any(None in row for row in rows):
            raise ConfigError(f"{path}: a row has more cells than there are columns")
        return rows
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            if not isinstance(row, dict):
                raise ConfigError(f"{path}, line {number} is no JSON object")
            found.append(row)
    return found
