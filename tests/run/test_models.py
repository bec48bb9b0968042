from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, ClassVar

import pytest

from terrarium.core.errors import ConfigError, ModelFault, NotRegistered
from terrarium.core.message import Message, Usage
from terrarium.core.model import Completion, Model
from terrarium.core.tool import Tool
from terrarium.run.models import WORKERS, close_models, look_at, make_model

OWN = f"{__name__}:Own/m-1"


class Own:
    provider: ClassVar[str] = "openai"

    def __init__(self, name: str, price: Any = None, at_once: int = 64, fail: bool = False) -> None:
        if fail:
            raise ModelFault("not today")
        self.name, self.price, self.at_once = name, price, at_once
        self.closed = 0

    async def generate(self, messages: Sequence[Message], tools: Sequence[Tool]) -> Completion:
        return Completion(Message("assistant", f"{self.name} says {messages[-1].text}"))

    async def close(self) -> None:
        self.closed += 1


class Alone(Own):
    shared: ClassVar[bool] = False


def _made(spec: str = OWN, **settings: Any) -> Any:
    async def make() -> Model:
        return make_model(spec, settings)

    return asyncio.run(make())


def test_one_client_for_each_model_and_its_settings_until_the_loop_is_done() -> None:
    async def make() -> list[Any]:
        made = [make_model(OWN, {}), make_model(OWN, {}), make_model(OWN, {"at_once": 5}), make_model(OWN + "x", {})]
        await close_models()
        return [*made, make_model(OWN, {})]

    one, same, other, third, later = asyncio.run(make())
    assert one is same
    assert len({id(one), id(other), id(third), id(later)}) == 4
    assert [one.closed, other.closed, third.closed, later.closed] == [1, 1, 1, 0]


def test_a_class_may_want_its_clients_apart() -> None:
    async def make() -> tuple[Any, Any]:
        spec = OWN.replace("Own", "Alone")
        return make_model(spec, {}), make_model(spec, {})

    one, other = asyncio.run(make())
    assert one is not other


def test_the_price_is_the_users_or_the_tables() -> None:
    assert _made(price="1/2").price(Usage(1_000_000, 1_000_000)) == 3.0
    assert _made(OWN.replace("m-1", "gpt-4o")).price(Usage(1_000_000)) > 0
    assert _made().price(Usage(1)) is None


def test_workers_share_what_is_about_the_whole_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WORKERS, "4")
    assert _made(at_once=10).at_once == 2
    assert _made(at_once=1).at_once == 1
    assert _made().at_once == 64


def test_a_cassette_is_a_setting(tmp_path: Any) -> None:
    path = str(tmp_path / "talks.jsonl")
    model = _made(cassette=path)
    said = asyncio.run(model.generate([Message("user", "hello")], []))
    replayed = _made(f"cassette/{path}")
    assert asyncio.run(replayed.generate([Message("user", "hello")], [])) == said


@pytest.mark.parametrize(
    ("spec", "settings", "error", "told"),
    [
        ("gpt-5", {}, ConfigError, "provider/name"),
        ("openai/", {}, ConfigError, "provider/name"),
        ("opnai/gpt-5", {}, NotRegistered, "did you mean 'openai'"),
        (OWN, {"api_key": "sk-123456"}, ConfigError, "keys come from the environment"),
        (OWN, {"temprature": 1}, ConfigError, "refuses its settings"),
        (OWN, {"price": "cheap"}, ConfigError, "million tokens"),
        (OWN, {"fail": True}, ConfigError, "not today"),
    ],
)
def test_what_cannot_be_made(spec: str, settings: dict[str, Any], error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        _made(spec, **settings)


@pytest.mark.parametrize(
    ("spec", "settings", "told"),
    [
        ("anthropic/m", {"base_ur": "http://a"}, "there is no setting 'base_ur' (did you mean 'base_url'?)"),
        ("openai-chat/m", {"organisation": "a"}, "did you mean 'organization'"),
        ("vllm/m", {"servr": {}}, "did you mean 'server'"),
        ("google/m", {"zzz": 1}, "there are: at_once, base_url"),
        ("openai/m", {"api_key": "1"}, "keys come from the environment"),
        ("openai/m", {"price": "cheap"}, "million tokens"),
        ("openai/m", {"retries": -1}, "retries"),
    ],
)
def test_settings_that_a_client_refuses_are_seen_before_anything_is_run(
    spec: str, settings: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        look_at(spec, settings)
    assert told in str(caught.value)


def test_settings_that_a_client_takes_are_no_matter_without_a_key() -> None:
    look_at("anthropic/m", {"temperature": 0, "base_url": "http://127.0.0.1:1", "cassette": "none.jsonl"})


def test_a_price_for_a_model_that_has_none_is_told() -> None:
    with pytest.raises(ConfigError, match="takes no price"):
        _made("scripted/none.json", price="1/2")
