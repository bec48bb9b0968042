"""The front door: importing does nothing, and offers what it names."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points

import terrarium

PROBE = """
import os, sys, threading
before, files = set(sys.modules), set(os.listdir("."))
import terrarium
loaded = {name.partition(".")[0] for name in set(sys.modules) - before}
foreign = loaded - set(sys.stdlib_module_names) - {"terrarium"}
print(sorted(foreign), threading.active_count(), sorted(set(os.listdir(".")) - files))
"""


def test_importing_loads_no_library_starts_no_thread_and_writes_nothing(tmp_path):
    shown = subprocess.run([sys.executable, "-c", PROBE], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[] 1 []"
    assert shown.stderr == ""


def test_every_name_is_there_and_no_other_is_promised():
    assert sorted(terrarium.__all__) == sorted(terrarium._HOME)
    for name in terrarium.__all__:
        assert getattr(terrarium, name).__name__ == name
    assert not hasattr(terrarium, "nothing_of_that_name")


def test_the_promised_spellings_of_task_files():
    from terrarium.task.checking import aggregate_results, run_checkers
    from terrarium.task.decorator import entry

    assert (entry, run_checkers, aggregate_results) == (
        terrarium.entry,
        terrarium.run_checkers,
        terrarium.aggregate_results,
    )


def test_the_command_is_installed():
    [command] = entry_points(group="console_scripts", name="terrarium")
    assert command.load()
