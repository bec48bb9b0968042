"""What a judge says to a question about evidence, and how a task program asks for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from terrarium.core.errors import ConfigError
from terrarium.core.message import Message, TextBlock, ToolResultBlock, ToolUseBlock, Usage
from terrarium.core.replay import Call
from terrarium.core.tool import show
from terrarium.core.trajectory import Conversation
from terrarium.core.values import record
from terrarium.core.world import World

PATH = "env.judge"


@record
@dataclass(frozen=True)
class Vote:
    """One answer of a judge.

    Attributes:
        grade: 1 or 0 for yes or no, or a grade of the scale; None where the vote failed.
        why: The reason that it gave.
        failed: Why there is no grade; empty where there is one.
    """

    grade: float | None
    why: str = ""
    failed: str = ""


@record
@dataclass(frozen=True)
class Judgement:
    """What a judge says. As a truth value: whether it passed.

    Attributes:
        score: In 0..1.
        passed: Whether that is enough.
        votes: Every answer, failed ones too.
        variance: Of the votes' scores in 0..1, with the number of votes as divisor.
        why: The reason of a vote that came to the same.
        judge: The model that was asked, as `provider/name`.
        model: What the provider says that answered.
        form: Digest of all that was asked but for the evidence: equal for every item that is asked the same.
        prompt: Digest of the whole prompt.
        scale: The lowest and highest grade; empty for yes or no.
        usage: Tokens of all votes.
        cost: In US dollars; None where no price is known.
    """

    score: float
    passed: bool
    votes: list[Vote] = field(default_factory=list)
    variance: float = 0.0
    why: str = ""
    judge: str = ""
    model: str = ""
    form: str = ""
    prompt: str = ""
    scale: list[float] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    cost: float | None = None

    def __bool__(self) -> bool:
        return self.passed

    @property
    def told(self) -> str:
        """In one line: score, votes, reason."""
        good = [vote for vote in self.votes if vote.grade is not None]
        shares = f"{len(good)} of {len(self.votes)} votes, variance {self.variance:.3f}" if len(self.votes) > 1 else ""
        return "  ".join(part for part in (f"judged {self.score:.2f}", shares, self.why) if part)


class Judging:
    """`env.judge`: asks the judge of the job."""

    def __init__(self, world: World) -> None:
        self._world = world

    def __call__(
        self,
        question: str,
        evidence: Any = None,
        *,
        scale: Sequence[float] | None = None,
        at_least: float | None = None,
        votes: int | None = None,
    ) -> Judgement:
        """What the judge says to a question about evidence. The world stands still meanwhile.

        Args:
            question: One that is answered by yes or no, yes being good; with `scale`, one that is answered by a grade.
            evidence: Text, plain data, messages, a conversation; or a mapping of names to these.
            scale: The lowest and the highest grade, such as (1, 5).
            at_least: The grade of the scale from which on it passes; by default the middle. Without a scale, the share
                of yes (more than half by default).
            votes: How often the judge is asked; by default as the job says.

        Raises:
            VerifierFault: There is no judge, it cannot be reached, or too few of its votes can be understood: the trial
                is unscored.
            ConfigError: The scale is none, or no number of votes.
        """
        asked: Any = question  # a program may give anything
        number: Any = votes
        if not isinstance(asked, str) or not asked.strip():
            raise ConfigError(f"a judge needs a question as text, not {question!r:.100}")
        ends = [] if scale is None else [float(end) for end in scale]
        if scale is not None and (len(ends) != 2 or not ends[0] < ends[1]):
            raise ConfigError(f"a scale is its lowest and its highest grade, such as (1, 5), not {scale!r:.100}")
        if number is not None and not (isinstance(number, int) and 1 <= number <= 99):
            raise ConfigError(f"a judge votes 1 to 99 times, not {votes!r:.100}")
        args: dict[str, Any] = {"question": question, "evidence": parts_of(evidence), "scale": ends}
        args |= {"at_least": None if at_least is None else float(at_least), "votes": votes}
        found: Judgement = self._world.call(Call(PATH, args))
        return found


def parts_of(evidence: Any) -> dict[str, str]:
    """Evidence as named texts."""
    if evidence is None:
        return {}
    if isinstance(evidence, Mapping):
        return {str(name): as_text(value) for name, value in evidence.items()}
    return {"evidence": as_text(evidence)}


def as_text(value: Any) -> str:
    """A value as a judge reads it."""
    if isinstance(value, Conversation):
        value = value.messages
    if isinstance(value, Message):
        value = [value]
    if isinstance(value, (list, tuple)) and value and all(isinstance(one, Message) for one in value):
        return "\n".join(line for message in value for line in _said(message))
    return show(value)


def _said(message: Message) -> list[str]:
    if isinstance(message.content, str):
        return [f"[{message.role}] {message.content}"]
    lines = []
    for block in message.content:
        if isinstance(block, TextBlock):
            lines.append(f"[{message.role}] {block.text}")
        elif isinstance(block, ToolUseBlock):
            lines.append(f"[{message.role} calls {block.name}] {show(block.input)}")
        elif isinstance(block, ToolResultBlock):
            lines.append(f"[result{' (error)' if block.is_error else ''}] {block.content or ''}")
    return lines
