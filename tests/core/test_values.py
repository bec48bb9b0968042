"""Plain values survive JSON text whatever they hold."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terrarium.core.errors import JournalFault, ValueNotPlain
from terrarium.core.message import Message, TextBlock, Usage
from terrarium.core.values import Blobs, canonical, decode, digest, encode, from_micros, record, to_micros

ANY_TEXT = st.text(st.characters(categories=None, codec=None), max_size=20)  # lone surrogates included
ZONES = st.sampled_from(
    [None, UTC, timezone(timedelta(hours=5, minutes=45, seconds=1)), timezone(-timedelta(hours=11))]
)
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**300), 2**300)
    | st.floats(allow_nan=True)
    | ANY_TEXT
    | st.binary(max_size=40)
    | st.datetimes(timezones=ZONES)
    | st.dates()
    | st.timedeltas()
    | st.decimals()
    | st.uuids()
    | st.builds(Usage, st.integers(0, 9), st.integers(0, 9)),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            ANY_TEXT | ANY_TEXT.map("$".__add__) | st.sampled_from(["$bytes", "$dict", "$record"]), inner, max_size=4
        )
    ),
    max_leaves=20,
)


def same(a: object, b: object) -> bool:
    """Equal in type and value, NaN equal to NaN."""
    if type(a) is not type(b):
        return False
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))  # type: ignore[arg-type]
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)  # type: ignore[index,attr-defined]
    if isinstance(a, float):
        return (a != a and b != b) or (a == b and math.copysign(1, a) == math.copysign(1, b))  # type: ignore[arg-type]
    if isinstance(a, Decimal):
        return str(a) == str(b)
    if isinstance(a, datetime):
        return a == b and a.utcoffset() == b.utcoffset()  # type: ignore[attr-defined]
    return a == b


def through_text(value: object) -> object:
    text = json.dumps(encode(value), ensure_ascii=True, allow_nan=False)
    assert text.isascii()
    return decode(json.loads(text))


@given(PLAIN)
def test_every_plain_value_survives_json_text(value):
    assert same(value, through_text(value))


@pytest.mark.parametrize(
    "value",
    [
        "\ud800",
        "\udc00\ud800",
        {"$bytes": "AA=="},
        {"$": {"$dict": [["a", 1]]}},
        {"a": {"$uuid": 5}, "$b": [{"$c": {}}]},
        -(10**4000),
        math.nan,
        -math.inf,
        -0.0,
        5e-324,
        Decimal("sNaN"),
        Decimal("1.10"),
        timedelta.min,
        datetime.max.replace(tzinfo=UTC),
        date.min,
        UUID(int=0),
        b"\x00\xff",
        [[], {}, [[None]]],
        Message("user", [TextBlock("x")]),
    ],
)
def test_odd_values_survive(value):
    assert same(value, through_text(value))


def test_two_lone_surrogates_are_not_the_character_that_json_readers_make_of_them():
    for value in ("\ud83d\ude00", {"\ud83d\ude00": 1, "\U0001f600": 2}):
        assert same(value, through_text(value))


class Word(str): ...


class Colour(Enum):
    RED = "red"


class Level(IntEnum):
    LOW = 1


def test_relatives_of_plain_values_become_plain():
    given_ = {
        "w": Word("x"),
        "c": Colour.RED,
        "l": Level.LOW,
        "t": (1, (2,)),
        "b": bytearray(b"y"),
        "m": memoryview(b"z"),
    }
    found = through_text(given_)
    assert found == {"w": "x", "c": "red", "l": 1, "t": [1, [2]], "b": b"y", "m": b"z"}
    assert [type(found[key]) for key in "wcl"] == [str, str, int]  # type: ignore[index]


@pytest.mark.parametrize(
    "value", [object(), {1}, {1: 2}, {None: 1}, lambda: 0, SimpleNamespace(a=1), range(3), 1j, [set()]]
)
def test_what_is_not_plain_is_refused(value):
    with pytest.raises(ValueNotPlain):
        encode(value)


def test_cycles_and_towers_are_refused_without_a_crash():
    loop: list[object] = []
    loop.append(loop)
    tower: object = 0
    for _ in range(10_000):
        tower = {"x": tower}
    for value in (loop, tower):
        with pytest.raises(ValueNotPlain, match="200 deep"):
            encode(value)


def test_decoded_values_are_copies():
    value = {"list": [1, {"a": 2}]}
    found = decode(encode(value))
    found["list"][1]["a"] = 3
    assert value == {"list": [1, {"a": 2}]}


def test_large_values_go_to_blobs_once(tmp_path: Path):
    blobs = Blobs(tmp_path / "blobs")
    assert not blobs.folder.exists(), "made at the first write"
    text, data = "ä\ud800" * 40_000, b"\xff" * 70_000
    tree = encode({"t": text, "d": data, "again": text}, blobs)
    assert len(json.dumps(tree)) < 600
    assert len(list(blobs.folder.iterdir())) == 2
    assert decode(tree, blobs) == {"t": text, "d": data, "again": text}
    assert decode(tree)["t"]["$blob"] == tree["t"]["$blob"], "left alone where nobody has the blobs"
    for blob in blobs.folder.iterdir():
        blob.unlink()
    with pytest.raises(JournalFault, match="is missing from"):
        decode(tree, blobs)


def test_blobs_that_cannot_be_written_are_a_fault(tmp_path: Path):
    (tmp_path / "blobs").write_text("a file is in the way")
    with pytest.raises(JournalFault, match="cannot write"):
        Blobs(tmp_path / "blobs").put(b"x")


@pytest.mark.parametrize("tree", [{"$new": 1}, {"$record": "NoSuchRecord", "fields": {}}])
def test_unknown_tags_are_a_fault(tree):
    with pytest.raises(JournalFault):
        decode(tree)


def test_equal_values_have_one_canonical_text():
    assert canonical({"b": 1, "a": [1, "ä"]}) == '{"a":[1,"\\u00e4"],"b":1}'
    assert digest({"b": 1, "a": 2}) == digest({"a": 2, "b": 1}) != digest({"a": 2, "b": 1.0})


def test_records_are_frozen_dataclasses_with_a_name_of_their_own():
    with pytest.raises(TypeError, match="frozen"):

        @record
        @dataclass
        class Loose:
            x: int = 0

    with pytest.raises(TypeError, match="two records are called Usage"):
        record(dataclass(frozen=True)(type("Usage", (), {"__annotations__": {}})))


@given(st.datetimes(timezones=ZONES))
def test_moments_survive_as_microseconds(moment):
    found = from_micros(to_micros(moment))
    assert found == (moment if moment.tzinfo else moment.replace(tzinfo=UTC))
