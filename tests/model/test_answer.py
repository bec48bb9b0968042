from __future__ import annotations

import pytest

from terrarium.model.answer import retry_after

GOOGLE = {"details": [{"@type": "x"}, {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}]}


@pytest.mark.parametrize(
    ("headers", "error", "seconds"),
    [
        ({"retry-after-ms": "1500", "retry-after": "9"}, None, 1.5),
        ({"retry-after": "7"}, GOOGLE, 7.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, None, 0.0),
        ({"retry-after": "soon"}, None, None),
        ({"retry-after": "-3"}, None, None),
        ({"retry-after": "nan"}, None, None),
        ({}, GOOGLE, 34.5),
        ({}, {"details": "soon"}, None),
        ({}, "no table", None),
    ],
)
def test_how_long_to_wait_is_read_in_every_form(headers: dict[str, str], error: object, seconds: float | None) -> None:
    assert retry_after(headers, error) == seconds


def test_a_date_is_a_time_from_now() -> None:
    assert (retry_after({"retry-after": "Fri, 21 Oct 2112 07:28:00 GMT"}) or 0) > 1e9
