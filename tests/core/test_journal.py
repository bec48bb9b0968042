"""The journal keeps what it acknowledged, whatever becomes of its writer."""

from __future__ import annotations

import functools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.effort import examples

from terrarium.core.errors import JournalFault, ValueNotPlain
from terrarium.core.journal import EventKind, Journal, read, rewritten


def journal(path: Path) -> Journal:
    return Journal(path, lambda: 1_000_000)


def fill(path: Path, count: int) -> bytes:
    writer = journal(path)
    for number in range(count):
        writer.append(EventKind.CALL, "task", {"n": number})
    writer.close()
    return path.read_bytes()


def numbers(path: Path) -> list[int]:
    return [event.data["n"] for event in read(path)]


def test_events_are_numbered_lines_that_can_be_read_while_writing(tmp_path: Path):
    writer = journal(tmp_path / "deep" / "journal.jsonl")
    first = writer.append(
        EventKind.TURN, "agent", {"text": "ä\n\ud800"}, cause=None, seen_by=("agent",), wall={"pid": 7}
    )
    writer.append(EventKind.STOP, "world", {}, cause=first.seq)
    found = list(writer.read())
    assert [(e.seq, e.kind, e.actor, e.cause, e.seen_by) for e in found] == [
        (1, EventKind.TURN, "agent", None, ("agent",)),
        (2, EventKind.STOP, "world", 1, ()),
    ]
    assert found[0].data == {"text": "ä\n\ud800"}
    assert found[0].wall["pid"] == 7
    assert [e.seq for e in writer.read(after=1)] == [2]
    content = writer.path.read_bytes()
    assert content.isascii()
    assert content.count(b"\n") == 2
    writer.close()


def test_equal_part_ignores_wall(tmp_path: Path):
    parts = []
    for name, wall in (("a", {"pid": 1}), ("b", {"pid": 2, "seconds": 0.5})):
        writer = journal(tmp_path / name)
        writer.append(EventKind.CALL, "task", {"x": [1, 2.5, b"z"]}, wall=wall)
        parts.append([event.equal_part() for event in writer.read()])
        writer.close()
    assert parts[0] == parts[1]


def test_what_cannot_be_written_down_leaves_nothing(tmp_path: Path):
    writer = journal(tmp_path / "j")
    with pytest.raises(ValueNotPlain):
        writer.append(EventKind.CALL, "task", {"x": object()})
    assert writer.append(EventKind.CALL, "task", {}).seq == 1
    writer.close()


def test_closing_twice_and_writing_after(tmp_path: Path):
    writer = journal(tmp_path / "j")
    writer.close()
    writer.close()
    writer.sync()
    with pytest.raises(JournalFault, match="closed"):
        writer.append(EventKind.CALL, "task", {})


@pytest.mark.parametrize("torn", [b"{", b'{"seq":4,"kind":"call"', b"\xff\xfe", b'{"seq":4}\n', b"\n", b"null\n"])
def test_a_damaged_last_line_is_skipped_and_cut(tmp_path: Path, torn: bytes):
    path = tmp_path / "j"
    whole = fill(path, 3)
    path.write_bytes(whole + torn)
    assert numbers(path) == [0, 1, 2]
    writer = journal(path)
    if not torn.startswith(b'{"seq":4}'):  # a whole line, if not an event: the writer only counts
        assert writer.append(EventKind.CALL, "task", {"n": 3}).seq == 4
        assert numbers(path) == [0, 1, 2, 3]
    writer.close()


def test_torn_at_every_byte_of_the_last_line(tmp_path: Path):
    path = tmp_path / "j"
    whole = fill(path, 2)
    start = whole.index(b"\n") + 1
    for end in range(start, len(whole)):
        path.write_bytes(whole[:end])
        assert numbers(path) == [0]
        writer = journal(path)
        writer.append(EventKind.CALL, "task", {"n": 1})
        writer.close()
        assert numbers(path) == [0, 1]


