"""Keys, addresses and settings of the clients."""

from __future__ import annotations

import json
import os

import pytest

from terrarium.core.errors import ConfigError, ModelRefused
from terrarium.core.model import Forwarding, Streaming, Structured
from terrarium.model.anthropic import AnthropicModel
from terrarium.model.google import GoogleModel
from tests.model.client_case import (
    CLIENTS,
    EACH,
    HELLO,
    JSON,
    TOOLS,
    answering,
    base,
    forwarded,
    key_name,
    run,
    sent_on,
    served,
)


@EACH
def test_without_a_key_it_says_which_variable_to_set(kind, monkeypatch):
    for name in (*kind._keys, kind._address):
        monkeypatch.delenv(name, raising=False)
    wanted = rf"set {key_name(kind)}.* in the environment or in \.env"
    with pytest.raises(ModelRefused, match=wanted):
        run(lambda: kind("m-1").generate(HELLO, []))
    with pytest.raises(ModelRefused, match=wanted):
        run(lambda: kind("m-1", base_url=kind._home + "/").generate(HELLO, []))
    with pytest.raises(ModelRefused, match="set MY_KEY in"):
        run(lambda: kind("m-1", base_url="http://127.0.0.1:9", variable="MY_KEY").generate(HELLO, []))

    async def test():
        async with served(kind) as (model, _):
            return await model.generate(HELLO, TOOLS)

    assert run(test).message.text  # a server of one's own needs none
    monkeypatch.setenv(key_name(kind), "schlüssel")
    with pytest.raises(ModelRefused, match="holds more than ASCII"):
        run(lambda: kind("m-1").generate(HELLO, []))


@EACH
def test_the_key_and_the_address_come_from_the_environment(kind, monkeypatch):
    async def test():
        async with served(kind, key="sk-other") as (_, server):
            monkeypatch.setenv(kind._address, server.url + base(kind))
            monkeypatch.setenv("OTHER", "sk-other")
            other = kind("m-2", variable="OTHER")
            completion = await other.generate(HELLO, TOOLS)
            await other.close()
            return completion.message.text, server.requests[0].asked.model

    assert run(test) == ("Good morning to everybody.", "m-2")


@EACH
def test_a_key_that_a_provider_quotes_is_masked(kind):
    key = os.environ[key_name(kind)]
    body = json.dumps({"error": {"message": f"invalid key {key}", "type": "authentication_error"}}).encode()

    async def test():
        async with answering(kind, (401, JSON, body)) as model:
            with pytest.raises(ModelRefused, match=r"invalid key \[secret\]") as told:
                await model.generate(HELLO, [])
            _, data = await sent_on(model, *forwarded(kind))
            return str(told.value), data

    told, data = run(test)
    assert key not in told
    assert key.encode() not in data
    assert b"[secret]" in data


@EACH
@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"stall": 0}, "stall is a number from"),
        ({"retries": "many"}, "retries is a number"),
        ({"retries": -1}, "retries is a number"),
        ({"at_once": 0}, "at_once is a number from 1"),
        ({"base_url": "localhost:80"}, "base_url begins with"),
        ({"price": "much"}, "price"),
        ({"reasoning": "hard"}, "reasoning is"),
        ({"temperatur": 1}, "temperatur"),
    ],
)
def test_wrong_settings_are_told_at_once(kind, settings, told):
    with pytest.raises((ConfigError, TypeError), match=told):
        kind("m-1", **settings)


@pytest.mark.parametrize(
    ("kind", "setting"), [(CLIENTS[0], "top_k"), (CLIENTS[1], "seed"), (AnthropicModel, "seed"), (GoogleModel, "cache")]
)
def test_what_a_format_has_no_word_for_is_refused(kind, setting):
    with pytest.raises(ConfigError, match=setting):
        kind("m-1", **{setting: False if setting == "cache" else 1})


@EACH
def test_they_keep_the_optional_contracts(kind):
    model = kind("m-1", extra={"a": 1}, max_tokens=5)
    assert isinstance(model, Structured)
    assert isinstance(model, Streaming)
    assert isinstance(model, Forwarding)
    assert model.shared
    assert (model.name, model.wire) == ("m-1", model._format.name)
    cached = {"cache": True} if kind is AnthropicModel else {}
    assert model.parameters == {**cached, "max_tokens": 5, "extra": {"a": 1}}
