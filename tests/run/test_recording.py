"""A journal that does not tell of a whole trial is refused with a reason, and left as it is."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from recorded_trial import BUSY, again, edit, nth, thinking

from terrarium.core.errors import NotReplayable

JUNK = [None, True, -1, 10**30, 1.5, "", "x", [], {}, {"$blob": "0" * 64, "of": "str", "size": 1}, {"$datetime": "x"}]
JUNK += [{"$record": "Nope", "fields": {}}, [[]]]


@pytest.fixture
def one(play: Any) -> Any:
    return play(BUSY.format(limits={}), thinking(), snapshot="auto")


def without_answer_blob(played: Any) -> None:
    edit(
        played, lambda lines: nth(lines, "model")["data"].update(completion={"$blob": "0" * 64, "of": "str", "size": 9})
    )


@pytest.mark.parametrize(
    ("spoil", "code", "told"),
    [
        (lambda p: p.journal.write_bytes(p.journal.read_bytes()[:-3]), "unfinished", "or the end is lost"),
        (lambda p: edit(p, lambda lines: lines[:20]), "unfinished", "it ends with event 20"),
        (
            lambda p: edit(p, lambda lines: [*lines[:8], lines[9], lines[8], *lines[10:]]),
            "damaged",
            "9 to 9 are missing",
        ),
        (lambda p: edit(p, lambda lines: [*lines[:9], lines[3], *lines[9:]]), "damaged", "are not in order"),
        (lambda p: edit(p, lambda lines: [*lines[:9], *lines[12:]]), "damaged", "events 10 to 12 are missing"),
        (lambda p: edit(p, lambda lines: lines[1:]), "damaged", "events 1 to 1 are missing"),
        (lambda p: edit(p, lambda lines: lines[0].update(kind="turn")), "no-header", "does not begin with a header"),
        (lambda p: edit(p, lambda lines: lines[0]["data"].update(schema=99)), "schema", "it is of schema 99"),
        (lambda p: edit(p, lambda lines: lines[0]["data"].update(task=None)), "no-header", "does not say what was run"),
        (lambda p: edit(p, lambda lines: lines[-1]["data"].clear()), "damaged", "its verdict is none"),
        (lambda p: p.journal.write_bytes(b""), "no-header", "does not begin with a header"),
        (lambda p: p.journal.write_bytes(b"\x00\xff\n" * 9), "damaged", "line 1 is damaged"),
        (lambda p: p.journal.write_bytes(b"[]\n[]\n"), "damaged", "line 1 is damaged"),
        (without_answer_blob, "blob-missing", "blob 000000000000 is missing"),
        (lambda p: p.task.unlink(), "task-missing", "say where it is with --task"),
        (lambda p: p.write("1 / 0"), "task-broken", "ZeroDivisionError"),
        (lambda p: p.write("x = 1"), "task-broken", "has no task"),
    ],
)
def test_what_cannot_be_replayed_says_why_and_is_left_alone(one, spoil, code, told):
    spoil(one)
    with pytest.raises(NotReplayable, match=told) as caught:
        again(one)
    assert caught.value.code == code


def places(tree: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if at:
        yield at
    inside = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in inside:
        yield from places(value, (*at, key))


@pytest.mark.parametrize("start", [0, pytest.param(1, marks=pytest.mark.soak)])
def test_whatever_is_wrong_in_a_journal_it_is_refused_or_different_and_never_a_crash(play, start):
    one = play(BUSY.format(limits={"model_cost": "measured"}), thinking())
    whole = one.journal.read_bytes()
    for seed in range(start * 40, 40 + start * 500):
        rng, lines = random.Random(seed), [json.loads(line) for line in whole.splitlines()]
        line = rng.choice(lines)
        *way, last = rng.choice(list(places({key: value for key, value in line.items() if key != "wall"})))
        node: Any = line
        for key in way:
            node = node[key]
        was = node[last]
        if rng.random() < 0.3:
            del node[last]
        else:
            node[last] = rng.choice(JUNK)
        edit(one, lambda _, lines=lines: lines)
        reason, text = outcome(one, rng.random() < 0.3)
        assert reason or text, (seed, was)


def outcome(trial: Any, played: bool) -> tuple[str | None, str]:
    """Why it cannot be replayed, or what the replay came to."""
    try:
        done = again(trial, played=played)
    except NotReplayable as error:
        return error.code, ""
    return None, "identical" if done.difference is None else done.difference.text()
