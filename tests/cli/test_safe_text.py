"""Nothing that an agent wrote may steer a terminal."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terrarium.cli.safe_text import VALUE_LINES, clipped, one_line, visible

HARMLESS = {"\n", "\t", "\u200c", "\u200d"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", r"\x1b[31mred"),
        ("a\rb\x08\x07", r"a\rb\b\a"),
        ("\x9b2J", r"\x9b2J"),
        ("user\u202egnp.exe", r"user\u202egnp.exe"),
        ("\u2066x\u2069", r"\u2066x\u2069"),
        ("\ud800", r"\ud800"),
        ("\U000e0041", r"\U000e0041"),
        ("tab\tline\nGrüße 日本 👩‍💻 🇩🇪", "tab\tline\nGrüße 日本 👩‍💻 🇩🇪"),
    ],
)
def test_control_characters_become_visible(text, shown):
    assert visible(text) == shown


@given(st.text(st.characters(exclude_categories=[])))
def test_no_control_character_ever_remains(text):
    for letter in visible(text):
        steering = unicodedata.category(letter) in ("Cc", "Cs") or unicodedata.bidirectional(letter) in (
            *("LRE", "RLE", "LRO", "RLO", "PDF"),
            *("LRI", "RLI", "FSI", "PDI"),
        )
        assert letter in HARMLESS or not steering


def test_a_long_value_is_cut_and_says_what_is_missing():
    assert clipped("a\nb\nc\nd\n", 2) == ["a", "b", "… 2 more lines"]
    assert clipped("a\nb", 2) == ["a", "b"]
    assert clipped("", 2) == [""]
    every = clipped("x\n" * 5000, 10_000)
    assert len(every) == VALUE_LINES + 1
    assert every[-1] == f"… {5000 - VALUE_LINES} more lines"
    assert clipped("y" * 5000, 3)[0].endswith("… 4000 more characters")


def test_one_line_is_one_line():
    assert one_line("\n  first\nsecond") == "first …"
    assert one_line("x" * 300, 10) == "x" * 9 + "…"
    assert one_line("") == ""
