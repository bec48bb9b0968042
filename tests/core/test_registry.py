"""Names to implementations."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from terrarium.core.errors import ConfigError, NotRegistered
from terrarium.core.registry import find, names


def test_a_name_a_path_and_what_there_is():
    from terrarium.agent.null import NullAgent

    assert find("agent", "null") is NullAgent
    assert find("agent", "terrarium.agent.null:NullAgent") is NullAgent
    assert find("agent", "terrarium.agent.null:NullAgent.act") is NullAgent.act
    assert names("agent") == sorted(names("agent"))
    assert {"null", "oracle", "random", "scripted"} <= set(names("agent"))


def test_unknown_names_list_what_there_is():
    with pytest.raises(
        NotRegistered, match=r"no agent called 'orcale' \(did you mean 'oracle'\?\); there are: .*null, "
    ):
        find("agent", "orcale")


@pytest.mark.parametrize("target", ["no.such.module:X", "terrarium.agent.null:NoSuch", ":", "x:", "broken_plugin:X"])
def test_what_cannot_be_imported_is_a_configuration_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str):
    (tmp_path / "broken_plugin.py").write_text("this is not python\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match="cannot be imported"):
        find("agent", target)


PLUGIN = "Metadata-Version: 2.1\nName: plug\nVersion: 1\n"


def test_installed_plugins_are_found_and_not_imported_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "plugged.py").write_text("class Agent: ...\n")
    about = tmp_path / "plug-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(PLUGIN)
    (about / "entry_points.txt").write_text("[terrarium.agent]\nplugged = plugged:Agent\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert "plugged" in names("agent")
    assert "plugged" not in sys.modules
    assert find("agent", "plugged").__name__ == "Agent"
