"""What a trial left may be torn, mixed up, edited or gone: it goes on or begins anew, and is never scored wrongly.

Nothing that was written is lost by it: a journal is left as it is, or its end stands in `lost-<n>.jsonl`.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from terrarium.core.errors import JournalFault
from terrarium.core.journal import read, rewritten
from terrarium.core.verdict import Verdict
from terrarium.run.config import AgentConfig, JobConfig, RetryConfig, TaskConfig
from terrarium.run.job import run_job
from tests.effort import examples

SOURCE = """
@entry(["notes", "email"], NOTES)
def fn(env, agent):
    env.every("1s", lambda: env.notes.add(f"{env.random.random():.6f}"), until="09:00:04")
    env.notes.add("long " * 20_000)
    for number in range(3):
        env.email.send("ann@x.example", env.email.address(), f"mail {number}", "x" * number)
        agent.act(f"turn {number}")
    env.clock.advance("1m")
    return run_checkers({
        "notes": lambda: env.notes.count() == 8,
        "mails": lambda: env.email.count_inbox(env.email.address()) == 3,
        "luck": lambda: env.random.random() < 0.5,
    })
"""
WRITE = {"tool": "notes_add", "args": {"text": "by the agent"}}


class Left:
    """What a trial left behind, damaged anew in each of many copies."""

    def __init__(self, play):
        self.played = play(SOURCE, [WRITE, "one", WRITE, "two", WRITE, "three"], snapshot="every-turn")
        assert self.played.reward is not None
        self.verdict, self.parts = self.played.result.verdict, self.played.parts()
        self.journal, self.run = self.played.journal, self.played.folder
        self.lines = self.journal.read_bytes().splitlines(keepends=True)
        for record in (self.run / "verdicts").iterdir():
            record.unlink()
        self._copy = self.run.with_name("as it was")
        shutil.copytree(self.run, self._copy)

    def again(self, lines=None):
        """As it was, with another journal."""
        shutil.rmtree(self.run)
        shutil.copytree(self._copy, self.run)
        if lines is not None:
            self.journal.write_bytes(lines if isinstance(lines, bytes) else b"".join(lines))

    def runs(self, anew=None):
        """Run it: what it comes to is what it came to, or a typed error; nothing is lost. How often it was tried."""
        before = {path: path.read_bytes() for path in self.run.rglob("*") if path.is_file()}
        self.played.run()
        result = self.played.result
        if result.error is None:
            assert result.verdict == self.verdict
            assert self.played.parts() == self.parts
        else:
            assert result.error["boundary"] in ("engine", "capability"), result.error
            assert result.error["type"] in ("JournalFault", "EngineFault", "CapabilityFault"), result.error
            assert result.verdict.reward is None
        assert anew is None or (result.tries == 2) == anew, f"{result.tries} tries, {result.error}"
        for path, text in before.items():
            if path != self.journal and path.name != "run.lock":
                assert path.read_bytes() == text, f"{path} was changed"
        text, now = before[self.journal], self.journal.read_bytes()
        if result.tries == 2:
            assert now == text, "a journal that was given up is left as it is"
        else:
            lost = b"".join(path.read_bytes() for path in sorted(self.journal.parent.glob("lost-*.jsonl")))
            whole = text[: text.rfind(b"\n") + 1]
            assert whole.endswith(lost)
            assert now.startswith(whole[: len(whole) - len(lost)]), "something was cut that is nowhere now"
        return result


@pytest.fixture
def left(play):
    return Left(play)


def _ends(left):
    """Everywhere in the last two lines; a part of it by default."""
    end = sum(map(len, left.lines))
    first = end - len(left.lines[-1]) - len(left.lines[-2])
    edges = {first, first + 1, end - len(left.lines[-1]) - 1, end - len(left.lines[-1]), end - 1}
    step = max(1, 60 // examples(1) ** 2)
    return sorted(edges | set(range(first, end, step)))


def test_a_journal_that_is_torn_in_its_last_lines_is_gone_on_with(left):
    whole = b"".join(left.lines)
    for end in _ends(left):
        left.again(whole[:end])
        assert left.runs(anew=False).scored


def test_a_journal_that_is_torn_anywhere_is_gone_on_with_or_begun_anew(left):
    whole, dice = b"".join(left.lines), random.Random(3)
    first = next(n for n, line in enumerate(left.lines) if b'"kind":"snapshot"' in line)
    saved = sum(map(len, left.lines[: first + 1]))
    for end in [0, 1, len(left.lines[0]) - 1, len(left.lines[0]), saved - 1, saved] + [
        dice.randrange(len(whole)) for _ in range(examples(6))
    ]:
        left.again(whole[:end])
        assert left.runs(anew=end < saved).scored, end


def _without_sum(line):
    return re.sub(rb',"sum":"[0-9a-f]{8}"', b"", line)


def _edits(lines, dice):
    """Journals that somebody has changed, and what is said of each."""
    one, other = sorted(dice.sample(range(1, len(lines) - 1), 2))
    swapped = list(lines)
    swapped[one], swapped[other] = lines[other], lines[one]
    yield "swapped", swapped, f"journal.jsonl:{one + 1} is out of order: it is event {other + 1}, where event {one + 1}"
    yield "repeated", [*lines[:one], lines[one], *lines[one:]], f"journal.jsonl:{one + 2} is out of order"
    yield "taken out", [*lines[:one], *lines[one + 1 :]], f"journal.jsonl:{one + 1} is out of order"
    yield "the first taken out", lines[1:], None
    raw = json.loads(lines[one])
    changed = {**raw, "time": raw["time"] + 1}
    for how, line in (
        ("changed", lines[one].replace(b'"time":1', b'"time":2')),
        ("changed and spaced", json.dumps(changed).encode() + b"\n"),
        ("renumbered", lines[one].replace(b'{"seq":%d,' % (one + 1), b'{"seq":%d,' % (one + 7))),
        ("sum changed", re.sub(rb'"sum":"[0-9a-f]{8}"', b'"sum":"00000000"', lines[one])),
    ):
        assert line != lines[one], how
        yield how, [*lines[:one], line, *lines[one + 1 :]], f"journal.jsonl:{one + 1} is not what was written: event "
    forged = _without_sum(lines[one]).replace(b'{"seq":%d,' % (one + 1), b'{"seq":%d,' % (one + 7))
    yield "renumbered, without a sum", [*lines[:one], forged, *lines[one + 1 :]], f"journal.jsonl:{one + 1} is out of"
    reward = lines[-1].replace(b'"passed":true', b'"passed":false', 1)
    assert reward != lines[-1]
    yield "the verdict changed", [*lines[:-1], reward], f"journal.jsonl:{len(lines)} is not what was written: event "
    yield "no JSON", [*lines[:one], b"?" * 40 + b"\n", *lines[one + 1 :]], f"journal.jsonl:{one + 1} is damaged"
    empty = [*lines[:one], b"\n", *lines[one + 1 :]]
    yield "an empty line", empty, f"journal.jsonl:{one + 1} is damaged"
    yield "zeros", [*lines[:one], b"\0" * 4096], None


def test_a_journal_that_was_mixed_up_or_edited_is_named_and_begun_anew(left):
    for _ in range(examples(1)):
        dice = random.Random(_)
        for how, lines, told in _edits(left.lines, dice):
            left.again(lines)
            if told is not None:
                with pytest.raises(JournalFault, match=re.escape(told)):
                    list(read(left.journal))
                with pytest.raises(JournalFault, match=re.escape(told)):
                    left.played.events()
            anew = None if how == "zeros" else True
            assert left.runs(anew=anew).scored, how


@pytest.mark.parametrize("data", [{"schema": 99}, {"trial": "0" * 64}, {"schema": None}, {"trial": None}])
def test_a_journal_of_another_schema_or_trial_is_not_gone_on_with(left, data):
    header = json.loads(left.lines[0])
    header["data"].update(data)
    left.again([rewritten(header), *left.lines[1:-1]])
    assert [event.seq for event in read(left.journal)] == list(range(1, len(left.lines))), "as such it can be read"
    assert left.runs(anew=True).scored


def _snapshots(left):
    return [event.wall["digest"] for event in left.played.snapshots()]


def _gone(left, folder):
    shutil.rmtree(folder)


def _truncated(left, folder):
    state = folder / "world.json"
    state.write_bytes(state.read_bytes()[:-20])


def _edited(left, folder):
    state = folder / "world.json"
    state.write_bytes(state.read_bytes().replace(b'"version":', b'"version":1'))


def _stateless(left, folder):
    (folder / "world.json").unlink()


def _of_another(left, folder):
    """Another trial's snapshot, whole, and a journal that names it."""
    import hashlib

    saved = json.loads((folder / "world.json").read_bytes())
    saved["state"]["owner"] = "f" * 64
    text = json.dumps(saved, sort_keys=True, separators=(",", ":")).encode()
    name = hashlib.sha256(text).hexdigest()
    (folder / "world.json").write_bytes(text)
    folder.rename(folder.with_name(name))
    lines = [json.loads(line) for line in left.journal.read_bytes().splitlines()]
    for line in lines:
        if line["wall"].get("digest") == folder.name:
            line["wall"]["digest"] = name
    left.journal.write_bytes(b"".join(map(rewritten, lines)))


