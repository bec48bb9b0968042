"""T-W6: what changes the state of a registered capability tells the agents it concerns, or declares that it is silent.

What there is comes from the registry: every admin method marked `@writes` and every tool that can change the world. A
table says how each is exercised; one that is missing there is a failure.
"""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from notification_stand import standing
from notification_ways import ELSEWHERE, WAYS

from terrarium.core.capability import admin_methods
from terrarium.core.registry import names


@pytest.mark.parametrize("kind", names("capability"))
def test_the_table_is_total(tmp_path, kind):
    with standing(kind, tmp_path / "world") as stand:
        admin = {path for path, access in admin_methods(stand.capability).items() if access.mode == "write"}
        tools = {tool.name for tool in stand.capability.tools("agent") if tool.writes}
        elsewhere = ELSEWHERE.get(kind, set())
        assert all(admin_methods(stand.capability)[path].notifies is None for path in elsewhere)
    assert set(WAYS.get(kind, ())) | elsewhere == admin | tools


@pytest.mark.parametrize(("kind", "way"), [(kind, way) for kind in sorted(WAYS) for way in WAYS[kind]])
def test_whom_it_tells(tmp_path, kind, way):
    with standing(kind, tmp_path / "world") as stand:
        access = admin_methods(stand.capability).get(way)
        call, concerned = WAYS[kind][way]
        made = call(stand)
        assert stand.changes, "it was exercised such that nothing changed"
        assert sorted(set(stand.told)) == sorted(concerned)
        if access is not None:
            assert (access.notifies is not None) == bool(concerned), "its @writes says something else"
            thing: Any = stand.capability
            for part in way.split("."):
                thing = getattr(thing, part)
            given = [*inspect.signature(thing).parameters, *(made if isinstance(made, dict) else ())]
            assert access.notifies in (None, *given), "what it notifies by is neither an argument nor a result"
