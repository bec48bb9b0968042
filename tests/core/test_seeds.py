"""Child seeds and named random streams."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from terrarium.core.seeds import Rng, child_seed


def test_child_seeds_are_the_same_on_every_machine():
    assert child_seed(0) == 0x5FECEB66FFC86F38
    assert child_seed(0, "a", 1) == child_seed(0, "a", "1")
    assert len({child_seed(seed, name) for seed in range(20) for name in "abc"}) == 60


def test_streams_do_not_disturb_each_other():
    alone, busy = Rng(3), Rng(3)
    expected = [alone.stream("mail").random() for _ in range(5)]
    found = []
    for _ in range(5):
        busy.stream("other").random()
        busy.token("third")
        found.append(busy.stream("mail").random())
    assert found == expected


@given(st.lists(st.sampled_from(["random", "gauss", "token", "uuid"]), max_size=6), st.integers(0, 3))
def test_saved_streams_go_on_where_they_were(draws, seed):
    rng = Rng(seed)
    for draw in draws:
        getattr(rng, draw)("a") if draw in ("token", "uuid") else getattr(rng.stream("a"), draw)()
    copy = Rng(seed)
    copy.stream("forgotten").random()
    copy.load(json.loads(json.dumps(rng.save())))
    assert copy.save() == rng.save()
    for one in (rng.stream("a"), rng.stream("new")):
        other = copy.stream("a" if one is rng.stream("a") else "new")
        assert [one.gauss(0, 1) for _ in range(3)] == [other.gauss(0, 1) for _ in range(3)]


def test_tokens_and_uuids_have_their_form():
    rng = Rng(1)
    assert len(rng.token("t", 16)) == 16
    assert int(rng.token("t"), 16) >= 0
    assert rng.uuid("u").version == 4
