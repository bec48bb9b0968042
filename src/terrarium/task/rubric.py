"""Rubrics: trees of questions to a judge, each asked by itself, as checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from terrarium.core.env import current
from terrarium.core.errors import ConfigError
from terrarium.core.judgement import Judgement
from terrarium.task.checking import Weighted, check


@dataclass(frozen=True)
class Criterion:
    """One question of a rubric; made by `criterion`."""

    question: str
    weight: float = 1.0
    required: bool = False
    forbidden: bool = False
    scale: Sequence[float] | None = None
    at_least: float | None = None
    votes: int | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Group:
    """Questions that share one weight; made by `group`."""

    parts: Mapping[str, Part]
    weight: float = 1.0


Part = str | Criterion | Group


def criterion(
    question: str,
    *,
    weight: float = 1.0,
    required: bool = False,
    forbidden: bool = False,
    scale: Sequence[float] | None = None,
    at_least: float | None = None,
    votes: int | None = None,
    tags: Sequence[str] = (),
) -> Criterion:
    """A question of a rubric that is more than one equal share.

    Args:
        question: As of `env.judge`.
        weight: Its share among its siblings.
        required: If the answer is no, the score of the whole is 0.
        forbidden: Yes is bad: worth nothing, but if it is so, the score of the whole is 0.
        scale: As of `env.judge`.
        at_least: As of `env.judge`.
        votes: As of `env.judge`.
        tags: For grouping.
    """
    return Criterion(question, weight, required, forbidden, scale, at_least, votes, tuple(tags))


def group(parts: Mapping[str, Part], weight: float = 1.0) -> Group:
    """Questions that together have the weight of one."""
    return Group(parts, weight)


def rubric(parts: Mapping[str, Part], evidence: Any) -> dict[str, Weighted]:
    """The checkers of a rubric, for `run_checkers`; each asks the judge by itself when it is evaluated.

    Weights are shares of the whole: those of a level add up to the weight of what holds it, the highest level to 1.

    Args:
        parts: Names to questions, criteria and groups of them. A check is called by its path, `content/names-price`.
        evidence: As of `env.judge`; where it is a function, called anew for each question.

    Raises:
        ConfigError: There is no question, or a part is none.
        ValueError: A weight is negative.
    """
    made: dict[str, Weighted] = {}
    _add(made, "", parts, 1.0, evidence)
    if not made:
        raise ConfigError("a rubric without questions judges nothing")
    return made


def _add(made: dict[str, Weighted], above: str, parts: Mapping[str, Part], share: float, evidence: Any) -> None:
    known: dict[str, Criterion | Group] = {}
    for name, part in parts.items():
        if not isinstance(part, (str, Criterion, Group)):
            raise ConfigError(
                f"rubric {above}{name}: a part is a question, criterion(...) or group(...), not {part!r:.80}"
            )
        known[name] = Criterion(part) if isinstance(part, str) else part
    total = sum(part.weight for part in known.values() if isinstance(part, Group) or not part.forbidden)
    for name, part in known.items():
        own = share * part.weight / total if total > 0 else 0.0
        if isinstance(part, Group):
            _add(made, f"{above}{name}/", part.parts, own, evidence)
        else:
            gates = {"required": part.required, "forbidden": part.forbidden}
            made[f"{above}{name}"] = check(_asking(part, evidence), weight=own, tags=part.tags, **gates)


def _asking(part: Criterion, evidence: Any) -> Callable[[], Judgement]:
    def ask() -> Judgement:
        env = current.get()
        if env is None:
            raise ConfigError("a rubric is judged by the program of a task, inside run_checkers")
        shown = evidence() if callable(evidence) else evidence
        return env.judge(part.question, shown, scale=part.scale, at_least=part.at_least, votes=part.votes)

    return ask
