"""`terrarium agreement`: items out, labels in, numbers out; and what is wrong with a file is said."""

from __future__ import annotations

import csv
import dataclasses
import json

import pytest
from click.testing import CliRunner

from terrarium.cli.main import terrarium
from terrarium.run.judge_config import JudgeConfig
from terrarium.run.trial import Trial

TASK = """
    @entry(["notes"], NOTES)
    def fn(env, agent):
        for text in ("please", "=1+1 now", "please do", "now"):
            env.judge("Is it polite?", text)
        env.judge("How lively?", "a!!", scale=(1, 5))
        return run_checkers({"fine": lambda: True})
"""


@pytest.fixture
def run(play):
    played = play(TASK, run=False)
    judge = JudgeConfig(model_name="tests.run.judge_models:Lenient/m")
    played.trial = Trial(dataclasses.replace(played.config, resume=False, judge=judge))
    assert played.run().reward == 1.0
    return played.folder


def told(run, *arguments):
    done = CliRunner().invoke(terrarium, ["agreement", str(run), *map(str, arguments)])
    return done.exit_code, done.output


def labels(run, tmp_path, *words, rater="ann"):
    """The template with a label in each row."""
    file = tmp_path / "items.csv"
    code, output = told(run, "--template", file)
    assert (code, output.startswith("5 items")) == (0, True)
    rows = list(csv.DictReader(file.read_text().splitlines(keepends=True)))
    return [{**row, "label": word, "rater": rater} for row, word in zip(rows, words, strict=True)]


def write(path, rows):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_items_are_shown_without_the_judges_answers(run, tmp_path):
    rows = labels(run, tmp_path, "", "", "", "", "")
    assert [row["question"] for row in rows] == ["Is it polite?"] * 4 + ["How lively?"]
    assert [row["scale"] for row in rows] == ["yes or no"] * 4 + ["1 to 5"]
    assert rows[1]["evidence"] == "[evidence]\n=1+1 now"
    assert "looked for" not in (tmp_path / "items.csv").read_text()
    told(run, "--template", tmp_path / "items.jsonl")
    lines = (tmp_path / "items.jsonl").read_text().splitlines()
    assert json.loads(lines[0])["item"] == rows[0]["item"]


def test_one_person(run, tmp_path):
    file = write(tmp_path / "labels.csv", labels(run, tmp_path, "yes", "No", "0", "", "4"))
    code, output = told(run, "--labels", file, "--json")
    assert code == 0, output
    polite, lively = json.loads(output)
    assert polite["judge"]["n"] == 3
    assert polite["confusion"] == [[1, 0], [1, 1]]
    assert polite["judge"]["kappa"] == pytest.approx(0.4)
    assert lively["confusion"][2][3] == 1  # the judge says 3, the person 4
    code, output = told(run, "--labels", file)
    assert "kappa 0.400 [" in output
    assert "67% of 3 equal" in output
    assert "kappa (quadratic weights) 0.000" in output


def test_several_people(run, tmp_path):
    rows = labels(run, tmp_path, "yes", "no", "yes", "no", "3")
    rows += labels(run, tmp_path, "yes", "no", "no", "no", "", rater="bob")
    code, output = told(run, "--labels", write(tmp_path / "labels.csv", rows), "--json")
    assert code == 0, output
    polite = json.loads(output)[0]
    assert polite["raters"] == ["ann", "bob"]
    assert polite["divided"] == 1
    assert (polite["each"]["ann"]["kappa"], polite["judge"]["kappa"]) == (1.0, 1.0)
    assert polite["alpha"] == pytest.approx(1 - (2 / 8) / (2 * 3 * 5 / 56))
    as_lines = tmp_path / "labels.jsonl"
    as_lines.write_text(
        "".join(json.dumps({key: row[key] for key in ("item", "label", "rater")}) + "\n" for row in rows)
    )
    assert json.loads(told(run, "--labels", as_lines, "--json")[1])[0] == polite


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"item": "nowhere:1"}, "there is no item 'nowhere:1'"),
        ({"label": "perhaps"}, "is no label of"),
        ({"lable": "yes"}, "unknown key 'lable'; did you mean 'label'?"),
    ],
)
def test_what_is_wrong_with_labels_is_said(run, tmp_path, change, message):
    row = {**labels(run, tmp_path, "yes", "", "", "", "")[0], **change}
    code, output = told(run, "--labels", write(tmp_path / "labels.csv", [row]))
    assert code == 2
    assert "row 1" in output
    assert message in output


def test_a_label_that_is_given_twice_and_files_that_are_none(run, tmp_path):
    [row, *_] = labels(run, tmp_path, "yes", "", "", "", "")
    file = write(tmp_path / "labels.csv", [row, row])
    assert "has labelled" in told(run, "--labels", file)[1]
    file.write_text("item,label\na,b,c\n")
    assert "more cells" in told(run, "--labels", file)[1]
    file.write_bytes(b"\xff\xfe")
    assert "UTF-8" in told(run, "--labels", file)[1]
    (tmp_path / "x.jsonl").write_text("[1]\n")
    assert "line 1 is no JSON object" in told(run, "--labels", tmp_path / "x.jsonl")[1]
    assert "either --template" in told(run)[1]
    assert "no run with trials" in told(tmp_path / "none", "--template", "x.csv")[1]
    assert "a .csv or a .jsonl file" in told(run, "--template", tmp_path / "x.pdf")[1]
