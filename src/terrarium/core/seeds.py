"""Child seeds by sha256: one number for a trial, independent streams for everything inside it."""

from __future__ import annotations

import hashlib
import random
import struct
import uuid
from typing import Any


def child_seed(seed: int, *path: str | int) -> int:
    """A 64-bit seed for `path` below `seed`; equal on every machine and Python version."""
    text = "/".join([str(seed), *map(str, path)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


class Rng:
    """Named random streams under one seed; each name has its own stream, so parts cannot disturb each other.

    Streams can be saved and loaded, so that a world opened from a snapshot continues them.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._reseeded = False
        self._streams: dict[str, random.Random] = {}

    def stream(self, name: str) -> random.Random:
        """The stream called `name`, made at its first use."""
        found = self._streams.get(name)
        if found is None:
            found = self._streams[name] = random.Random(child_seed(self.seed, name))
        return found

    def reseed(self, seed: int) -> None:
        """Begin every stream anew, from another seed."""
        self.seed, self._reseeded = seed, True
        self._streams.clear()

    def token(self, name: str, length: int = 12) -> str:
        """`length` lower-case hexadecimal characters from the stream called `name`."""
        return f"{self.stream(name).getrandbits(length * 4):0{length}x}"

    def uuid(self, name: str) -> uuid.UUID:
        """A version-4 UUID from the stream called `name`."""
        return uuid.UUID(int=self.stream(name).getrandbits(128), version=4)

    def save(self) -> dict[str, str]:
        """The state of every stream that was used, as text; under the empty name the seed, where it was changed."""
        states = {name: self._streams[name].getstate() for name in sorted(self._streams)}
        own = {"": str(self.seed)} if self._reseeded else {}
        return own | {name: _packed(state) for name, state in states.items()}

    def load(self, saved: dict[str, str]) -> None:
        """Continue from what `save` returned."""
        self._streams.clear()
        for name, text in saved.items():
            if not name:
                self.seed, self._reseeded = int(text), True
                continue
            version, gauss, words = text.split(" ")
            stream = self._streams[name] = random.Random()
            internal = struct.unpack(f"<{len(words) // 8}I", bytes.fromhex(words))
            stream.setstate((int(version), internal, None if gauss == "-" else float.fromhex(gauss)))


def _packed(state: tuple[Any, ...]) -> str:
    version, internal, gauss = state
    words = struct.pack(f"<{len(internal)}I", *internal).hex()
    return f"{version} {'-' if gauss is None else float(gauss).hex()} {words}"
