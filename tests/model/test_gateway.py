"""The gateway: every API in front of any model, and who may ask."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import httpx
import pytest

from terrarium.core.agent import StopReason
from terrarium.core.message import Usage
from tests.model.gateway_agent import Client, Scenario, completions, play_with

# -- any API in front of any model --------------------------------------------------------------------------------

TOOL = {"type": "object", "properties": {"where": {"type": "string"}}}


async def by_anthropic(client: Client) -> None:
    import anthropic

    async with anthropic.AsyncAnthropic(base_url=client.url, auth_token=client.token, api_key=None) as sdk:
        asked: Any = {
            "model": "m",
            "max_tokens": 100,
            "system": "be kind",
            "messages": [{"role": "user", "content": "hi"}],
            "tools": [{"name": "look", "input_schema": TOOL}],
        }
        whole = await sdk.messages.create(**asked)
        async with sdk.messages.stream(**asked) as stream:
            streamed = await stream.get_final_message()
    for answer in (whole, streamed):
        said = {block.type: block for block in answer.content}
        assert said["text"].text == "Grüße \x1b[31m"
        assert said["tool_use"].input == {"where": "here"}
        assert answer.stop_reason == "tool_use"


async def by_chat(client: Client) -> None:
    import openai

    async with openai.AsyncOpenAI(base_url=f"{client.url}/v1", api_key=client.token) as sdk:
        asked: Any = {
            "model": "m",
            "messages": [{"role": "system", "content": "be kind"}, {"role": "user", "content": "hi"}],
            "tools": [{"type": "function", "function": {"name": "look", "parameters": TOOL}}],
        }
        whole = (await sdk.chat.completions.create(**asked)).choices[0].message
        assert whole.content == "Grüße \x1b[31m"
        assert json.loads(whole.tool_calls[0].function.arguments) == {"where": "here"}
        text = ""
        async for chunk in await sdk.chat.completions.create(stream=True, **asked):
            text += "".join(choice.delta.content or "" for choice in chunk.choices)
        assert text == "Grüße \x1b[31m"


async def by_responses(client: Client) -> None:
    import openai

    async with openai.AsyncOpenAI(base_url=f"{client.url}/v1", api_key=client.token) as sdk:
        asked: Any = {
            "model": "m",
            "instructions": "be kind",
            "input": "hi",
            "tools": [{"type": "function", "name": "look", "parameters": TOOL, "strict": False}],
        }
        whole = await sdk.responses.create(**asked)
        assert whole.output_text == "Grüße \x1b[31m"
        kinds = [event.type async for event in await sdk.responses.create(stream=True, **asked)]
        assert kinds[-1] == "response.completed"


async def by_google(client: Client) -> None:
    from google import genai
    from google.genai import types

    options = types.HttpOptions(base_url=client.url)
    sdk = genai.Client(api_key=client.token, http_options=options)
    try:
        config = types.GenerateContentConfig(
            system_instruction="be kind",
            tools=[types.Tool(function_declarations=[{"name": "look", "parameters_json_schema": TOOL}])],
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        )
        asked: Any = {"model": "m", "contents": "hi", "config": config}
        whole = await sdk.aio.models.generate_content(**asked)
        assert whole.function_calls[0].args == {"where": "here"}
        text = ""
        async for chunk in await sdk.aio.models.generate_content_stream(**asked):
            text += "".join(part.text or "" for part in chunk.parts or [] if not part.thought)
        assert text == "Grüße \x1b[31m"
    finally:
        await sdk.aio.aclose()


@pytest.mark.parametrize("scenario", [by_anthropic, by_chat, by_responses, by_google], ids=lambda one: one.__name__)
def test_programs_of_every_provider_have_the_same_answers(play: Any, scenario: Scenario) -> None:
    asked: list[Any] = []

    async def go(client: Client) -> None:
        await scenario(client)
        asked.extend(client.model.asked)

    played = play_with(play, go)
    assert played.said == ["stop completed"]
    done = completions(played)
    assert [one.usage for one in done] == [Usage(12, 5, 3)] * 2
    assert all(len(one.request) == 64 for one in done)
    for messages, tools in asked:
        assert [(one.role, one.text) for one in messages] == [("system", "be kind"), ("user", "hi")]
        assert [tool.name for tool in tools] == ["look"]


def test_what_else_programs_ask_for(play: Any) -> None:
    async def go(client: Client) -> None:
        assert (await client.http.get("/v1/models")).json()["data"][0]["id"] == "m"
        assert (await client.http.get("/v1/models/m")).json()["id"] == "m"
        assert (await client.http.get("/v1beta/models")).json()["models"][0]["name"] == "models/m"
        assert (await client.ask("/v1/messages/count_tokens")).json()["input_tokens"] > 5
        assert (await client.http.head("/")).status_code == 200
        assert (await client.ask("/v1/embeddings")).status_code == 404
        assert (await client.http.get("/v1/messages")).status_code == 405
        assert client.model.asked == []

    assert play_with(play, go).said == ["stop completed"]


# -- who may ask --------------------------------------------------------------------------------------------------


def test_only_the_trials_own_token_opens_it(play: Any) -> None:
    async def go(client: Client) -> None:
        body = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}
        for token, status in ((client.token, 200), ("-", 401), ("terrarium-" + "0" * 48, 401), ("ü", 401)):
            shown: list[dict[str, Any]] = [
                {"headers": {"authorization": f"Bearer {token}".encode()}},
                {"headers": {"x-api-key": token.encode()}},
                {"headers": {"x-goog-api-key": token.encode()}},
                {"params": {"key": token}},
            ]
            async with httpx.AsyncClient(base_url=client.url) as http:
                for way in shown:
                    assert (await http.post("/v1/messages", json=body, **way)).status_code == status
        assert len(client.model.asked) == 4

    assert play_with(play, go).said == ["stop completed"]


def test_a_token_is_worth_nothing_in_another_agents_sandbox(play: Any) -> None:
    async def go(client: Client) -> None:
        answer = await client.ask()
        assert answer.status_code == 401
        assert answer.json()["error"]["message"]

    played = play_with(play, go, caller="somebody")
    assert played.said == ["stop completed"]
    assert played.events("step") == []


def test_between_turns_nobody_is_answered(play: Any) -> None:
    async def go(client: Client) -> None:
        assert (await client.ask()).status_code == 200
        await client.gateway.settle()
        answer = await client.ask()
        assert answer.status_code == 400
        assert "no turn" in answer.json()["error"]["message"]

    assert len(play_with(play, go).events("step")) == 1


def test_the_end_of_a_turn_waits_for_requests_and_not_for_connections(play: Any) -> None:
    async def go(client: Client) -> None:
        asking = asyncio.ensure_future(client.ask())
        while not client.model.asked:
            await asyncio.sleep(0.01)
        settling = asyncio.ensure_future(client.gateway.settle())
        await asyncio.sleep(0.05)
        assert not settling.done()
        client.model.met.set()
        async with asyncio.timeout(20):
            await settling
        assert (await asking).status_code == 200
        assert (await client.ask()).status_code == 400

    assert len(play_with(play, go, "Together/alone").events("step")) == 1


def test_a_turn_that_is_given_up_has_no_step_of_what_was_under_way(play: Any) -> None:
    async def go(client: Client) -> None:
        asking = asyncio.ensure_future(client.ask())
        while not client.model.asked:
            await asyncio.sleep(0.01)
        client.gateway.abandon()
        with pytest.raises(httpx.HTTPError):
            await asking

    played = play_with(play, go, "Together/never")
    assert played.said == ["stop completed"]
    assert played.events("step") == []


# -- limits and time ----------------------------------------------------------------------------------------------


def test_a_limit_is_told_in_the_words_of_the_api_and_ends_the_turn(play: Any) -> None:
    async def go(client: Client) -> None:
        assert [(await client.ask()).status_code for _ in range(4)] == [200, 200, 400, 400]
        answer = await client.ask()
        assert answer.json()["type"] == "error"
        assert StopReason.STEP_LIMIT.value in answer.json()["error"]["message"]
        async with asyncio.timeout(5):
            await client.gateway.ended()

    played = play_with(play, go, limits={"steps": 2})
    assert played.said == ["stop step_limit"]
    assert len(played.events("step")) == 2


def test_requests_that_overlap_are_charged_once(play: Any) -> None:
    elapsed: list[float] = []

    async def go(client: Client) -> None:
        began = asyncio.get_running_loop().time()
        await asyncio.gather(client.ask(), client.ask())
        elapsed.append(asyncio.get_running_loop().time() - began)

    played = play_with(play, go, "Together/m")
    costs = [event.data["cost"][1] for event in played.events("step")]
    assert len(costs) == 2
    assert 0.2e6 <= sum(costs) <= elapsed[0] * 1e6


def test_what_is_due_happens_before_a_request_goes_on(play: Any) -> None:
    async def go(client: Client) -> None:
        await client.ask()
        await asyncio.sleep(0.05)
        await client.ask()

    source = """
    @entry()
    def errand(env, agent):
        env.after(0.000001, lambda: env.reward("fired", 0))
        agent.act("go")
        return run_checkers({"done": lambda: True})
    """
    played = play_with(play, go, source=source)
    assert played.error is None
    kinds = [event.kind for event in played.events("step", "fired")]
    assert kinds.index("fired") < max(place for place, kind in enumerate(kinds) if kind == "step")


# -- hostile programs ---------------------------------------------------------------------------------------------


def test_requests_that_are_none_are_refused_and_nothing_is_asked(play: Any) -> None:
    async def go(client: Client) -> None:
        deep = b'{"messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
        for body in (b"", b"{", b"[]", b"\xff\xfe", b"nul", b'{"messages": 7}', deep):
            answer = await client.http.post("/v1/messages", content=body)
            assert answer.status_code == 400, body[:20]
            assert answer.json()["type"] == "error"
        with contextlib.suppress(httpx.HTTPError):
            answer = await client.http.post("/v1/messages", content=b" " * (33 << 20))
            assert answer.status_code == 413
        assert client.model.asked == []
        assert (await client.ask()).status_code == 200

    assert play_with(play, go).said == ["stop completed"]
