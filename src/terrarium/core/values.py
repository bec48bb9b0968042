"""The plain values of calls, events and rows, and the one codec that writes them down as JSON.

JSON's own types stand for themselves. Everything else is an object with one key that starts with `$`:

    {"$bytes": base64}   {"$datetime": iso}   {"$date": iso}   {"$timedelta": microseconds}   {"$decimal": text}
    {"$uuid": text}      {"$float": "nan" | "inf" | "-inf"}    {"$int": hex}     {"$dict": [[key, value], ...]}
    {"$record": name, "fields": {...}}     {"$blob": sha256, "of": "str" | "bytes", "size": n}    {"$text": base64}

`$dict` is used only where a key starts with `$`. `$text` holds text in which two lone surrogates stand side by side,
which JSON readers would join. `$int` is used above 256 bits, where JSON readers differ.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import hashlib
import importlib
import json
import math
import os
import re
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from terrarium.core.errors import JournalFault, ValueNotPlain

Value = (
    Any  # None | bool | int | float | str | bytes | datetime | date | timedelta | Decimal | UUID | list | dict | record
)

INLINE_LIMIT = 64 * 1024  # longer strings and bytes go to blobs
_DEPTH_LIMIT = 200
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")

_records: dict[str, type] = {}
_fields: dict[type, tuple[str, ...]] = {}
T = TypeVar("T")


def record(kind: type[T]) -> type[T]:
    """Class decorator: a frozen dataclass that may stand in calls and events.

    Raises:
        TypeError: The class is not a frozen dataclass, or another class has its name.
    """
    if not dataclasses.is_dataclass(kind) or not kind.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        raise TypeError(f"{kind.__qualname__} must be a frozen dataclass to be a record")
    known = _records.get(kind.__name__)
    if known is not None and (known.__module__, known.__qualname__) != (kind.__module__, kind.__qualname__):
        raise TypeError(f"two records are called {kind.__name__}: {known.__module__} and {kind.__module__}")
    if known is not None:
        _fields.pop(known, None)
    _records[kind.__name__] = kind
    _fields[kind] = tuple(field.name for field in dataclasses.fields(kind))
    return kind


class Blobs:
    """Large values, one file each, named by the sha256 of their bytes. Made at the first write."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, data: bytes) -> str:
        """Store `data` and return its digest; storing it again costs one look-up.

        Raises:
            JournalFault: It cannot be written.
        """
        digest = hashlib.sha256(data).hexdigest()
        path = self.folder / digest
        if not path.exists():
            fresh = self.folder / f".{digest}.{os.getpid()}.{threading.get_ident()}"
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                fresh.write_bytes(data)
                fresh.rename(path)
            except OSError as error:
                with contextlib.suppress(OSError):
                    fresh.unlink()
                raise JournalFault(f"cannot write {path}: {error.strerror}") from error
        return digest

    def get(self, digest: str) -> bytes:
        """The bytes behind `digest`.

        Raises:
            JournalFault: They are not here, or not what was stored.
        """
        try:
            data = (self.folder / digest).read_bytes()
        except FileNotFoundError:
            raise JournalFault(f"blob {digest[:12]} is missing from {self.folder}") from None
        if hashlib.sha256(data).hexdigest() != digest:
            raise JournalFault(f"blob {self.folder / digest} is damaged: it is not what was written")
        return data

    def remove(self, digest: str) -> None:
        """Forget the bytes behind `digest`, which nothing refers to any more; copies in snapshots stay."""
        with contextlib.suppress(OSError):
            (self.folder / digest).unlink()


def encode(value: Value, blobs: Blobs | None = None, _depth: int = 0) -> Any:
    """`value` as a tree that `json.dumps` writes without loss.

    Args:
        value: Any plain value.
        blobs: Where strings and bytes over 64 KiB go; None keeps them inline.

    Raises:
        ValueNotPlain: It holds something that is not plain, or is nested more than 200 deep.
    """
    kind = type(value)
    if kind is str:
        if len(value) > INLINE_LIMIT and blobs is not None:
            data = value.encode("utf-8", "surrogatepass")
            return {"$blob": blobs.put(data), "of": "str", "size": len(data)}
        return value if value.isascii() or not _PAIR.search(value) else _encode_pairs(value)
    if value is None or kind is bool:
        return value
    if kind is int:
        return value if value.bit_length() <= 256 else {"$int": hex(value)}
    if kind is float:
        return value if math.isfinite(value) else {"$float": str(value)}
    if _depth >= _DEPTH_LIMIT:
        raise ValueNotPlain("a value is nested more than 200 deep, or contains itself")
    if kind is dict:
        return _encode_mapping(value, blobs, _depth)
    if kind is list or kind is tuple:
        return [item if _stands(item) else encode(item, blobs, _depth + 1) for item in value]
    names = _fields.get(kind)
    if names is not None:
        fields = {}
        for name in names:
            item = getattr(value, name)
            fields[name] = item if _stands(item) else encode(item, blobs, _depth + 1)
        return {"$record": kind.__name__, "fields": fields}
    return _encode_rare(value, blobs, _depth)


def _encode_mapping(value: Mapping[str, Value], blobs: Blobs | None, depth: int) -> Any:
    tree = {}
    tagged = False
    for key, item in value.items():
        if key not in _plain_keys:
            tagged = _look_at(key) or tagged
        tree[key] = item if _stands(item) else encode(item, blobs, depth + 1)
    return {"$dict": [[encode(key), item] for key, item in tree.items()]} if tagged else tree


def _stands(item: Value) -> bool:
    """Whether a value is written as it is: most are, and need no second look."""
    kind = type(item)
    if kind is str:
        return len(item) <= 1024 and item.isascii()
    return item is None or kind is bool or (kind is int and item.bit_length() <= 256)