@pytest.mark.parametrize("every", [False, True], ids=["the last", "all"])
@pytest.mark.parametrize("harm", [_gone, _truncated, _edited, _stateless, _of_another])
def test_without_its_last_snapshot_the_one_before_is_taken_and_without_any_it_begins_anew(left, harm, every):
    left.again(left.lines[:-1])
    names = list(dict.fromkeys(_snapshots(left)))
    for name in names if every else names[-1:]:
        harm(left, left.run / "snapshots" / name)
    result = left.runs(anew=every)
    assert result.scored


def test_a_blob_that_is_gone_or_another_is_no_answer(left):
    blobs = sorted((left.run / "blobs").iterdir())
    assert blobs
    for blob in blobs:
        for harm in (Path.unlink, lambda path: path.write_bytes(b"x" + path.read_bytes()[1:])):
            left.again(left.lines[:-1])
            harm(blob)
            with pytest.raises(JournalFault, match=f"blob .*{blob.name[:12]}.* is (missing|damaged)"):
                left.played.events()
            if harm is Path.unlink:
                assert left.runs(anew=True).scored
            else:  # nobody puts it right: nobody knows that it is wrong before it is read
                left.played.run()
                assert left.played.result.tries == 2
                assert left.played.result.verdict in (left.verdict, Verdict())


