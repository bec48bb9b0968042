"""What hostile agents leave behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from terrarium.core.removal import try_remove_tree


@pytest.fixture(autouse=True)
def _too_deep_for_pytest(request: pytest.FixtureRequest) -> Iterator[None]:
    """Remove what a sandbox has left, also where the test failed: pytest gives up at a thousand folders."""
    box = request.getfixturevalue("tmp_path") / "box" if "tmp_path" in request.fixturenames else None
    yield
    if box is not None:
        try_remove_tree(box)
