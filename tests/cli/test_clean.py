"""`terrarium clean`: what a killed run left behind goes, and nothing else."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from terrarium.cli import leftover
from terrarium.cli.main import terrarium

TRIAL = hashlib.sha256(b"a trial").hexdigest()
KEPT = ("job.json", f"trials/{TRIAL}/try-1/journal.jsonl", f"snapshots/{TRIAL}/world.json", f"verdicts/{TRIAL}.json")


@pytest.fixture(autouse=True)
def _only_our_processes(monkeypatch):
    """Real orphans of other runs on this machine are not this test's to end."""
    monkeypatch.setattr(
        leftover, "processes", lambda: [one for one in _everyone() if not one.orphan or one.parent == os.getpid()]
    )


_everyone = leftover.processes


@pytest.fixture
def run(tmp_path):
    """What `kill -9` leaves of a run."""
    run = tmp_path / "outputs" / "deep" / "run"
    header = {"seq": 1, "kind": "header", "wall": {"host": socket.gethostname(), "pid": 1}}
    for name in (*KEPT, f"trials/{TRIAL}/try-1/world/email/state.sqlite", "notes/world/mine.txt"):
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_text(json.dumps(header) + "\n")
    (run / "snapshots" / f".{TRIAL}.77.1" / "email").mkdir(parents=True)
    (run / "verdicts" / f".{TRIAL}.json.77").write_text("half")
    (run / "verdicts" / ".gitkeep").write_text("")
    return run


def clean(*args: object, code: int = 0) -> str:
    result = CliRunner().invoke(terrarium, ["clean", *map(str, args)])
    assert result.exit_code == code, result.output
    return result.output


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_without_a_terminal_it_only_lists(run, tmp_path):
    before = files(tmp_path)
    said = clean(tmp_path)
    assert f"{run}/trials/{TRIAL}/try-1/world\n" in said
    assert "only listed" in said
    assert files(tmp_path) == before


def test_it_removes_what_is_left_over_and_nothing_else(run, tmp_path):
    assert "removed 3 and ended 0 processes" in clean(tmp_path, "--yes")
    assert files(run) == {*KEPT, "notes/world/mine.txt", "verdicts/.gitkeep"}
    assert "nothing was left behind" in clean(tmp_path, "--yes")
    assert "nothing was left behind" in clean(tmp_path / "nowhere", "--yes")


def test_a_folder_without_permissions_goes_too(run):
    world = run / "trials" / TRIAL / "try-1" / "world"
    (world / "email").chmod(0)
    world.chmod(0)
    clean(run, "--yes")
    assert not world.exists()


def test_links_are_never_followed(run, tmp_path):
    precious = tmp_path / "precious"
    (precious / "world").mkdir(parents=True)
    (precious / "world" / "file").write_text("precious")
    trial = run / "trials" / TRIAL
    (trial / "try-2").symlink_to(precious)
    (trial / "try-3").mkdir()
    (trial / "try-3" / "world").symlink_to(precious)
    (trial / "try-1" / "world" / "link").symlink_to(precious)
    (run / "trials" / ("e" * 64)).symlink_to(tmp_path)
    clean(run, "--yes")
    assert (precious / "world" / "file").read_text() == "precious"
    assert not (trial / "try-1" / "world").exists()


def _held(code: str, *args: object) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", code, *map(str, args)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_a_run_that_goes_on_is_left_alone(run):
    journal = run / "trials" / TRIAL / "try-1" / "journal.jsonl"
    code = "import sys, time; file = open(sys.argv[1]); print('ready', flush=True); time.sleep(100)"
    process = _held(code, journal)
    try:
        assert f"process {process.pid} has a file open there" in clean(run, "--yes")
        assert (journal.parent / "world").is_dir()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    clean(run, "--yes")
    assert not (journal.parent / "world").exists()


def test_what_another_machine_wrote_is_left_alone(run):
    journal = run / "trials" / TRIAL / "try-1" / "journal.jsonl"
    journal.write_text(json.dumps({"seq": 1, "wall": {"host": "another-machine"}}) + "\n")
    assert "it was written on another-machine" in clean(run, "--yes")
    assert (journal.parent / "world").is_dir()


def _pretend(tmp_path: Path, master: int) -> subprocess.Popen[str]:
    """A process that looks like a zygote whose engine is `master`."""
    script = tmp_path / "zygote_process.py"
    script.write_text("import time; print('ready', flush=True); time.sleep(100)")
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", str(script), "3", str(master)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def _dead_pid() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_a_process_whose_parent_is_gone_is_ended_and_others_are_not(tmp_path):
    orphan, child = _pretend(tmp_path, _dead_pid()), _pretend(tmp_path, os.getpid())
    try:
        said = clean(tmp_path)
        assert f"process {orphan.pid}: " in said
        assert f"process {child.pid}: " not in said
        assert orphan.poll() is None
        assert "ended 1 processes" in clean(tmp_path, "--yes")
        assert orphan.wait(timeout=30) == -9
        assert child.poll() is None
        gone = leftover.Process(orphan.pid, os.getpid(), ("python", "-m", "terrarium.run.worker", "x", "1"))
        assert leftover.kill_orphan(gone) is False
    finally:
        for process in (orphan, child):
            process.kill()
            process.wait()
            process.stdout.close()


MAILS = """
    import time
    from pathlib import Path
    from terrarium import entry, run_checkers

    @entry(capabilities=["email"])
    def program(env, agent):
        env.email.send("a@x.example", "b@x.example", "s", "b", attachments=[("a.txt", b"on disk")])
        Path("FOLDER/begun").touch()
        while not Path("FOLDER/go").exists():
            time.sleep(0.05)
        return run_checkers({"fine": lambda: True})

    @program.solution
    def solve(seat):
        return ""
"""


def test_after_a_real_kill_the_world_goes_and_the_run_can_go_on(shop):
    shop.task("mails", MAILS.replace("FOLDER", str(shop.folder)))
    args = ("run", "mails", "-o", "out", "--no-baseline", "-j", "1", "--plain")
    process = shop.start(*args)
    try:
        while not (shop.folder / "begun").exists():
            assert process.poll() is None
            time.sleep(0.05)
        (world,) = (shop.folder / "out").glob("trials/*/try-1/world")
        assert "left alone" in clean(shop.folder, "--yes")
        assert world.is_dir()
    finally:
        process.kill()
        process.communicate()
    while leftover.in_use(shop.folder / "out", _everyone()):
        time.sleep(0.05)  # the kernel ends its worker
    assert "removed 1" in clean(shop.folder, "--yes")
    assert not world.exists()
    (shop.folder / "go").touch()
    assert "1 of 1 trials scored" in shop(*args)