def test_a_line_that_is_taken_over_has_a_checksum_of_its_own(left):
    for line in left.lines:
        raw = json.loads(line)
        assert rewritten(raw) == rewritten(json.loads(rewritten(raw)))
        raw["wall"] = {"at": 1.5, "pid": 7}
        again = json.loads(rewritten(raw))
        assert again["wall"].pop("sum")
        assert again == raw
    left.journal.write_bytes(b"".join(rewritten(json.loads(line)) for line in left.lines))
    assert left.played.parts() == left.parts


# -- places that cannot be written ------------------------------------------------------------------------------------

JOB = """
from terrarium import entry, run_checkers

@entry(capabilities=["email"])
def fn(env, agent):
    for number in range(6):
        env.email.send("a@x.example", "b@x.example", f"mail {number}", "{text}" * 3000)
        agent.act("wait")
    return run_checkers({"six": lambda: env.email.count_inbox("b@x.example") == 6})
"""


@pytest.fixture
def disk(tmp_path):
    """A small disk, and a way to mount it anew."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)], capture_output=True).returncode:
        pytest.skip("this machine does not let root mount a small disk")

    def remount(options):
        subprocess.run(["mount", "-o", f"remount,{options}", str(place)], check=True)

    remount.place = place
    yield remount
    subprocess.run(["umount", "-l", str(place)], check=True)


def _job(tmp_path, run):
    task = tmp_path / "six" / "six.py"
    task.parent.mkdir(exist_ok=True)
    task.write_text(JOB)
    return JobConfig(
        agents=(AgentConfig(name="null"),),
        tasks=(TaskConfig(path=str(task)),),
        job_dir=str(run),
        n_attempts=2,
        n_workers=1,
        baseline=False,
        snapshot="every-turn",
        retry=RetryConfig(max_retries=0),
    )


def _everything(run):
    return {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name != "workers.log"}


def test_a_run_folder_that_can_only_be_read_is_one_clear_error_and_stays_as_it_is(tmp_path, disk):
    from terrarium.core.errors import EngineFault

    run = disk.place / "run"
    assert run_job(_job(tmp_path, run)).exit_code == 0
    for record in list((run / "verdicts").iterdir()):
        record.unlink()
    before = _everything(run)
    disk("ro")
    with pytest.raises(EngineFault, match="Read-only file system"):
        run_job(_job(tmp_path, run))
    assert _everything(run) == before
    disk("rw")
    assert run_job(_job(tmp_path, run)).exit_code == 0


_soak = pytest.mark.soak


@pytest.mark.parametrize("room", [300, *(pytest.param(room, marks=_soak) for room in range(20, 500, 40))])
def test_where_the_disk_is_full_nothing_is_scored_wrongly_and_it_goes_on_once_there_is_room(tmp_path, disk, room):
    """While journals are written, and snapshots, and records: the room (KiB) ends somewhere."""
    run = disk.place / "run"
    filler = disk.place / "filler"
    free = os.statvfs(disk.place)
    filler.write_bytes(bytes(free.f_bavail * free.f_frsize - room * 1024))
    result = run_job(_job(tmp_path, run))
    for one in result.results:
        if one.scored:
            assert one.verdict.reward == 1.0
        else:
            assert one.error is not None
            assert one.error["boundary"] == "engine", one.error
            assert "No space left" in one.error["message"], one.error
    before = _everything(run)
    filler.unlink()
    again = run_job(_job(tmp_path, run))
    assert [one.verdict.reward for one in again.results] == [1.0, 1.0]
    after = _everything(run)
    for path, text in before.items():
        if path.name == "journal.jsonl":
            lost = b"".join(other.read_bytes() for other in sorted(path.parent.glob("lost-*.jsonl")))
            whole = text[: text.rfind(b"\n") + 1]
            assert whole.endswith(lost)
            assert after[path].startswith(whole[: len(whole) - len(lost)])
    assert not [path for path in (run / "snapshots").iterdir() if path.name.startswith(".")]
