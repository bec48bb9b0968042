"""Faults of the model server: what they are, whom they hit, and what the SDKs make of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import httpx
import openai
import pytest
from google import genai
from google.genai import types as google

from terrarium.core.errors import ConfigError
from terrarium.model.server.fault import KINDS, Fault, Faults
from terrarium.testing import serving

SAY: Any = [{"role": "user", "content": "hi"}]
TOOL: Any = {"type": "function", "function": {"name": "look", "description": "x", "parameters": {"type": "object"}}}
LONG = "A somewhat longer answer, which comes in a number of pieces."


@contextmanager
def client(url: str, timeout: float = 20.0) -> Iterator[openai.OpenAI]:
    """OpenAI's SDK, which asks once only."""
    with openai.OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0, timeout=timeout) as made:
        yield made


def said(url: str, stream: bool = False, timeout: float = 20.0) -> str:
    with client(url, timeout) as one:
        if not stream:
            return one.chat.completions.create(model="m", messages=SAY).choices[0].message.content or ""
        chunks = one.chat.completions.create(model="m", messages=SAY, stream=True)
        return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def test_text_and_tables_make_faults() -> None:
    assert Fault.of("429,at=2,after=1.5") == Fault("429", at=2, after=1.5)
    assert Fault.of({"kind": 529, "chance": 0.5, "seed": 3}) == Fault("529", chance=0.5, seed=3)
    assert Fault.of(" stall , seconds = 2 ").seconds == 2
    assert Fault.of("503").status == 503
    assert Fault.of("slow").status is None


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("stal", "did you mean 'stall'"),
        ("302", "an HTTP status from 400 to 599"),
        ("429,nth=2", "unknown key 'nth'"),
        ("429,at", "KIND,key=value"),
        ("429,at=-1", "at must be a whole number"),
        ("429,at=1.5", "at must be a whole number"),
        ("slow,seconds=x", "seconds must be a number"),
        ("429,after=soon", "after must be seconds or `date`"),
        ("deep,depth=1000", "deep_body goes deeper"),
        ({"at": 1}, "has no kind"),
    ],
)
def test_what_is_no_fault_is_told(given: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        Fault.of(given)


def test_who_is_hit() -> None:
    def hit(*faults: str) -> str:
        plan = Faults(faults)
        kinds = [plan.next(number) for number in range(1, 9)]
        return " ".join(fault.kind if fault else "-" for fault in kinds)

    assert hit("500") == "500 500 500 500 500 500 500 500"
    assert hit("500,at=3") == "- - 500 - - - - -"
    assert hit("500,at=3,times=2", "429,at=1") == "429 - 500 500 - - - -"
    assert hit("500,at=7,times=0") == "- - - - - - 500 500"
    assert hit("500,times=2") == "500 500 - - - - - -"
    drawn = [hit(f"500,chance=0.4,seed={seed}") for seed in range(40)]
    assert hit("500,chance=0.4,seed=7") == drawn[7]
    assert len(set(drawn)) > 20
    assert 80 < Counter(" ".join(drawn).split())["500"] < 176


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("429", openai.RateLimitError),
        ("500", openai.InternalServerError),
        ("529", openai.InternalServerError),
        ("403", openai.PermissionDeniedError),
        ("drop", openai.APIConnectionError),
        ("truncated", openai.APIConnectionError),
        ("malformed", json.JSONDecodeError),
        ("cut", json.JSONDecodeError),
        ("deep_body", RecursionError),
        ("content_type", AttributeError),  # the SDK hands the page on as text
    ],
)
def test_what_openais_sdk_makes_of_an_answer(fault: str, kind: type[Exception]) -> None:
    with serving([LONG], [f"{fault},at=1"]) as server:
        with pytest.raises(kind):
            said(server.url)
        assert said(server.url) == LONG  # what was lost is given again to who asks the same again
        assert [served.fault for served in server.requests] == [fault, None]


@pytest.mark.parametrize("fault", ["truncated", "malformed", "deep_body"])
def test_what_openais_sdk_makes_of_a_stream(fault: str) -> None:
    with serving([LONG], [f"{fault},at=1"]) as server:
        with pytest.raises((httpx.RemoteProtocolError, json.JSONDecodeError, RecursionError, openai.APIError)):
            said(server.url, stream=True)
        assert said(server.url, stream=True) == LONG


