"""Secrets: what they are, and that nothing of them is left in what is written."""

from __future__ import annotations

import pytest

from terrarium.core.message import Message, TextBlock
from terrarium.core.secrets import MASK, Secrets, is_secret, masked
from terrarium.core.tool import ToolCall


@pytest.mark.parametrize("name", ["api_key", "OPENAI_API_KEY", "password", "auth_token", "client-secret", "apikey"])
def test_names_that_hold_secrets(name):
    assert is_secret(name)


@pytest.mark.parametrize("name", ["model", "keyboard", "tokens_limit_per_turn", "monkey", "author", "temperature"])
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
