"""The command itself: help without delay, and errors as one line."""

from __future__ import annotations

import subprocess
import sys

import pytest
from click.testing import CliRunner

from terrarium.cli import main
from terrarium.core.errors import EngineFault, TerrariumError


def test_help_lists_the_commands_and_loads_nothing_heavy():
    script = (
        "import sys\n"
        "from terrarium.cli.main import terrarium\n"
        "try: terrarium(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'rich', 'pydantic', 'sqlite3', 'terrarium.run.job'} & set(sys.modules)))\n"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert said.endswith("[]\n")
    for name in ("run", "check", "list", "show", "new", "clean"):
        assert f"  {name} " in said


def test_importing_the_package_loads_nothing_of_it():
    script = "import sys, terrarium; print([name for name in sys.modules if name.startswith('terrarium.')])"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "[]\n"


@pytest.mark.parametrize(
    ("args", "hint"),
    [(["rnu"], "'run'"), (["run", "--attemps", "3"], "'--attempts'"), (["show", "--jsno", "x"], "'--json'")],
)
def test_an_unknown_command_or_flag_names_the_nearest(args, hint):
    result = CliRunner().invoke(main.terrarium, args)
    assert result.exit_code == 2
    assert hint in result.output


def test_a_command_that_is_missing_does_not_break_the_others(monkeypatch):
    monkeypatch.setitem(main.COMMANDS, "gone", "terrarium.cli.gone")
    result = CliRunner().invoke(main.terrarium, ["--help"])
    assert result.exit_code == 0
    assert "gone" not in result.output
    assert CliRunner().invoke(main.terrarium, ["gone"]).exit_code == 2


def test_an_error_is_one_safe_line_unless_tracebacks_are_wanted(monkeypatch):
    def broken(ctx):
        raise EngineFault("the disk\x1b[2J is full\nand more")

    monkeypatch.setattr(main.click.Group, "invoke", lambda self, ctx: broken(ctx))
    monkeypatch.delenv("TERRARIUM_DEBUG", raising=False)
    result = CliRunner().invoke(main.terrarium, ["list"])
    assert (result.exit_code, result.output) == (1, "terrarium: the disk\\x1b[2J is full …\n")
    monkeypatch.setenv("TERRARIUM_DEBUG", "1")
    assert isinstance(CliRunner().invoke(main.terrarium, ["list"]).exception, TerrariumError)