_plain_keys: set[str] = set()
"""Keys that were looked at: names of fields come again and again."""


def _look_at(key: object) -> bool:
    """Whether a mapping with this key must be tagged.

    Raises:
        ValueNotPlain: It is no text.
    """
    if not isinstance(key, str):
        raise ValueNotPlain(f"the keys of a dict must be strings, not {type(key).__name__}: {str(key)[:80]!r}")
    if key[:1] == "$" or not (key.isascii() or not _PAIR.search(key)):
        return True
    if len(_plain_keys) < 4096 and len(key) < 64 and type(key) is str:
        _plain_keys.add(key)
    return False


def _encode_pairs(text: str) -> Any:
    return {"$text": base64.b64encode(text.encode("utf-8", "surrogatepass")).decode()}


def _encode_rare(value: Value, blobs: Blobs | None, depth: int) -> Any:
    if isinstance(value, (bytes, bytearray, memoryview)):
        data = bytes(value)
        if len(data) > INLINE_LIMIT and blobs is not None:
            return {"$blob": blobs.put(data), "of": "bytes", "size": len(data)}
        return {"$bytes": base64.b64encode(data).decode()}
    if isinstance(value, datetime):
        return {"$datetime": value.isoformat()}
    if isinstance(value, date):
        return {"$date": value.isoformat()}
    if isinstance(value, timedelta):
        return {"$timedelta": value // timedelta(microseconds=1)}
    if isinstance(value, Decimal):
        return {"$decimal": str(value)}
    if isinstance(value, UUID):
        return {"$uuid": str(value)}
    if isinstance(value, Enum):
        return encode(value.value, blobs, depth)
    if isinstance(value, Mapping):
        return _encode_mapping(value, blobs, depth)
    if isinstance(value, (str, int, float)):  # a subclass such as str-enum members of other libraries
        for plain in (str, int, float):
            if isinstance(value, plain):
                return encode(plain(value), blobs, depth)
    if isinstance(value, (list, tuple)):
        return [encode(item, blobs, depth + 1) for item in value]
    raise ValueNotPlain(f"{type(value).__module__}.{type(value).__qualname__} cannot be written to the journal")


_DECODERS: dict[str, Callable[[Any], Value]] = {
    "$bytes": base64.b64decode,
    "$datetime": datetime.fromisoformat,
    "$date": date.fromisoformat,
    "$timedelta": lambda n: timedelta(microseconds=n),
    "$decimal": Decimal,
    "$uuid": UUID,
    "$float": float,
    "$int": lambda text: int(text, 16),
    "$text": lambda text: base64.b64decode(text).decode("utf-8", "surrogatepass"),
}


_NESTED = frozenset({dict, list})


def decode(tree: Any, blobs: Blobs | None = None) -> Value:
    """The value that `encode` was given (tuples come back as lists), always a fresh copy.

    Raises:
        JournalFault: An unknown tag, an unknown record, or a blob that is missing.
    """
    kind = type(tree)
    if kind is list:
        return [decode(item, blobs) if type(item) in _NESTED else item for item in tree]
    if kind is not dict:
        return tree
    tag = next(iter(tree), "")
    if tag[:1] != "$":
        return {key: decode(item, blobs) if type(item) in _NESTED else item for key, item in tree.items()}
    if tag in _DECODERS:
        return _DECODERS[tag](tree[tag])
    if tag == "$dict":
        return {decode(key): decode(item, blobs) for key, item in tree["$dict"]}
    if tag == "$blob":
        if blobs is None:
            return tree
        data = blobs.get(tree["$blob"])
        return data.decode("utf-8", "surrogatepass") if tree["of"] == "str" else data
    if tag == "$record":
        known = _records.get(tree["$record"]) or _own_record(tree["$record"])
        if known is None:
            raise JournalFault(f"the journal holds a {tree['$record']!r} that this version does not know")
        return known(**{name: decode(item, blobs) for name, item in tree["fields"].items()})
    raise JournalFault(f"unknown tag {tag!r} in a journal")


def _own_record(name: str) -> type | None:
    """A reader may meet records of modules that nobody has imported yet."""
    for noun in ("agent", "diff", "message", "model", "sandbox", "state", "tool", "trajectory", "verdict"):
        importlib.import_module(f"terrarium.core.{noun}")
    return _records.get(name)


def _writer(sort_keys: bool) -> Callable[[Any], str]:
    """The encoder for compact ascii; `JSONEncoder.encode` makes its C encoder anew for every text, this keeps one."""
    plain = json.JSONEncoder(
        ensure_ascii=True, allow_nan=False, separators=(",", ":"), check_circular=False, sort_keys=sort_keys
    )
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return plain.encode
    chunks = make(None, plain.default, json.encoder.encode_basestring_ascii, None, ":", ",", sort_keys, False, False)
    return lambda tree: "".join(chunks(tree, 0))


dumps = _writer(sort_keys=False)
"""A tree that `encode` gave, as JSON on one ascii line; raises ValueError for NaN."""

sorted_dumps = _writer(sort_keys=True)
"""The same with sorted keys: one text for equal trees."""


def canonical(value: Value) -> str:
    """One text for equal values: sorted keys, no spaces, ascii. Used for digests."""
    return sorted_dumps(encode(value))


def digest(value: Value) -> str:
    """sha256 of `canonical(value)`, in hexadecimal."""
    return hashlib.sha256(canonical(value).encode("ascii")).hexdigest()


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_micros(moment: datetime) -> int:
    """Whole microseconds since 1970; a naive time is taken as UTC."""
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """The inverse of `to_micros`, in UTC."""
    return _EPOCH + timedelta(microseconds=micros)
