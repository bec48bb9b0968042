"""`terrarium agreement`: how far a run's judge agrees with people."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.text import Text

    from terrarium.result.judged import Labelled


@click.command("agreement")
@click.argument("run", metavar="RUN")
@click.option("--labels", metavar="FILE", help="What people said: .csv or .jsonl with item, label and rater.")
@click.option("--template", metavar="FILE", help="Write the items for people to label, .csv or .jsonl.")
@click.option(
    "--weights",
    type=click.Choice(["none", "linear", "quadratic"]),
    default="quadratic",
    help="Of kappa on scales. Default: quadratic.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option("--no-color", is_flag=True, help="Without colours.")
def command(run: str, labels: str | None, template: str | None, weights: Any, as_json: bool, no_color: bool) -> None:
    """Compare what judges said in RUN with what people say of the same.

    First --template writes every question with its evidence into a file, without the judge's answers. People fill in
    the column `label` (and `rater`, one row for each person). Then --labels gives Cohen's kappa with its 95 % interval,
    weighted where grades are on a scale, the share that is equal and a table of who said what; with several people also
    Krippendorff's alpha among them. Labels of an item on which people are divided evenly do not count for the judge.
    """
    from terrarium.core.errors import ConfigError
    from terrarium.result.judged import items_of, labels_of, write_template

    if (labels is None) == (template is None):
        raise ConfigError("say either --template FILE, to have items labelled, or --labels FILE")
    items = items_of(Path(run))
    if not items:
        raise ConfigError(f"no judge was asked in {run}")
    if template is not None:
        write_template(items, Path(template))
        click.echo(f"{len(items)} items: {template}")
        return
    given = labels_of(Path(str(labels)), items)
    if not given:
        raise ConfigError(f"{labels} holds no label")
    found = compared(given, weights)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=True, allow_nan=False))
        return
    from terrarium.cli.screen import screen
    from terrarium.cli.table import print_all

    print_all(screen(color=not no_color), _lines(found))


def compared(given: Sequence[Labelled], weights: Any) -> list[dict[str, Any]]:
    """One entry for each scale on which judges and people answered, and one for each question of it."""
    scales = dict.fromkeys(tuple(one.item.categories) for one in given)
    found = []
    for categories in scales:
        own = [one for one in given if tuple(one.item.categories) == categories]
        found.append({"question": None, **_group(own, list(categories), weights)})
        questions = dict.fromkeys(one.item.question for one in own)
        for question in questions if len(questions) > 1 else ():
            asked = [one for one in own if one.item.question == question]
            found.append({"question": question, **_group(asked, list(categories), weights)})
    return found


def _group(given: Sequence[Labelled], categories: list[str], weights: Any) -> dict[str, Any]:
    from terrarium.result.agreement import cohen_kappa, confusion, krippendorff_alpha

    how: Any = "none" if len(categories) < 3 else weights
    by_item: dict[str, list[Labelled]] = {}
    for one in given:
        by_item.setdefault(one.item.id, []).append(one)
    raters = sorted({one.rater for one in given})
    pairs = [(labels[0].item, _most(labels)) for labels in by_item.values()]
    unjudged = sum(item.judgement is None for item, _ in pairs)
    known = [(item, label) for item, label in pairs if item.judgement is not None and label is not None]
    ordered = len(categories) > 2
    labels: dict[Hashable, list[float | str]] = {
        key: [float(one.label) if ordered else one.label for one in own] for key, own in by_item.items()
    }
    told: dict[str, Any] = {
        "categories": categories,
        "items": len(by_item),
        "raters": raters,
        "unjudged": unjudged,
        "divided": sum(label is None for _, label in pairs),
        "weights": how,
        "judge": None,
        "confusion": None,
        "alpha": krippendorff_alpha(labels, "ordinal" if ordered else "nominal") if len(raters) > 1 else None,
        "each": {},
    }
    if known:
        table = confusion([(item.label, label) for item, label in known], categories)
        told |= {"judge": asdict(cohen_kappa(table, how)), "confusion": table}
    for rater in raters if len(raters) > 1 else ():
        own = [(one.item.label, one.label) for one in given if one.rater == rater and one.item.judgement is not None]
        if own:
            told["each"][rater] = asdict(cohen_kappa(confusion(own, categories), how))
    return told


def _most(labels: Sequence[Labelled]) -> str | None:
    """The label of most people; None where two are given equally often."""
    ranked = Counter(one.label for one in labels).most_common(2)
    return None if len(ranked) > 1 and ranked[0][1] == ranked[1][1] else ranked[0][0]


def _lines(found: Sequence[dict[str, Any]]) -> Iterator[Text]:
    from rich.text import Text

    from terrarium.cli.safe_text import one_line

    for one in found:
        what = f"all questions, {' '.join(one['categories'])}" if one["question"] is None else one["question"]
        yield Text(one_line(what, 300), "bold")
        judge = one["judge"]
        if judge is None:
            yield Text("  nothing to compare: no item has both a judgement and one label", "yellow")
            continue
        yield Text(f"  {_kappa(judge, one['weights'])}")
        for rater, kappa in one["each"].items():
            yield Text(f"  with {one_line(rater, 60)}: {_kappa(kappa, one['weights'])}")
        if len(one["raters"]) > 1:
            alpha = "not known" if one["alpha"] is None else f"{one['alpha']:.3f}"
            yield Text(f"  {len(one['raters'])} people among themselves: Krippendorff's alpha {alpha}")
        left = [f"{one[key]} {told}" for key, told in (("unjudged", "not judged"), ("divided", "divided")) if one[key]]
        if left:
            yield Text(f"  left out: {', '.join(left)}", "yellow")
        if one["question"] is None:
            width = max(6, *map(len, one["categories"]))
            yield Text("  judge \\ people".ljust(18) + " ".join(name.rjust(width) for name in one["categories"]), "dim")
            for name, row in zip(one["categories"], one["confusion"], strict=True):
                yield Text(f"  {name}".ljust(18) + " ".join(str(count).rjust(width) for count in row))


def _kappa(kappa: dict[str, Any], weights: str) -> str:
    how = "" if weights == "none" else f" ({weights} weights)"
    equal = f"{kappa['agreed']:.0%} of {kappa['n']} equal"
    if kappa["kappa"] is None:
        return f"kappa{how} not known, as only one label was used; {equal}"
    return f"kappa{how} {kappa['kappa']:.3f} [{kappa['low']:.3f}, {kappa['high']:.3f}]; {equal}"
