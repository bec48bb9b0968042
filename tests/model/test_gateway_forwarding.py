"""Requests that a gateway sends on to a provider as they are, and what becomes of answers that go wrong."""

from __future__ import annotations

import contextlib
from typing import Any

import httpx
import pytest

from terrarium.core.message import Usage
from tests.model.gateway_agent import END, START, Client, completions, piece, play_with

# -- sent on to a provider ----------------------------------------------------------------------------------------


def test_a_request_of_the_providers_own_api_is_sent_on_and_its_stream_comes_as_it_comes(play: Any) -> None:
    sent: list[Any] = []

    async def go(client: Client) -> None:
        body = {"model": "small", "stream": True, "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
        headers = {"anthropic-beta": "x-1", "authorization": f"Bearer {client.token}", "cookie": "c"}
        received = b""
        query = f"beta=true&key={client.token}"
        async with client.http.stream("POST", f"/v1/messages?{query}", json=body, headers=headers) as answer:
            assert answer.headers["content-type"] == "text/event-stream"
            async for chunk in answer.aiter_bytes():
                received += chunk
                client.model.seen.set()  # without the first piece the second never comes
        assert received.decode() == START + piece("one") + piece(" two") + END
        sent.extend(client.model.sent)

    played = play_with(play, go, "Provider/stepwise")
    [done] = completions(played)
    assert done.message.text == "one two"
    assert done.usage == Usage(7, 4)
    [(body, path, headers)] = sent
    assert body["messages"] == [{"role": "user", "content": "hi"}]
    assert path == "/v1/messages?beta=true"
    assert headers.keys() == {"anthropic-beta"}


def test_who_hangs_up_in_the_middle_of_a_stream_has_taken_a_step(play: Any) -> None:
    async def go(client: Client) -> None:
        with contextlib.suppress(httpx.HTTPError):
            async with client.http.stream("POST", "/v1/messages", json=STREAMED) as answer:
                async for _ in answer.aiter_bytes():
                    break

    played = play_with(play, go, "Provider/endless")
    [done] = completions(played)
    assert done.stop == "other"
    assert done.message.text.startswith("one")


STREAMED = {"model": "m", "stream": True, "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize(
    ("model", "told"),
    [("breaking", "the line broke"), ("cut", "ModelFault"), ("endless", "over 32 MiB"), ("deep", "cannot be read")],
)
def test_an_answer_that_goes_wrong_is_an_outage(play: Any, model: str, told: str) -> None:
    async def go(client: Client) -> None:
        with contextlib.suppress(httpx.HTTPError):
            async with client.http.stream("POST", "/v1/messages", json=STREAMED) as answer:
                async for _ in answer.aiter_bytes():
                    pass

    played = play_with(play, go, f"Provider/{model}")
    assert "ModelFault" in played.error
    assert told in played.error
    assert played.result.verdict.reward is None
    assert played.events("step") == []


@pytest.mark.parametrize(("model", "status", "kind"), [("busy", 429, "ModelFault"), ("toolong", 400, "ModelRefused")])
def test_errors_of_the_provider_reach_the_program(play: Any, model: str, status: int, kind: str) -> None:
    async def go(client: Client) -> None:
        answer = await client.ask()
        assert answer.status_code == status
        assert model in answer.text

    played = play_with(play, go, f"Provider/{model}")
    assert played.error.startswith(kind)


@pytest.mark.parametrize("model", ["Provider/unknown", "Failing/m"])
def test_what_is_said_of_the_engines_own_key_stays_outside(play: Any, model: str) -> None:
    async def go(client: Client) -> None:
        answer = await client.ask()
        assert answer.status_code in (400, 502)
        assert answer.headers["x-should-retry"] == "false"
        assert "sk-fake" not in answer.text

    assert "Model" in play_with(play, go, model).error


def test_an_outage_that_passes_is_none(play: Any) -> None:
    async def go(client: Client) -> None:
        client.model.name = "busy"
        assert (await client.ask()).status_code == 429
        client.model.name = "fine"
        assert (await client.ask(stream=True)).status_code == 200

    assert play_with(play, go, "Provider/fine").said == ["stop completed"]
