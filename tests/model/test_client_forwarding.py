"""Requests that a client sends on in their own format."""

from __future__ import annotations

import asyncio
import json
import os

import pytest

from terrarium.core.errors import ModelFault
from tests.model.client_case import (
    EACH,
    HELLO,
    TOOLS,
    forwarded,
    key_name,
    run,
    sent_on,
    served,
)


@EACH
@pytest.mark.parametrize("stream", [True, False])
def test_a_request_is_sent_on_for_the_own_model_with_the_own_key(kind, stream):
    key = os.environ[key_name(kind)]

    async def test():
        async with served(kind, "500,at=1", key=key) as (model, server):
            return *await sent_on(model, *forwarded(kind, stream)), server.requests

    answer, data, requests = run(test)
    assert [request.status for request in requests] == [500, 200]
    assert requests[1].asked.model == "m-1"
    assert requests[1].headers["x-said"] == "1"
    assert requests[1].asked.usage or not stream
    assert answer.status == 200
    assert answer.media_type == ("text/event-stream" if stream else "application/json")
    assert b"Good" in data


@EACH
def test_an_error_is_an_answer_when_it_is_sent_on(kind):
    async def test(fault: str, times: int) -> None:
        async with served(kind, fault, retries=1) as (model, server):
            answer, data = await sent_on(model, *forwarded(kind))
            assert answer.status == int(fault[:3])
            assert json.loads(data)["error"]["message"] == f"this is fault {fault[:3]}, as the server was told"
            assert len(server.requests) == times

    for fault, times in (("400", 1), ("503", 2), ("429,after=0", 2)):
        run(lambda fault=fault, times=times: test(fault, times))


@EACH
def test_an_answer_that_breaks_off_while_it_is_sent_on(kind):
    async def test(fault: str) -> None:
        async with served(kind, fault, stall=0.2) as (model, _):
            with pytest.raises(ModelFault, match="broke off"):
                await sent_on(model, *forwarded(kind))

    for fault in ("truncated", "stall"):
        run(lambda fault=fault: test(fault))


@EACH
def test_what_is_sent_on_keeps_its_place_until_it_was_read(kind):
    async def test():
        async with served(kind, at_once=1) as (model, server):
            async with model.forward(*forwarded(kind, True), {}) as answer:
                other = asyncio.ensure_future(model.generate(HELLO, TOOLS))
                await asyncio.sleep(0.05)
                before = len(server.requests)
                assert b"".join([chunk async for chunk in answer.chunks])
            await other
            return before, len(server.requests)

    assert run(test) == (1, 2)


@EACH
def test_many_ask_at_once_and_no_more_than_may(kind):
    async def test():
        async with served(kind, at_once=3) as (model, server):
            under_way: list[int] = []

            async def one() -> None:
                await model.generate(HELLO, TOOLS)
                under_way.append(model._pace._under_way)

            await asyncio.gather(*(one() for _ in range(12)))
            return len(server.requests), max(under_way)

    requests, most = run(test)
    assert requests == 12
    assert most <= 3
