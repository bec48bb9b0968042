"""Faults of a model server: what goes wrong, and with which requests."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from terrarium.core.errors import ConfigError, nearest, unknown_key

KINDS = {
    "stall": "the answer begins, then nothing comes any more",
    "slow": "the answer comes in small pieces with pauses between them",
    "malformed": "what comes is no JSON",
    "empty": "an answer that holds nothing",
    "truncated": "the connection ends in the middle of the answer",
    "cut": "the answer ends in order, but its second half is missing",
    "duplicate_ids": "every tool call has the same id",
    "content_type": "a page of HTML in place of the answer, with status 200",
    "drop": "the connection ends before the answer",
    "huge": "an answer with megabytes of text",
    "deep": "a tool call with deeply nested arguments",
    "deep_body": "a body that is nested deeper than readers of JSON go",
    "control": "control characters and terminal escapes in the text",
    "surrogate": "halves of characters (lone surrogates) in the text",
}
"""Every kind besides HTTP statuses from 400 to 599, and what it does."""


_WRITABLE = 900  # levels that the standard library writes as JSON


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        kind: An HTTP status such as `429`, or a name of `KINDS`.
        at: From which request on, counted from 1 in the order in which they come; 0: any.
        times: How many requests it hits at most; 0: no end. Left out, it is 1 with `at`, else no end.
        chance: How likely it hits a request that it may hit; drawn from `seed` and the number of the request.
        seed: Of the draws.
        after: What `Retry-After` says: seconds, or `date` for a moment one second ahead, written as a date.
        seconds: Of a `slow` answer, the pause between two pieces; of a `stall`, how long until the connection ends.
        size: Characters of text in a `huge` answer.
        depth: Levels of a `deep` call or a `deep_body`.

    Raises:
        ConfigError: A value that makes no sense.
    """

    kind: str
    at: int = 0
    times: int | None = None
    chance: float = 1.0
    seed: int = 0
    after: float | str | None = None
    seconds: float | None = None
    size: int = 50_000_000
    depth: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", str(self.kind))  # a script in TOML writes 429 as a number
        if self.kind not in KINDS and self.status is None:
            known = f"an HTTP status from 400 to 599, or one of: {', '.join(KINDS)}"
            raise ConfigError(f"there is no fault {self.kind!r}{nearest(self.kind, KINDS)}; it is {known}")
        for name, least in (("at", 0), ("times", 0), ("size", 1), ("depth", 1)):
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < least):
                raise ConfigError(f"fault {self.kind}: {name} must be a whole number from {least}, not {value!r}")
        for name in ("chance", "seconds"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0):
                raise ConfigError(f"fault {self.kind}: {name} must be a number from 0, not {value!r}")
        if self.kind == "deep" and (self.depth or 0) > _WRITABLE:
            raise ConfigError(f"fault deep: depth is at most {_WRITABLE}; deep_body goes deeper")
        if isinstance(self.after, str) and self.after != "date":
            raise ConfigError(f"fault {self.kind}: after must be seconds or `date`, not {self.after!r}")

    @property
    def status(self) -> int | None:
        """The HTTP status that it is; None where it is something else."""
        number = int(self.kind) if len(self.kind) == 3 and self.kind.isascii() and self.kind.isdigit() else 0
        return number if 400 <= number <= 599 else None

    def hits(self, number: int, before: int) -> bool:
        """Whether it hits request `number`, when it has hit `before` requests already."""
        times = self.times if self.times is not None else (1 if self.at else 0)
        if number < self.at or (times and before >= times):
            return False
        return self.chance >= 1 or random.Random(f"{self.seed}/{number}").random() < self.chance

    @classmethod
    def of(cls, given: Fault | str | Mapping[str, Any]) -> Fault:
        """A fault from its text, such as `429,at=2,after=1`, or from a table of its fields.

        Raises:
            ConfigError: It is not understood.
        """
        if isinstance(given, Fault):
            return given
        known = [entry.name for entry in fields(cls)]
        table = _table(given) if isinstance(given, str) else dict(given)
        for key in table:
            if key not in known:
                raise unknown_key("a fault", str(key), known)
        if "kind" not in table:
            raise ConfigError(f"a fault has no kind: {given!r}")
        return cls(**table)


def _table(text: str) -> dict[str, Any]:
    kind, *settings = (part.strip() for part in text.split(","))
    table: dict[str, Any] = {"kind": kind}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise ConfigError(f"a fault is written as KIND,key=value,..., not {text!r}")
        table[key.strip()] = _number(value.strip())
    return table


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


class Faults:
    """The faults of one server: says which hits the next request.

    Args:
        faults: The first that hits is taken.
    """

    def __init__(self, faults: Iterable[Fault | str | Mapping[str, Any]] = ()) -> None:
        self._faults = [Fault.of(given) for given in faults]
        self._hit = [0] * len(self._faults)

    def next(self, number: int) -> Fault | None:
        """The fault of request `number`; counts as having hit."""
        for place, fault in enumerate(self._faults):
            if fault.hits(number, self._hit[place]):
                self._hit[place] += 1
                return fault
        return None
