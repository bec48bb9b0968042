"""Secrets: what they are, and that nothing of them is left in what is written."""

from __future__ import annotations

import base64

import pytest

from terrarium.core.message import Message, TextBlock
from terrarium.core.secrets import MASK, Secrets, is_secret, masked
from terrarium.core.tool import ToolCall


@pytest.mark.parametrize("name", ["api_key", "OPENAI_API_KEY", "password", "auth_token", "client-secret", "apikey"])
def test_names_that_hold_secrets(name):
    assert is_secret(name)


@pytest.mark.parametrize(
    "name",
    ["api_keys", "accessToken", "APIKeys", "Authorization", "secrets", "pwd", "bearer", "passphrase", "credentials"],
)
def test_names_in_the_plural_and_with_humps(name):
    assert is_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        "model",
        "keyboard",
        "tokens_limit_per_turn",
        "max_tokens",
        "stopTokens",
        "monkey",
        "monkeys",
        "author",
        "temperature",
    ],
)
def test_names_that_do_not(name):
    assert not is_secret(name)


def test_settings_are_masked_at_any_depth():
    settings = {"api_key": "sk-123456", "model": "m", "extra": {"password": "hunter22", "n": 3}}
    assert masked(settings) == {"api_key": MASK, "model": "m", "extra": {"password": MASK, "n": 3}}


def test_values_lose_their_secrets_and_keep_everything_else(monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", 'quote"and\nnewline')
    secrets = Secrets.of({"api_key": "sk-123456", "nested": {"token": "tok-abcdef"}})
    call = ToolCall("send", {"body": "key sk-123456, tok-abcdef", "n": 2, "raw": 'x quote"and\nnewline y'}, "id")
    clean = secrets.scrub(call)
    assert clean == ToolCall("send", {"body": f"key {MASK}, {MASK}", "n": 2, "raw": f"x {MASK} y"}, "id")
    message = Message("assistant", [TextBlock("nothing here")])
    assert secrets.scrub(message) is message


def test_short_values_are_left_alone():
    assert Secrets(["abc"]).scrub("abcabc") == "abcabc"


def test_lists_tables_headers_and_addresses_are_masked():
    settings = {
        "api_keys": ["sk-111111", "sk-222222"],
        "headers": {"Authorization": "Bearer tok-333333", "Accept": "text/plain"},
        "proxy": "Bearer tok-444444",
        "base_url": "https://user:pass%20word@host.example/v1",
        "servers": [{"pwd": 12345678, "port": 8080}],
        "max_tokens": 4096,
        "style": "Basic instructions",
    }
    assert masked(settings) == {
        "api_keys": [MASK, MASK],
        "headers": {"Authorization": MASK, "Accept": "text/plain"},
        "proxy": MASK,
        "base_url": f"https://user:{MASK}@host.example/v1",
        "servers": [{"pwd": MASK, "port": 8080}],
        "max_tokens": 4096,
        "style": "Basic instructions",
    }
    told = "sk-111111 sk-222222 tok-333333 tok-444444 pass%20word pass word 12345678 4096 8080 instructions"
    assert Secrets.of(settings).scrub(told) == " ".join([MASK] * 7 + ["4096 8080 instructions"])


def test_the_present_folder_is_no_secret(monkeypatch):
    monkeypatch.setenv("PWD", "/some/folder")
    assert Secrets.of({}).scrub("in /some/folder/x") == "in /some/folder/x"


def test_bytes_and_odd_text_lose_them_too():
    secrets = Secrets(["sk-123456"])
    value = {"raw": b"\xff sk-123456", "odd": "sk-123456 \ud83d\ude00", "same": [1, b"\x00"]}
    assert secrets.scrub(value) == {"raw": b"\xff [secret]", "odd": f"{MASK} \ud83d\ude00", "same": [1, b"\x00"]}


def test_a_memory_hides_secrets_at_the_same_length_and_gives_them_back():
    secrets = Secrets(['k"ey-1234', "longer-key-5678"])
    memory = b'raw k"ey-1234, longer-key-5678, json k\\"ey-1234'
    hidden = secrets.hide(memory)
    assert len(hidden) == len(memory)
    assert b"1234" not in hidden
    assert b"5678" not in hidden
    assert Secrets(["longer-key-5678", 'k"ey-1234']).reveal(hidden) == memory


def test_a_login_in_an_address_is_secret_as_http_sends_it_too() -> None:
    secrets = Secrets.of({"models": [{"base_url": "http://ann:p%40ss-word@models.example/v1"}]})
    sent = base64.b64encode(b"ann:p@ss-word").decode()
    told = secrets.scrub_text(f"Authorization: Basic {sent}, p@ss-word, p%40ss-word, ann")
    assert told == "Authorization: Basic [secret], [secret], [secret], ann"
