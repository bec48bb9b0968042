"""`terrarium show`: the table of a run, the story of a trial, and journals in every state of repair."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from terrarium.cli.entry import Entry
from terrarium.cli.main import terrarium
from terrarium.cli.transcript import Transcript
from tests.cli.conftest import SMALL, Shop

STORY = r"""
    from terrarium import check, entry, run_checkers

    EVIL = "\x1b[2J\x1b]0;owned\x07 \u202egnp.exe [bold]not bold[/bold]"

    @entry(capabilities=["email", "workspace"], capabilities_config={"workspace": {"sandbox": "memory"}})
    def program(env, agent):
        "Nasty."
        env.email.send("eve@x.example", env.email.address(), EVIL.replace("\x1b", "").replace("\x07", ""), EVIL)
        env.workspace.fs.write_file("long.txt", "line\n" * 1000)
        env.after("4s", lambda: env.workspace.fs.write_file("note.txt", "new " + EVIL))
        env.workspace.fs.write_file("note.txt", "old")
        agent.act("Read. " + EVIL)
        env.reward("kindness", 0.5)
        return run_checkers({
            "note": check(lambda: env.workspace.fs.read_text("note.txt").startswith("new"), weight=2),
            "broke": check(lambda: 1 / 0, required=True),
            "gone": check(lambda: env.workspace.fs.exists("gone"), forbidden=True),
        })

    @program.solution
    def solve(seat):
        seat.call("workspace_read", path="long.txt")
        seat.result("workspace_read", path="missing" + EVIL)
        seat.result("no_such_tool", x=[1, {"a": EVIL}])
        seat.call("workspace_write", path="mine.txt", content="mine")
        return "I am done. " + EVIL
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One finished run, looked at in many ways."""
    shop = Shop(tmp_path_factory.mktemp("story"))
    shop.task("nasty", STORY)
    shop("run", "nasty", "-o", "out", "--seeds", "0,1", "--sandbox", "memory", *SMALL)
    return shop.folder / "out"


def show(*args: object, code: int = 0) -> str:
    result = CliRunner().invoke(terrarium, ["show", *map(str, args)])
    assert result.exit_code == code, result.output
    return result.output


def rows(run: Path) -> list[dict]:
    return json.loads(show(run, "--json"))


def the_one(run: Path) -> str:
    return next(row["id"] for row in rows(run) if row["seed"] == 1)


def test_the_table_has_every_trial(run):
    said = show(run)
    assert len(said.splitlines()) == 4
    assert [row["baseline"] for row in rows(run)] == [False, False, True]
    for row in rows(run):
        assert row["id"][:8] in said


def test_the_story_has_everything_that_happened(run):
    said = show(run, the_one(run)[:10])
    for part in (
        "nasty  agent oracle  seed 1  attempt 1",
        "── Monday 2030-01-07 UTC",
        "env.email.send(",
        "turn 1  agent",
        "▌ Read.",
        'agent → workspace_read(path="long.txt")',
        "← line",
        "more lines",
        "fires  env.after of event",
        "~ workspace file /root/note.txt",
        "- content: old",
        "+ content: new",
        "← error: there is no tool 'no_such_tool'",
        "+ workspace file /root/mine.txt",
        "turn 1 ends: completed",
        "reward  kindness 0.5",
        "✓ note  (weight 2)",
        "✗ broke  (weight 1, required)",
        "! ZeroDivisionError: division by zero",
        "✓ not: gone  (weight 0, forbidden)",
        "snapshot ",
        "stop  completed",
        "verdict  reward 0.000  not passed",
    ):
        assert part in said, part
    assert re.search(r"^09:00:0[4-9]  fires", said, re.MULTILINE)


def test_what_it_was_made_with_is_told_with_all(run):
    said = show(run, the_one(run), "--all")
    for part in ("engine: ", "task: ", "capability email: ", "capability workspace: ", "sandbox of workspace: memory"):
        assert f"\n{part}" in said, part
    assert "engine: " not in show(run, the_one(run))


def test_of_a_long_text_only_the_lines_that_differ_are_shown():
    before = {"content": b"".join(b"line %d\n" % number for number in range(100)), "size": 3}
    after = {**before, "content": before["content"].replace(b"line 70\n", b"line seventy\n")}
    data = {"capability": "workspace", "table": "file", "key": "/a", "before": before, "after": after}
    event = Entry(1, "change", "agent", datetime(2030, 1, 7, tzinfo=UTC), None, data, {})
    said = [line.plain.strip() for line in Transcript().lines([event])]
    assert said[1:] == ["~ workspace file /a", "content:", "- line 70", "+ line seventy"]


@pytest.mark.parametrize("flags", [[], ["--all"], ["--json"], ["--no-color", "--all"]])
def test_nothing_in_it_steers_the_terminal(run, flags):
    said = show(run, the_one(run), *flags)
    assert not set(said) & {chr(code) for code in (*range(0, 10), *range(11, 32), 127, *range(128, 160), 0x202E)}
    if "--json" not in flags:
        assert r"\u202egnp.exe [bold]not bold[/bold]" in said


def test_no_value_is_longer_than_two_hundred_lines(run):
    said = show(run, the_one(run), "--all")
    assert said.count(" line\n") <= 4 * 200  # written, changed, called and read
    assert "… 800 more lines" in said
    assert len(said.splitlines()) > len(show(run, the_one(run)).splitlines())


def test_json_is_the_whole_story(run):
    told = json.loads(show(run, the_one(run), "--json"))
    assert (told["stop"], told["error"], told["damaged"]) == ("completed", None, None)
    assert told["verdict"]["reward"] == 0.0
    assert told["header"]["seed"] == 1
    assert [event["seq"] for event in told["events"]] == list(range(1, len(told["events"]) + 1))


def test_a_trial_is_found_by_its_beginning_its_folder_and_its_journal(run):
    name = the_one(run)
    story = show(run, name)
    assert show(run, name[:9]) == show(run / "trials" / name) == story
    assert show(run / "trials" / name / "try-1" / "journal.jsonl") == story
    assert "is a file" in show(run / "trials" / name / "try-1" / "journal.jsonl", "x", code=2)


def test_the_whole_name_of_a_task_wins_over_the_beginning_of_an_id(shop):
    """Sixteen letters are each the beginning of ids of others."""
    names = "0123456789abcdef"
    for name in names:
        shop.task(f"set/{name}")
    shop("run", "set", "-o", "out", "--no-baseline", *SMALL)
    ids = {row["task"]: row["id"] for row in rows(shop.folder / "out")}
    assert any(ids[name][0] != name and name in [one[0] for one in ids.values()] for name in names)
    for name in names:
        assert json.loads(show(shop.folder / "out", name, "--json"))["header"]["trial"] == ids[name]


def test_what_is_not_one_trial_is_refused(run, tmp_path):
    assert "3 trials are meant by 'nasty'" in show(run, "nasty", code=2)
    assert "no trial 'zzz'" in show(run, "zzz", code=2)
    assert "holds neither" in show(tmp_path, code=2)
    assert "there is no run" in show(tmp_path / "nowhere", code=2)


def test_a_truncated_journal_is_shown_as_far_as_it_goes(run, tmp_path):
    whole = (run / "trials" / the_one(run) / "try-1" / "journal.jsonl").read_bytes()
    header = whole.index(b"\n") + 1
    torn = tmp_path / "journal.jsonl"
    for end in range(header, len(whole), len(whole) // 40):
        torn.write_bytes(whole[:end])
        assert show(torn).startswith("nasty  agent oracle")
        assert json.loads(show(torn, "--json"))["verdict"] is None
    torn.write_bytes(whole[: header // 2])
    assert "holds no event" in show(torn, code=1)


def test_a_damaged_journal_is_shown_up_to_the_damage(run, tmp_path):
    lines = (run / "trials" / the_one(run) / "try-1" / "journal.jsonl").read_bytes().splitlines(keepends=True)
    bad = tmp_path / "journal.jsonl"
    bad.write_bytes(b"".join([*lines[:6], b'{"seq": 7, "kind": "call"}\n', *lines[7:]]))
    said = show(bad, code=1)
    assert "env.email.send(" in said
    assert "line 7, is damaged" in said
    assert "line 7" in json.loads(show(bad, "--json"))["damaged"]


def test_what_this_version_does_not_know_is_shown_as_data(run, tmp_path):
    lines = (run / "trials" / the_one(run) / "try-1" / "journal.jsonl").read_bytes().splitlines(keepends=True)
    record = {"$record": "OfSomeTask", "fields": {"color": "blue"}}
    rare = {"seq": 2, "kind": "return", "actor": "task", "time": 0, "cause": 1, "data": {"value": record}}
    new = {"seq": 3, "kind": "eclipse", "actor": "moon\x1b", "time": 0, "cause": None, "data": {"$bytes": "AAH/"}}
    odd = {"seq": 4, "kind": "check", "actor": "task", "time": 0, "cause": None, "data": {"unexpected": 1}}
    blob = {"seq": 5, "kind": "notice", "actor": "x", "time": 0, "cause": None, "data": {"text": {"$blob": "0" * 64}}}
    blob["data"]["text"] |= {"of": "str", "size": 9}
    new["data"] = {"shape": new["data"]}
    journal = tmp_path / "a" / "b" / "c" / "journal.jsonl"
    journal.parent.mkdir(parents=True)
    journal.write_bytes(lines[0] + b"".join(json.dumps(event).encode() + b"\n" for event in (rare, new, odd, blob)))
    said = show(journal)
    assert '= {"color": "blue"}' in said
    assert "eclipse  moon\\x1b" in said
    assert '{"unexpected": 1}' in said
    assert "[blob 000000000000 is missing]" in said
    assert len(json.loads(show(journal, "--json"))["events"]) == 5


def test_an_unfinished_trial_is_in_the_table(run, tmp_path):
    name = the_one(run)
    whole = (run / "trials" / name / "try-1" / "journal.jsonl").read_bytes()
    journal = tmp_path / "trials" / name / "try-2" / "journal.jsonl"
    journal.parent.mkdir(parents=True)
    journal.write_bytes(whole[: len(whole) // 2])
    (tmp_path / "trials" / ("f" * 64)).mkdir()
    first, second = sorted(rows(tmp_path), key=lambda row: row["task"])
    assert (first["task"], first["stop"]) == ("?", "unfinished")
    assert (second["task"], second["agent"], second["seed"], second["reward"]) == ("nasty", "oracle", 1, None)
    assert show(tmp_path, "nasty").startswith("nasty")


def test_what_agents_changed_is_told_safely(run):
    journals = sorted(run.glob("trials/*/try-1/journal.jsonl"))
    told = [show(journal, "--diff") for journal in journals]
    assert any("+ file /root/mine.txt (by agent)" in text for text in told)
    assert all("\x1b" not in text and "\u202e" not in text for text in told)
    assert not any("note.txt" in text for text in told), "it is the program that wrote it"
    assert any("~ file /root/note.txt (by task)" in show(journal, "--diff", "--all") for journal in journals)
    data = [json.loads(show(journal, "--diff", "--json")) for journal in journals]
    assert any(change["key"] == "/root/mine.txt" for each in data for change in each["changes"])
    assert "about one trial" in show(run, "--diff", code=2)


def test_what_models_were_asked_for_is_told_at_the_end_and_with_all_for_each_answer():
    usage = {"input_tokens": 1000, "output_tokens": 20, "cached_tokens": 400, "reasoning_tokens": 0}
    answer = {"message": {"content": "Hi."}, "usage": usage, "model": "m-1", "cost": 0.25, "retries": {"server": 2}}
    asked = {"completion": answer}
    free = {"completion": {**answer, "cost": None, "retries": {}}}
    at = datetime(2030, 1, 7, tzinfo=UTC)
    events = [Entry(1, "model", "agent", at, None, asked, {}), Entry(2, "model", "agent", at, None, free, {})]
    events.append(Entry(3, "stop", "world", at, None, {"reason": "completed"}, {}))
    told = "2,000 tokens in (800 cached), 40 out, $0.2500, 1 steps without a known price, 2 requests sent again"
    assert [line.plain for line in Transcript().lines(events)][-1].strip() == f"agent: 2 model calls, {told}"
    first = "m-1: 1,000 tokens in (400 cached), 20 out, $0.2500, 2 requests sent again"
    assert first in [line.plain.strip() for line in Transcript(everything=True).lines(events)]