def test_a_damaged_middle_line_is_an_error_and_nothing_is_cut(tmp_path: Path):
    path = tmp_path / "j"
    lines = fill(path, 4).splitlines(keepends=True)
    lines[1] = b"{broken}\n"
    path.write_bytes(b"".join(lines))
    with pytest.raises(JournalFault, match=r"j:2 is damaged"):
        list(read(path))
    with pytest.raises(JournalFault, match=r"j:2 is damaged"):
        journal(path)
    assert path.read_bytes() == b"".join(lines)


def test_a_line_that_is_moved_repeated_taken_out_or_changed_is_named(tmp_path: Path):
    path = tmp_path / "j"
    lines = fill(path, 6).splitlines(keepends=True)
    for told, damaged in (
        ("j:2 is out of order: it is event 3, where event 2 was written", [lines[0], lines[2], lines[1], *lines[3:]]),
        ("j:3 is out of order: it is event 2, where event 3 was written", [*lines[:2], *lines[1:]]),
        ("j:2 is out of order: it is event 3, where event 2 was written", [lines[0], *lines[2:]]),
        (
            "j:3 is not what was written: event 3 was changed",
            [*lines[:2], lines[2].replace(b'"n":2', b'"n":7'), *lines[3:]],
        ),
        ("j:6 is not what was written: event 6 was changed", [*lines[:5], lines[5].replace(b'"n":5', b'"n":7')]),
        ("j:6 is not what was written: event 9 was changed", [*lines[:5], lines[5].replace(b'"seq":6', b'"seq":9')]),
        ("j:6 is out of order: it is event 5, where event 6 was written", [*lines[:5], lines[4]]),
    ):
        path.write_bytes(b"".join(damaged))
        for use in (numbers, journal):
            with pytest.raises(JournalFault, match=told):
                use(path)
        assert path.read_bytes() == b"".join(damaged), "it is left as it is"


@settings(max_examples=examples(150))
@given(st.data())
def test_whatever_is_done_to_a_journal_it_says_what_was_written_or_that_it_is_damaged(data: st.DataObject):
    whole = _ten_lines()
    at = data.draw(st.integers(0, len(whole)))
    to = data.draw(st.integers(at, min(len(whole), at + data.draw(st.sampled_from([0, 1, 5, len(whole)])))))
    other = data.draw(st.sampled_from([b"", b"\n", b"0", b'"', b"}", whole[at:to] * 2, whole[:at], b"\xff\0"]))
    edited = whole[:at] + other + whole[to:]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "j"
        path.write_bytes(edited)
        try:
            assert [0, 1, 2, 3, 4, 5, 6, 7, 8, 9][: len(found := numbers(path))] == found
        except JournalFault:
            pass
        try:
            journal(path).close()
        except JournalFault:
            assert path.read_bytes() == edited, "it is left as it is"
        else:
            assert edited.startswith(path.read_bytes())


@functools.cache
def _ten_lines() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return fill(Path(folder) / "j", 10)


def test_lines_that_are_passed_over_count_and_a_tail_begins_where_it_begins(tmp_path: Path):
    path = tmp_path / "j"
    lines = fill(path, 6).splitlines(keepends=True)

    def some(head: bytes) -> bool:
        return b'"n":1' in head or b'"n":4' in head

    assert [event.data["n"] for event in read(path, wanted=some)] == [1, 4]
    path.write_bytes(b"".join(lines[3:]))
    assert numbers(path) == [3, 4, 5]
    path.write_bytes(b"".join([*lines[:2], *lines[3:]]))
    with pytest.raises(JournalFault, match="j:4 is out of order: it is event 5, where event 4 was written"):
        list(read(path, wanted=some))


