from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from terrarium.core.errors import ModelFault, ModelRefused
from terrarium.model.pace import Pace
from terrarium.model.retry import Failure, Kind, RetryPolicy, persist

AT_ONCE = RetryPolicy(retries=3, min_wait=0.0, max_wait=0.0)


class Broke(Exception):
    def __init__(self, kind: Kind, after: float | None = None) -> None:
        super().__init__(kind)
        self.failure = Failure(kind, f"it was {kind}", after, "500")


def _classify(error: Exception) -> Failure | None:
    return error.failure if isinstance(error, Broke) else None


def _sends(*outcomes: Any) -> Callable[[], Any]:
    left = list(outcomes)

    async def send() -> Any:
        outcome = left.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return send


def _persist(*outcomes: Any, policy: RetryPolicy = AT_ONCE) -> Any:
    return asyncio.run(persist(_sends(*outcomes), _classify, policy, Pace(), "m"))


def test_what_fails_in_passing_is_sent_again_and_counted_by_kind() -> None:
    got = _persist(Broke("rate_limit"), Broke("server"), Broke("rate_limit"), "answer")
    assert got == ("answer", {"rate_limit": 2, "server": 1})


def test_what_is_refused_is_not_sent_again() -> None:
    with pytest.raises(ModelRefused, match="it was refused") as caught:
        _persist(Broke("refused"), "never asked")
    assert caught.value.code == "500"


def test_there_is_an_end_to_it() -> None:
    with pytest.raises(ModelFault, match="no answer in 4 requests; the last: it was stalled"):
        _persist(*[Broke("stalled") for _ in range(4)], "too late")


def test_what_the_provider_did_not_do_is_raised_as_it_is() -> None:
    with pytest.raises(KeyError):
        _persist(KeyError("ours"), "never")


def test_the_provider_says_how_long_to_wait_within_bounds() -> None:
    policy = RetryPolicy(min_wait=1, max_wait=8)
    assert policy.wait(1, Failure("rate_limit", "", retry_after=5)) == 5
    assert policy.wait(1, Failure("rate_limit", "", retry_after=1e9)) == 80
    assert policy.wait(1, Failure("rate_limit", "", retry_after=-3)) == 0
    assert 1 <= policy.wait(1, Failure("server", "")) <= 4 / 3
    assert 8 <= policy.wait(30, Failure("server", "")) <= 8 * 4 / 3


def test_nobody_waits_longer_than_there_is_patience() -> None:
    with pytest.raises(ModelFault, match="no answer in 1 requests"):
        _persist(Broke("rate_limit", 200.0), "too late", policy=RetryPolicy(patience=100))
