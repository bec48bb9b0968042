"""Two journals held against each other: what counts, what does not, and what is shown of it."""

from __future__ import annotations

from typing import Any

import pytest

from terrarium.run.difference import CONTEXT, first_broken_promise, first_difference, warnings

NOON = 1_894_017_600_000_000


def line(seq: int, kind: str, actor: str = "task", **data: Any) -> dict[str, Any]:
    return {"seq": seq, "kind": kind, "actor": actor, "time": NOON, "cause": None, "data": data, "wall": {"at": seq}}


def journal(*lines: tuple[Any, ...]) -> list[dict[str, Any]]:
    header = line(1, "header", "world", seed=1, agent={"name": "oracle"}, versions={"python": "3"})
    return [header, *(line(seq, kind, actor, **data) for seq, (kind, actor, data) in enumerate(lines, 2))]


CALLS = journal(*(("call", "task", {"path": f"env.{number}"}) for number in range(9)))


def test_equal_journals_differ_in_wall_alone():
    again = [{**one, "wall": {"at": 99.5, "pid": 7}} for one in CALLS]
    assert first_difference(CALLS, again) is None
    assert first_broken_promise(CALLS, again) is None


def test_one_that_ends_early_is_different_where_it_ends():
    for recorded, replayed in ((CALLS, CALLS[:-1]), (CALLS[:-1], CALLS)):
        found = first_difference(recorded, replayed)
        assert found.event == 10
        assert (found.recorded is None) == (len(recorded) == 9)
        assert (found.replayed is None) == (len(recorded) == 10)
        assert "has ended" in found.text()
        assert len(found.before) == CONTEXT


@pytest.mark.parametrize("key", ["kind", "actor", "time", "cause", "seen_by", "seq"])
def test_every_part_of_an_event_counts(key):
    found = first_difference(CALLS, [*CALLS[:5], {**CALLS[5], key: 7 if key in ("time", "seq") else "x"}, *CALLS[6:]])
    assert (found.event, found.fields[0].place) == (6, key)


def test_timing_does_not_count():
    one, other = (
        journal(("stop", "world", {"reason": "completed", "timing": "measured"})),
        journal(("stop", "world", {"reason": "completed"})),
    )
    assert first_difference(one, other) is None


@pytest.mark.parametrize(
    ("masked", "text", "equal"),
    [
        ("[secret]", "sk-1", True),
        ("a [secret] b", "a sk-1 b", True),
        ("a [secret] b [secret]", "a x b y", True),
        ("a [secret] b", "a  b", False),
        ("a [secret] b", "a sk-1 c", False),
        ("a [secret] b [secret]", "a x c y", False),
        ("[secret]a[secret]", "aa", False),
    ],
)
def test_a_mask_is_equal_to_whatever_stands_in_its_place(masked, text, equal):
    one, other = (journal(("call", "task", {"args": {"key": value}})) for value in (masked, text))
    assert (first_difference(one, other) is None) == equal
    assert (first_difference(other, one) is None) == equal


def promised(detail: str = "", rows: str = "0", stop: str = "completed", text: str = "done") -> list[dict[str, Any]]:
    check = {"name": "c", "passed": True, "detail": detail}
    return journal(
        ("turn", "ann", {"state": "begin", "number": 1, "instruction": "go"}),
        ("tool_result", "ann", {"result": detail}),
        ("turn", "ann", {"state": "end", "number": 1, "stop": stop, "text": text}),
        ("snapshot", "world", {"rows": {"notes": rows}}),
        ("check", "world", check),
        ("verdict", "world", {"verdict": {"checks": [check], "reward": 1}}),
    )


def test_what_is_promised_is_rows_replies_and_verdict_and_not_words_on_the_way():
    assert first_broken_promise(promised(), promised("1.2.3")) is None
    assert first_difference(promised(), promised("1.2.3")).kind == "tool_result"
    assert first_broken_promise(promised(), promised(rows="1")).fields[0].place == "rows.notes"
    assert first_broken_promise(promised(), promised(rows="1"), rows=False) is None
    assert first_broken_promise(promised(), promised(text="undone")).fields[0].place == "text"
    assert first_broken_promise(promised(), promised(stop="step_limit")).kind == "turn"


def test_turns_of_several_agents_may_overlap_in_another_way():
    begins = [("turn", name, {"state": "begin", "number": n, "instruction": "go"}) for n, name in enumerate("ab", 1)]
    assert first_broken_promise(journal(*begins), journal(*reversed(begins))) is None
    assert first_difference(journal(*begins), journal(*reversed(begins))) is not None


def test_what_decides_nothing_is_a_warning():
    one = {"seed": 1, "task": {"name": "x", "digest": "a"}, "versions": {"python": "3.11"}, "trial": "t", "new": 1}
    other = {"seed": 2, "task": {"name": "y", "digest": "b"}, "versions": {"python": "3.12"}, "trial": "u", "new": 1}
    assert list(warnings(one, other)) == [
        "python: 3.11 then, 3.12 now",
        'task.digest was "a" and is now "b"',
    ]
