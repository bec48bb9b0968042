"""A rule of an approval policy: which tool calls it is about, and what becomes of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from terrarium.core.errors import ConfigError
from terrarium.core.values import Value
from terrarium.run.record import Record

HUMAN = "human"


class Condition(Record):
    """What one argument must be like. Where several keys are given, one value must fit them all.

    An argument that is a list fits where one of its entries does; one that is not there fits only `present = false`.
    """

    glob: str | None = None
    not_glob: str | None = None
    regex: str | None = None
    """Found anywhere in the value's text."""
    not_regex: str | None = None
    equals: Any = None
    not_equals: Any = None
    above: float | None = None
    below: float | None = None
    present: bool | None = None

    @field_validator("regex", "not_regex")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"{pattern!r} is no regular expression: {error}") from None
        return pattern

    def fits(self, values: list[Any]) -> bool:
        """Whether one of the values found at a path is like that."""
        if self.present is not None:
            return bool(values) is self.present and (not values or any(map(self._fits, values)))
        return any(map(self._fits, values))

    def _fits(self, value: Any) -> bool:
        text = value if isinstance(value, str) else "" if value is None else str(value)
        number = value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
        given = self.model_fields_set
        return (
            (self.glob is None or fnmatchcase(text, self.glob))
            and (self.not_glob is None or not fnmatchcase(text, self.not_glob))
            and (self.regex is None or re.search(self.regex, text) is not None)
            and (self.not_regex is None or re.search(self.not_regex, text) is None)
            and ("equals" not in given or bool(value == self.equals))
            and ("not_equals" not in given or bool(value != self.not_equals))
            and (self.above is None or (number is not None and number > self.above))
            and (self.below is None or (number is not None and number < self.below))
        )


class ApprovalRule(Record):
    """One rule; of a policy the first that matches a call decides, and a call that none matches is allowed."""

    tool: str | tuple[str, ...] = "*"
    """Globs of tools' names."""
    agent: str = "*"
    """A glob of the names of agents."""
    when: dict[str, Condition] = Field(default_factory=dict)
    """Conditions by the path of an argument, such as `to`, `rows.0.amount` or `rows.*.amount`; all must hold.

    Text is a glob; another plain value must be equal.
    """
    do: Literal["allow", "deny", "ask", "modify"]
    reason: str = ""
    """Shown to the agent where the call is refused, and to the human who is asked."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """Of `modify`: new values by path."""
    without: tuple[str, ...] = ()
    """Of `modify`: paths of arguments that are taken away."""
    by: str = HUMAN
    """Of `ask`: `human`, or a function as `package.module:function`."""
    otherwise: Literal["allow", "deny"] = "deny"
    """Of `ask`: what is done where there is no terminal at which a human could answer."""
    optional: bool = False
    """It may match none of the tools of a task; without that, such a rule is an error."""

    @field_validator("when", mode="before")
    @classmethod
    def _short(cls, given: Any) -> Any:
        """`to = "*@example.com"` is short for `to = {glob = "*@example.com"}`."""
        if not isinstance(given, Mapping):
            return given
        made: dict[str, Any] = {}
        for path, value in given.items():
            if isinstance(value, (Mapping, Condition)):
                made[path] = value
            else:
                made[path] = {"glob": value} if isinstance(value, str) else {"equals": value}
        return made

    @model_validator(mode="after")
    def _whole(self) -> ApprovalRule:
        given = self.model_fields_set
        if self.do == "modify" and not (self.arguments or self.without):
            raise ValueError("a rule that modifies says what: arguments = {path = value} or without = [path]")
        for key, whose in (("arguments", "modify"), ("without", "modify"), ("by", "ask"), ("otherwise", "ask")):
            if key in given and self.do != whose and getattr(self, key) != type(self).model_fields[key].get_default():
                raise ValueError(f"{key!r} belongs to rules with do = {whose!r}, not {self.do!r}")
        if self.by != HUMAN and not re.fullmatch(r"[\w.]+:\w+", self.by):
            raise ValueError(f"who is asked is 'human' or 'package.module:function', not {self.by!r}")
        if any(not condition.model_fields_set for condition in self.when.values()):
            raise ValueError("a condition needs one of its keys: glob, regex, equals, above, below, present, not_...")
        return self

    @property
    def globs(self) -> tuple[str, ...]:
        """The globs of tools' names."""
        return (self.tool,) if isinstance(self.tool, str) else self.tool

    def is_about(self, tool: str, agent: str) -> bool:
        """Whether calls of that tool by that agent may be its business."""
        return fnmatchcase(agent, self.agent) and any(fnmatchcase(tool, glob) for glob in self.globs)

    def matches(self, tool: str, agent: str, arguments: Value) -> bool:
        """Whether it decides on a call with these arguments, given as JSON."""
        return self.is_about(tool, agent) and all(
            condition.fits(values_at(arguments, path)) for path, condition in self.when.items()
        )

    def public(self) -> dict[str, Any]:
        """Plain data: what was given, and nothing else."""
        return self.model_dump(mode="json", exclude_unset=True)


def values_at(tree: Any, path: str) -> list[Any]:
    """What stands at a path such as `rows.*.amount`; the entries of a list instead of the list."""
    found = [tree]
    for part in path.split("."):
        found = [value for one in found for value in _below(one, part)]
    return [value for one in found for value in (one if isinstance(one, list) else [one])]


def _below(value: Any, part: str) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values()) if part == "*" else [value[part]] if part in value else []
    if isinstance(value, list):
        if part == "*":
            return value
        return [value[int(part)]] if part.isdecimal() and int(part) < len(value) else []
    return []


def changed(arguments: Mapping[str, Any], rule: ApprovalRule) -> dict[str, Any]:
    """The arguments as a rule that modifies makes them; what was given stays as it is."""
    made = dict(arguments)
    for path in rule.without:
        made = _put(made, path.split("."), None, gone=True)
    for path, value in rule.arguments.items():
        made = _put(made, path.split("."), value)
    return made


def _put(tree: Any, path: list[str], value: Any, gone: bool = False) -> Any:
    """A copy of a tree with another value at a path; `gone`: with none. What is not there is made, or left alone."""
    head, rest = path[0], path[1:]
    if isinstance(tree, list):
        places = range(len(tree)) if head == "*" else [int(head)] if head.isdecimal() and int(head) < len(tree) else []
        made = list(tree)
        for place in places:
            made[place] = _put(made[place], rest, value, gone) if rest else value
        dropped = set(places) if gone and not rest else set()
        return [entry for place, entry in enumerate(made) if place not in dropped]
    copy = dict(tree) if isinstance(tree, Mapping) else {}
    for key in list(copy) if head == "*" else [head]:
        if rest and (key in copy or not gone):
            copy[key] = _put(copy.get(key, {}), rest, value, gone)
        elif gone:
            copy.pop(key, None)
        else:
            copy[key] = value
    return copy


def rules_of(raw: Any, where: str) -> list[dict[str, Any]]:
    """The rules in the plain data of a policy's file: `[[approval]]` tables.

    Raises:
        ConfigError: It holds something else.
    """
    if not isinstance(raw, Mapping) or set(raw) != {"approval"} or not isinstance(raw["approval"], list):
        raise ConfigError(f"{where}: a policy is a list of [[approval]] tables and nothing else")
    return list(raw["approval"])
