"""`terrarium replay`: exit codes, what is printed, and how a trial is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from terrarium.cli.main import terrarium
from terrarium.run.config import SandboxConfig, TaskConfig
from terrarium.run.trial import Trial, TrialConfig
from tests.cli.conftest import Shop

EVIL = r"""
    from terrarium import entry, run_checkers

    @entry(capabilities=["email"])
    def program(env, agent):
        env.email.send("eve@x.example", env.email.address(), "Hello", "\u202egnp.exe")
        agent.act("Read your mail.")
        return run_checkers({"read": lambda: agent.replies[0].text == "read"})

    @program.solution
    def solve(seat):
        seat.call("email_read", id=seat.call("email_list")["mails"][0]["id"])
        return "read"
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A run of two trials, and one of one."""
    made = Shop(tmp_path_factory.mktemp("replayed"))
    task = TaskConfig(path=str(made.task("evil", EVIL)))
    for run, seed in (("out", 0), ("out", 1), ("one", 0)):
        place = SandboxConfig(name="memory")
        config = TrialConfig(task, seed=seed, trial_dir=str(made.folder / run), sandbox_provider=place)
        assert Trial(config).run_sync().verdict.reward == 1.0
    return made


def replay(*args: object, code: int = 0) -> str:
    result = CliRunner().invoke(terrarium, ["replay", *map(str, args)])
    assert result.exit_code == code, result.output
    return result.output


def edited(journal: Path, to: Path, old: str, new: str) -> Path:
    to.mkdir()
    text = journal.read_text()
    assert old in text
    (to / "journal.jsonl").write_text(text.replace(old, new, 1))
    return to / "journal.jsonl"


@pytest.fixture
def journal(shop: Shop) -> Path:
    [found] = (shop.folder / "one").glob("trials/*/try-1/journal.jsonl")
    return found


def test_a_trial_is_named_in_every_way_that_show_understands(shop, journal):
    id = journal.parent.parent.name
    for args in (
        (shop.folder / "one",),
        (shop.folder / "one", id[:9]),
        (journal.parent.parent,),
        (journal.parent,),
        (journal,),
    ):
        assert f"identical: evil ({id[:12]})" in replay(*args)


def test_another_process_may_replay_it(shop):
    said = shop("replay", "one", "evil")
    assert said.startswith("identical: evil")


def test_the_first_difference_is_shown_with_what_came_before_it(journal, tmp_path):
    """Nothing in it steers the terminal."""
    other = edited(journal, tmp_path / "x", r"\u202egnp.exe", r"\u202ecod.exe")
    said = replay(other, code=1)
    assert "different: evil" in said
    [recorded, replayed] = [line for line in said.splitlines() if line[:4] in ("  - ", "  + ")]
    assert recorded[4:12] == replayed[4:12]
    assert "args.body:" in said
    assert said.count("\n    event ") == 3
    assert "\u202e" not in said


def test_as_json(journal, tmp_path):
    told: dict[str, Any] = json.loads(replay(journal, "--json"))
    assert (told["identical"], told["exact"], told["difference"], told["task"]) == (True, True, None, "evil")
    told = json.loads(
        replay(
            edited(journal, tmp_path / "x", '"completed","text":"read"', '"completed","text":"reed"'), "--json", code=1
        )
    )
    assert not told["identical"]
    assert told["difference"]["kind"] == "turn"
    assert told["difference"]["fields"] == [{"place": "text", "one": '"reed"', "other": '"read"'}]


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("out",), "out has 2 trials: name one"),
        (("out", "evil"), "2 trials are meant by 'evil'"),
        (("nothing",), "there is no run, trial or journal"),
        (("one", "zzz"), "has no trial 'zzz'"),
        (("one", "evil", "--task", "nowhere"), "the task 'evil' is not at"),
    ],
)
def test_what_is_not_there_is_a_wrong_command(shop, monkeypatch, args, told):
    monkeypatch.chdir(shop.folder)
    assert told in replay(*args, code=2)


def test_what_cannot_be_replayed_ends_with_two_and_says_why(journal, tmp_path):
    (tmp_path / "journal.jsonl").write_bytes(journal.read_bytes()[:-50])
    assert "the trial was not finished, or the end is lost" in replay(tmp_path, code=2)
    said = replay(tmp_path, "--json", code=2).splitlines()[0]
    assert json.loads(said)["reason"] == "unfinished"
    (tmp_path / "journal.jsonl").write_bytes(b"")
    assert "does not begin with a header" in replay(tmp_path, code=2)
