"""What the requests of one agent's programs hold of the engine's memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

MOST = 256 * 1024 * 1024
"""Bytes: all requests that are read or answered, together."""
_PART = 100  # bytes of an item of JSON in memory, more or less


class Crowded(Exception):
    """There is no place for more; never leaves this room."""


class Load:
    """Counts what is held."""

    def __init__(self) -> None:
        self._bytes = 0

    @contextmanager
    def holding(self) -> Iterator[Held]:
        """A block in which one request is held; what it holds is given up at the end."""
        held = Held(self)
        try:
            yield held
        finally:
            self._bytes -= held.size

    def take(self, size: int) -> None:
        """Hold more.

        Raises:
            Crowded: It is too much.
        """
        if self._bytes + size > MOST:
            raise Crowded
        self._bytes += size


class Held:
    """What one request holds."""

    def __init__(self, load: Load) -> None:
        self._load, self.size = load, 0

    def __call__(self, data: bytes) -> bytes:
        """Hold these bytes.

        Raises:
            Crowded: It is too much.
        """
        self._load.take(len(data))
        self.size += len(data)
        return data

    def parts(self, number: int) -> None:
        """Hold so many items of JSON.

        Raises:
            Crowded: It is too much.
        """
        size = number * _PART
        self._load.take(size)
        self.size += size
