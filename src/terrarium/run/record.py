"""What every piece of a configuration is: a frozen record that says what is wrong with what it was given."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from terrarium.core.errors import ConfigError


class Record(BaseModel):
    """A frozen record that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    if not TYPE_CHECKING:  # type checkers know the fields

        def __init__(self, **given: Any) -> None:
            """Make one; what is wrong is a `ConfigError` that names the nearest known key."""
            try:
                super().__init__(**given)
            except ValidationError as error:
                told = [_told(type(self), problem) for problem in error.errors()[:5]]
                raise ConfigError("; ".join(told)) from None


def _told(kind: type[BaseModel], problem: Any) -> str:
    location = [str(part) for part in problem["loc"]]
    if problem["type"] != "extra_forbidden":
        return f"{kind.__name__}.{'.'.join(location)}: {problem['msg']}"
    near = difflib.get_close_matches(location[-1], list(kind.model_fields), n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(kind.model_fields)}"
    return f"{kind.__name__}: unknown key {'.'.join(location)!r}; {hint}"
