"""Secrets: values that were given to agents and models, and may stand in no file that is written."""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from terrarium.core.values import decode, encode

T = TypeVar("T")

MASK = "[secret]"
_SHORTEST = 6  # a shorter value would be found by chance in honest text
_NAME = re.compile(r"(^|_|-)(api_?key|key|token|secret|password|passwd|credentials?|auth)($|_|-)", re.IGNORECASE)


@functools.lru_cache(maxsize=4096)
def is_secret(name: str) -> bool:
    """Whether a setting or variable of that name holds a secret: `api_key`, `OPENAI_API_KEY`, `password`, ..."""
    return _NAME.search(name) is not None


def masked(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The same settings with every secret replaced by a mask, at any depth."""
    return {key: _masked(key, value) for key, value in settings.items()}


def _masked(key: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return masked(value)
    return MASK if is_secret(key) and isinstance(value, str) and value else value


class Secrets:
    """The secrets of one trial.

    Args:
        values: What must not be written; texts of fewer than six characters are ignored.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._values = sorted({value for value in values if len(value) >= _SHORTEST}, key=len, reverse=True)
        self._written = [json.dumps(value)[1:-1] for value in self._values]

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Secrets:
        """Those in an agent's settings, and the keys in the environment."""
        environment = [os.environ[name] for name in os.environ if is_secret(name)]
        return cls([*_within(settings), *environment])

    def scrub(self, value: T) -> T:
        """`value`, with every secret in it replaced by a mask; the same object where there is none.

        Raises:
            ValueNotPlain: It cannot be written down at all.
        """
        if not self._values:
            return value
        if isinstance(value, str):
            return self.scrub_text(value)  # type: ignore[return-value]
        text = json.dumps(encode(value))
        if not any(secret in text for secret in self._written):
            return value
        for secret in self._written:
            text = text.replace(secret, MASK)
        scrubbed: T = decode(json.loads(text))
        return scrubbed

    def scrub_text(self, text: str) -> str:
        """`text` without secrets."""
        for secret in self._values:
            text = text.replace(secret, MASK)
        return text


def _within(settings: Mapping[str, Any], secret: bool = False) -> Iterator[str]:
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _within(value, secret or is_secret(key))
        elif isinstance(value, str) and (secret or is_secret(key)):
            yield value
