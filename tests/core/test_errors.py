"""The error tree, its boundaries, and errors that come back from a journal."""

from __future__ import annotations

import errno
import re

import pytest

from terrarium.core import errors
from terrarium.core.errors import TerrariumError, boundary_of, describe, revive, unknown_key


def tree(kind: type[TerrariumError] = TerrariumError) -> list[type[TerrariumError]]:
    return [
        kind,
        *(below for child in kind.__subclasses__() if child.__module__ == errors.__name__ for below in tree(child)),
    ]


def test_the_drawing_is_the_tree():
    drawn = set(re.findall(r"^[│├└─ ]*([A-Z]\w+)", errors.__doc__ or "", re.MULTILINE))
    assert {kind.__name__ for kind in tree()} <= drawn


@pytest.mark.parametrize("kind", tree())
def test_every_error_says_something_and_survives_a_journal(kind):
    assert str(kind())
    again = revive(kind.__name__, "the message", "C0")
    assert type(again) is kind
    assert (str(again), again.code) == ("the message", "C0")


@pytest.mark.parametrize(
    ("error", "boundary"),
    [
        (errors.NotFound(), "task"),
        (errors.Refused(), "task"),
        (errors.CommandTimeout(), "task"),
        (errors.WrongThread(), "task"),
        (errors.CapabilityFault(), "capability"),
        (errors.SandboxFault(), "sandbox"),
        (errors.AgentFault(), "agent"),
        (errors.ModelFault(), "model"),
        (errors.BudgetSpent(), "budget"),
        (errors.VerifierFault(), "verifier"),
        (errors.JournalFault(), "engine"),
        (errors.ReplayDiverged(), "task"),
        (OSError(errno.ENOSPC, "full"), "engine"),
        (OSError(errno.ENOENT, "none"), "task"),
        (ValueError(), "task"),
        (SystemExit(), "task"),
    ],
)
def test_boundaries(error, boundary):
    assert boundary_of(error) == boundary


def test_an_unknown_name_is_the_programs_error():
    assert type(revive("Strange", "x")) is errors.ProgramError


def test_description_is_plain_and_bounded():
    try:
        raise ValueError("x" * 10_000)
    except ValueError as error:
        told = describe(error)
    assert told["type"] == "ValueError"
    assert len(told["message"] or "") == 2000
    assert len(told["traceback"] or "") <= 8000
    assert describe(errors.Refused("no", code="42"))["code"] == "42"


def test_unknown_keys_name_the_nearest_or_all():
    assert "did you mean 'steps'?" in str(unknown_key("limits", "stpes", ["turns", "steps"]))
    assert "known keys: steps, turns" in str(unknown_key("limits", "zzz", ["turns", "steps"]))
