"""World time, spans and moments as people write them, and the schedule."""

from __future__ import annotations

import json
from collections import deque
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terrarium.core.clock import START, Clock, Costs, Schedule, moment_micros, span_micros, zone_named
from terrarium.core.errors import ConfigError, Refused
from terrarium.core.values import from_micros, to_micros

NOW = to_micros(START)


@pytest.mark.parametrize(
    ("span", "seconds"),
    [("30s", 30), ("1h30m", 5400), ("1h 30m", 5400), ("2d", 172800), ("1.5m", 90), ("250ms", 0.25), ("1w", 604800),
     (2, 2), (0.5, 0.5), (0, 0), (timedelta(minutes=1), 60), ("7us", 7e-6)],
)  # fmt: skip
def test_spans(span, seconds):
    assert span_micros(span) == round(seconds * 10**6)


@pytest.mark.parametrize(
    "span", ["", "soon", "5", "-5s", "5s later", "1e3s", -1, -0.5, float("nan"), float("inf"), 10**20, "9" * 400 + "d",
             timedelta(seconds=-1), None, True, [], {}],
)  # fmt: skip
def test_bad_spans_are_refused(span):
    with pytest.raises(Refused):
        span_micros(span)


@pytest.mark.parametrize(
    ("moment", "iso"),
    [
        ("09:00", "2030-01-07T09:00:00"),
        ("09:00:01", "2030-01-07T09:00:01"),
        ("8:59", "2030-01-08T08:59:00"),
        ("2030-02-01", "2030-02-01T00:00:00"),
        ("2030-02-01T10:00:00+02:00", "2030-02-01T08:00:00"),
        ("2030-02-01T10:00:00Z", "2030-02-01T10:00:00"),
        (datetime(2031, 1, 1), "2031-01-01T00:00:00"),
        (datetime(2031, 1, 1, tzinfo=timezone(timedelta(hours=-1))), "2031-01-01T01:00:00"),
    ],
)
def test_moments(moment, iso):
    assert from_micros(moment_micros(moment, NOW)) == datetime.fromisoformat(iso).replace(tzinfo=UTC)


@pytest.mark.parametrize("moment", ["", "noon", "25:00", "10:60", "2030-13-01", 5, None, timedelta(1)])
def test_bad_moments_are_refused(moment):
    with pytest.raises(Refused):
        moment_micros(moment, NOW)


def test_the_clock_never_runs_backwards():
    clock = Clock()
    assert clock.now == START
    clock.move(NOW + 5)
    clock.move(NOW)
    assert clock.micros == NOW + 5
    assert Clock(datetime(2031, 1, 1), Costs(1, 2, 3)).costs.tool == 2


ACTIONS = st.lists(
    st.tuples(st.just("add"), st.integers(0, 20), st.none() | st.integers(1, 7), st.none() | st.integers(0, 30))
    | st.tuples(st.just("cancel"), st.integers(0, 12))
    | st.tuples(st.just("take"), st.integers(0, 40))
    | st.tuples(st.just("reload")),
    max_size=40,
)


@given(ACTIONS)
def test_the_schedule_agrees_with_a_sorted_list(actions):
    schedule, model, order, number = Schedule(), [], 0, 0
    for action in actions:
        if action[0] == "add":
            number += 1
            _, time, period, until = action
            schedule.add(number, time, period, until)
            if until is None or time <= until:
                order += 1
                model.append((time, order, number, period, until))
        elif action[0] == "cancel":
            known = [entry for entry in model if entry[2] == action[1]]
            assert schedule.cancel(action[1]) == bool(known)
            model = [entry for entry in model if entry[2] != action[1]]
        elif action[0] == "reload":
            saved = json.loads(json.dumps(schedule.save()))
            schedule = Schedule()
            schedule.load(saved)
        else:
            due = min(model, default=None)
            taken = schedule.take(action[1])
            if due is None or due[0] > action[1]:
                assert taken is None
            else:
                assert taken is not None
                assert (taken.time, taken.order, taken.number) == due[:3]
                model.remove(due)
                time, _, which, period, until = due
                if period is not None and (until is None or time + period <= until):
                    order += 1
                    model.append((time + period, order, which, period, until))
        assert len(schedule) == len(model)
        assert schedule.due() == min((entry[0] for entry in model), default=None)


def test_a_period_of_zero_is_an_error():
    with pytest.raises(ConfigError):
        Schedule().add(1, 0, period=0)


BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("moment", "utc"),
    [
        ("2030-01-07T09:00", "2030-01-07T08:00"),
        ("2030-07-07T09:00", "2030-07-07T07:00"),
        ("2030-03-31T02:30", "2030-03-31T01:30"),  # skipped: clocks go from 02:00 to 03:00
        ("2030-10-27T02:30", "2030-10-27T00:30"),  # comes twice: the first is meant
        ("2030-10-27T02:30+01:00", "2030-10-27T01:30"),
        (datetime(2030, 7, 7, 9), "2030-07-07T07:00"),
        (datetime(2030, 7, 7, 9, tzinfo=UTC), "2030-07-07T09:00"),
    ],
)
def test_a_moment_without_an_offset_is_time_in_the_zone(moment, utc):
    assert from_micros(moment_micros(moment, 0, BERLIN)).isoformat() == f"{utc}:00+00:00"


def test_the_next_time_a_clock_shows_an_hour_across_a_change_of_clocks():
    evening = to_micros(datetime(2030, 3, 30, 21, tzinfo=BERLIN))
    found = from_micros(moment_micros("09:00", evening, BERLIN))
    assert found.isoformat() == "2030-03-31T07:00:00+00:00"


def test_a_zone_that_is_none():
    for name in ("Europe/Berlinn", "", "../etc/passwd", 3):
        with pytest.raises(ConfigError):
            zone_named(name)


def test_costs_are_fixed_measured_or_those_of_another_run():
    assert Costs(model=7).of("a", "model", 99.0) == (7, False)
    assert Costs(model=None).of("a", "model", 0.25) == (250_000, True)
    replayed = Costs(model=None, replayed={("a", "model"): deque([5, 6])})
    assert [replayed.of("a", "model", 99.0) for _ in range(2)] == [(5, True), (6, True)]
    with pytest.raises(ConfigError, match="no more costs"):
        replayed.of("a", "model", 99.0)