def test_a_cut_stream_ends_in_order_with_half_of_its_words() -> None:
    with serving([LONG], ["cut,at=1"]) as server:
        half = said(server.url, stream=True)
        assert half
        assert half != LONG
        assert LONG.startswith(half)


@pytest.mark.parametrize("stream", [False, True])
def test_a_stalled_answer_begins_and_then_nothing_comes(stream: bool) -> None:
    with serving([LONG], ["stall,at=1"]) as server:
        with pytest.raises((openai.APITimeoutError, httpx.ReadTimeout)):
            said(server.url, stream, timeout=0.4)
        assert said(server.url, stream) == LONG


@pytest.mark.parametrize("stream", [False, True])
def test_a_slow_answer_is_whole(stream: bool) -> None:
    with serving([LONG], ["slow,seconds=0.001"]) as server:
        assert said(server.url, stream) == LONG


def test_empty_duplicates_and_depth() -> None:
    calls = [[{"tool": "look", "args": {}}, {"tool": "look", "args": {"deep": 1}}], LONG]
    with (
        serving(calls, ["empty,at=1", "duplicate_ids,at=2", "deep,at=3,depth=300"]) as server,
        client(server.url) as one,
    ):
        answers = [one.chat.completions.create(model="m", messages=SAY, tools=[TOOL]) for _ in range(3)]
    empty, twice, deep = (answer.choices[0].message for answer in answers)
    assert not empty.content
    assert not empty.tool_calls
    assert [call.id for call in twice.tool_calls or []] == ["call_again", "call_again"]
    arguments = (deep.tool_calls or [])[0].function.arguments
    assert arguments.count("[") == 300
    assert json.loads(arguments)


@pytest.mark.parametrize("stream", [False, True])
def test_control_characters_and_half_characters_arrive_as_they_are(stream: bool) -> None:
    with serving([LONG, LONG], ["control,at=1", "surrogate,at=2"]) as server:
        escapes, halves = said(server.url, stream), said(server.url, stream)
    assert "\x1b]0;owned\x07" in escapes
    assert "\x00" in escapes
    assert escapes.endswith(LONG)
    assert "\ud800" in halves


def test_a_huge_answer_has_the_size_that_is_asked_for() -> None:
    with serving([LONG], ["huge,size=3000003"]) as server:
        assert len(said(server.url)) >= 3_000_003


def test_retry_after_as_seconds_and_as_a_date() -> None:
    with serving(["never"], ["429,at=1,after=7", "429,after=date"]) as server:
        heads = [
            httpx.post(f"{server.url}/v1/messages", json={"model": "m", "messages": SAY}).headers for _ in range(2)
        ]
    assert heads[0]["retry-after"] == "7"
    assert heads[1]["retry-after"].endswith(" GMT")


def test_the_other_sdks_know_their_errors() -> None:
    statuses = [429, 500, 529]
    with serving(["never"], [f"{status},at={at}" for at, status in enumerate([*statuses, *statuses], 1)]) as server:
        with anthropic.Anthropic(base_url=server.url, api_key="any", max_retries=0) as one:
            for status in statuses:
                with pytest.raises(anthropic.APIStatusError) as told:
                    one.messages.create(model="m", max_tokens=9, messages=SAY)
                assert told.value.status_code == status
                assert "this is fault" in str(told.value)
        with genai.Client(api_key="any", http_options=google.HttpOptions(base_url=server.url)) as two:
            for status in statuses:
                with pytest.raises(genai.errors.APIError) as other:
                    two.models.generate_content(model="m", contents="hi")
                assert other.value.code == status


def test_every_kind_is_told_of_in_the_manual_and_on_the_command_line() -> None:
    from pathlib import Path

    from terrarium.cli.serve_model import command

    manual = (Path(__file__).parents[2] / "docs" / "serve_model.md").read_text("utf-8")
    for kind in KINDS:
        assert f"`{kind}`" in manual
        assert kind in (command.help or "")
