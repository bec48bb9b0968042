"""Secrets: values that were given to agents and models, and may stand in no file that is written."""

from __future__ import annotations

import base64
import functools
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import unquote

from terrarium.core.values import decode, encode

T = TypeVar("T")

MASK = "[secret]"
_SHORTEST = 6  # a shorter value would be found by chance in honest text
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_PASSWORDS = ("password", "passwd", "passphrase", "passcode", "pwd", "secret", "credential")
_WORDS = frozenset(
    [*_PASSWORDS, "key", "apikey", "token", "auth", "authorization", "authentication", "bearer", "cookie"]
)
_COUNTED = frozenset(
    ["max", "min", "n", "num", "total", "input", "output", "cached", "prompt", "completion", "reasoning"]
)
_COUNTED |= {"stop", "special", "thinking", "budget", "context", "new"}
_URL = re.compile(r"\b([A-Za-z][A-Za-z0-9+.-]*://[^\s/?#:@]*:)([^\s/?#@]+)@")
_BEARER = re.compile(r"\s*Bearer\s+(\S+)\s*", re.IGNORECASE)  # alone in its text: honest prose has more words
_SCHEME = re.compile(r"\s*[A-Za-z]+\s+(\S+)\s*")
_NOT_OURS = frozenset(["PWD"])  # the shell's word for the present folder


@functools.lru_cache(maxsize=4096)
def is_secret(name: str) -> bool:
    """Whether a setting or variable of that name holds secrets: `api_key`, `apiKeys`, `OPENAI_API_KEY`, `pwd`, ..."""
    words = _words(name)
    if not words:
        return False
    last = words[-1].removesuffix("s")
    many = words[-1].endswith("s") and last in _WORDS and not (last == "token" and _COUNTED & set(words[:-1]))
    return many or any(word in _WORDS for word in words)


def _words(name: str) -> list[str]:
    return [word.lower() for word in re.split(r"[^A-Za-z0-9]+", _HUMP.sub("_", name)) if word]


def _is_password(name: str) -> bool:
    """Whether also a number of that name is a secret; `max_token` is a number and none."""
    return any(word.removesuffix("s") in _PASSWORDS for word in _words(name))


def masked(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The same settings with every secret replaced by a mask, at any depth, in lists and in addresses too."""
    return {key: _masked(value, is_secret(key), _is_password(key)) for key, value in settings.items()}


def _masked(value: Any, secret: bool, password: bool) -> Any:
    if isinstance(value, Mapping):
        return {
            key: _masked(inner, secret or is_secret(str(key)), password or _is_password(str(key)))
            for key, inner in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_masked(inner, secret, password) for inner in value]
    if isinstance(value, str) and value:
        return MASK if secret or _BEARER.fullmatch(value) else _URL.sub(rf"\1{MASK}@", value)
    return MASK if password and isinstance(value, (int, float)) and not isinstance(value, bool) else value


class Secrets:
    """The secrets of one trial.

    Args:
        values: What must not be written; texts of fewer than six characters are ignored.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._values: list[str] = []
        self._bytes: list[bytes] = []
        self._written: list[str] = []
        self._add(values)

    def _add(self, values: Iterable[str]) -> None:
        values = [*self._values, *values]
        self._values = sorted({value for value in values if len(value) >= _SHORTEST}, key=lambda v: (-len(v), v))
        self._bytes = [value.encode("utf-8", "surrogateescape") for value in self._values]
        self._written = [json.dumps(value)[1:-1] for value in self._values]

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Secrets:
        """Those in an agent's settings, and the keys in the environment."""
        return cls([*_within(settings), *_of_environment(tuple(os.environ.items()))])

    def learn(self, settings: Mapping[str, Any]) -> None:
        """From now on those in these settings are secret too."""
        found = set(_within(settings)) - set(self._values)
        if found:
            self._add(found)

    def scrub(self, value: T) -> T:
        """`value`, with every secret in it replaced by a mask; the same object where there is none.

        Raises:
            ValueNotPlain: It cannot be written down at all.
        """
        if not self._values:
            return value
        if isinstance(value, str):
            return self.scrub_text(value)  # type: ignore[return-value]
        tree = encode(value)
        text = json.dumps(tree)
        if '"$bytes"' not in text and '"$text"' not in text and not any(secret in text for secret in self._written):
            return value
        cleaned = self._cleaned(tree)
        scrubbed: T = value if cleaned == tree else decode(cleaned)
        return scrubbed

    def _cleaned(self, tree: Any) -> Any:
        if isinstance(tree, str):
            return self.scrub_text(tree)
        if isinstance(tree, list):
            return [self._cleaned(item) for item in tree]
        if not isinstance(tree, dict):
            return tree
        for tag in ("$bytes", "$text"):
            if tag in tree:
                return {tag: base64.b64encode(self.scrub_bytes(base64.b64decode(tree[tag]))).decode("ascii")}
        if "$record" in tree:
            return {**tree, "fields": {key: self._cleaned(item) for key, item in tree["fields"].items()}}
        return {self.scrub_text(key): self._cleaned(item) for key, item in tree.items()}

    def scrub_text(self, text: str) -> str:
        """`text` without secrets."""
        for secret in self._values:
            text = text.replace(secret, MASK)
        return text

    def scrub_bytes(self, data: bytes) -> bytes:
        """`data` without secrets, also those spelled as JSON does."""
        for secret, written in zip(self._bytes, self._written, strict=True):
            data = data.replace(secret, MASK.encode()).replace(written.encode("ascii"), MASK.encode())
        return data

    def hide(self, memory: bytes) -> bytes:
        """An agent's memory with every secret replaced by a mark of the same length, so that `reveal` finds it."""
        for secret, mark in self._marks():
            memory = memory.replace(secret, mark)
        return memory

    def reveal(self, memory: bytes) -> bytes:
        """The inverse of `hide`, for one who has the same secrets."""
        for secret, mark in self._marks():
            memory = memory.replace(mark, secret)
        return memory

    def _marks(self) -> Iterator[tuple[bytes, bytes]]:
        spelled = {}
        for number, (secret, written) in enumerate(zip(self._bytes, self._written, strict=True)):
            spelled[secret] = b"[s%d" % number
            spelled.setdefault(written.encode("ascii"), b"[j%d" % number)
        for secret, mark in spelled.items():
            yield secret, mark.ljust(len(secret), b"*")[: len(secret)]


@functools.lru_cache(maxsize=4)
def _of_environment(variables: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    """Asked for every trial, and nearly always the same."""
    return tuple(_within({name: value for name, value in variables if name not in _NOT_OURS}))


def _within(value: Any, secret: bool = False, password: bool = False) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _within(inner, secret or is_secret(str(key)), password or _is_password(str(key)))
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _within(inner, secret, password)
    elif isinstance(value, str):
        if secret:
            yield value
        alone = (_SCHEME if secret else _BEARER).fullmatch(value)
        if alone:
            yield alone[1]
        for found in _URL.finditer(value):
            yield from {found[2], unquote(found[2])}
            login = f"{unquote(found[1].partition('://')[2])}{unquote(found[2])}"
            yield base64.b64encode(login.encode("utf-8", "surrogateescape")).decode("ascii")  # as HTTP sends it
    elif password and isinstance(value, (int, float)) and not isinstance(value, bool):
        yield str(value)