def test_a_line_without_a_checksum_is_read_and_one_taken_over_gets_its_own(tmp_path: Path):
    path = tmp_path / "j"
    lines = [json.loads(line) for line in fill(path, 2).splitlines()]
    for line in lines:
        assert len(line["wall"].pop("sum")) == 8
    path.write_bytes(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
    assert numbers(path) == [0, 1]
    lines[1]["data"]["n"] = 8
    path.write_bytes(b"".join(map(rewritten, lines)))
    assert numbers(path) == [0, 8]
    path.write_bytes(path.read_bytes().replace(b'"n":8', b'"n":1'))
    with pytest.raises(JournalFault, match="j:2 is not what was written"):
        numbers(path)


def test_files_that_cannot_be_had(tmp_path: Path):
    with pytest.raises(JournalFault, match="No such file"):
        list(read(tmp_path / "none"))
    with pytest.raises(JournalFault, match="Is a directory"):
        journal(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(JournalFault):
        journal(tmp_path / "file" / "j")


def test_cut_moves_the_tail_and_appending_continues(tmp_path: Path):
    path = tmp_path / "j"
    lines = fill(path, 5).splitlines(keepends=True)
    writer = journal(path)
    assert writer.cut(9) is None
    assert writer.cut(3) == tmp_path / "lost-1.jsonl"
    assert (tmp_path / "lost-1.jsonl").read_bytes() == b"".join(lines[3:])
    assert writer.append(EventKind.CALL, "task", {"n": 77}).seq == 4
    assert numbers(path) == [0, 1, 2, 77]
    assert writer.cut(2) == tmp_path / "lost-2.jsonl"
    assert writer.cut(2) is None
    writer.close()
    assert numbers(path) == [0, 1]
    assert [e.data["n"] for e in read(tmp_path / "lost-2.jsonl")] == [2, 77]


FULL = """
import resource, signal, sys
from pathlib import Path
from terrarium.core.errors import JournalFault
from terrarium.core.journal import EventKind, Journal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
journal = Journal(Path(sys.argv[1]), lambda: 0)
try:
    while True:
        journal.append(EventKind.CALL, "task", {"text": "x" * 700})
except JournalFault as error:
    print(journal.seq, error.code)
try:
    journal.append(EventKind.CALL, "task", {})
except JournalFault as error:
    print("closed" in str(error))
"""


def test_a_full_disk_leaves_a_whole_journal_and_no_hole(tmp_path: Path):
    path = tmp_path / "j"
    told = subprocess.run(
        [sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, check=True
    ).stdout.split()
    assert told[1:] == ["EFBIG", "True"] or told[1:] == ["ENOSPC", "True"]
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) == int(told[0]) > 5
    assert all(line.endswith(b"\n") and json.loads(line) for line in lines)


WRITER = """
import sys
from pathlib import Path
from terrarium.core.journal import EventKind, Journal
journal = Journal(Path(sys.argv[1]), lambda: 0)
print("ready", flush=True)
n = journal.seq
while True:
    seq = journal.append(EventKind.CALL, "task", {"n": n, "text": "y" * (n * 37 % 3000)}).seq
    sys.stdout.write(f"{seq}\\n")
    sys.stdout.flush()
    n += 1
"""


def test_kill_9_at_any_moment_loses_nothing_that_was_acknowledged(tmp_path: Path):
    path, acknowledged = tmp_path / "j", 0
    moments = random.Random(1)
    for _ in range(6):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        os.set_blocking(writer.stdout.fileno(), True)
        killer = moments.uniform(0.0, 0.05)
        time.sleep(killer)
        writer.send_signal(signal.SIGKILL)
        told = writer.stdout.read().splitlines(keepends=True)
        writer.stdout.close()
        writer.wait()
        acknowledged = max([acknowledged, *(int(line) for line in told if line.endswith(b"\n"))])
        assert len(numbers(path)) >= acknowledged
    assert acknowledged > 0
    assert numbers(path) == list(range(len(numbers(path))))


def test_the_file_is_not_inherited_by_child_processes(tmp_path: Path):
    writer = journal(tmp_path / "j")
    assert not os.get_inheritable(writer._fd)
    writer.close()


def test_lines_that_are_not_in_order_are_refused(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl", lambda: 0)
    for number in range(4):
        journal.append(EventKind.CALL, "task", {"n": number})
    journal.close()
    one, two, three, four = journal.path.read_bytes().splitlines(keepends=True)
    for lines in ([one, three, two, four], [one, two, two], [one, two, one]):
        journal.path.write_bytes(b"".join(lines))
        with pytest.raises(
            JournalFault, match=r"journal\.jsonl:[23] is out of order: it is event \d, where event \d was written"
        ):
            list(read(journal.path))
