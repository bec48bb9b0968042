"""The command `terrarium serve-model`."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from terrarium.cli.main import terrarium


def post(url: str, key: str = "any") -> tuple[int, Any]:
    asked = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi there"}]}).encode()
    request = urllib.request.Request(f"{url}/v1/chat/completions", asked, {"Authorization": f"Bearer {key}"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers)


def test_it_says_where_it_is_serves_and_ends_when_asked(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    words = ["serve-model", "echo", "--port", "0", "--name", "parrot", "--fault", "429,at=1,after=3"]
    words += ["--require-key", "the-key-of-a-test", "--log", str(log), "--delay", "0.01"]
    command = [sys.executable, "-u", "-m", "terrarium.cli.main", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            found = re.fullmatch(r"serving parrot at (http://127\.0\.0\.1:\d+)\n", first)
            assert found is not None, first
            status, headers = post(found[1], "the-key-of-a-test")
            assert status == 429
            assert {key.lower(): value for key, value in headers.items()}["retry-after"] == "3"
            status, answer = post(found[1], "the-key-of-a-test")
            assert status == 200
            assert answer["choices"][0]["message"]["content"] == "hi there"
            assert post(found[1], "another-key")[0] == 401
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()  # what failed is told, not waited for
    text = log.read_text()
    assert "the-key" not in text
    assert [json.loads(line)["status"] for line in text.splitlines()] == [429, 200, 401]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["ehco"], "did you mean 'echo'"),
        (["echo", "--fault", "boom"], "there is no fault 'boom'"),
        (["solution:/nowhere"], "/nowhere"),
        (["script.toml"], "cannot read the script"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(words: list[str], told: str) -> None:
    result = CliRunner().invoke(terrarium, ["serve-model", *words])
    assert result.exit_code == 2
    assert told in result.output
    assert result.output.count("\n") == 1
