"""The official JavaScript clients, installed once into a cache; tests are skipped where they cannot be had."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).parent / "notion_js"
CACHE = Path(__file__).parents[2] / ".cache" / "notion-js"


@functools.cache
def _installed() -> Path | str:
    """The folder with the clients, or the reason why there is none."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    files = sorted(path for path in SOURCE.iterdir() if path.is_file())
    key = hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()[:16]
    ready = CACHE / key
    if ready.exists():
        return ready
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as made:
        folder = Path(made, "clients")
        shutil.copytree(SOURCE, folder)
        done = subprocess.run(
            ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=110,
        )
        if done.returncode != 0:
            return f"npm ci failed: {done.stderr.strip()[-300:]}"
        try:
            folder.rename(ready)
        except OSError:  # somebody else was quicker
            if not ready.exists():
                raise
    return ready


def clients() -> Path:
    """The folder in which the clients are installed; skips the test where they cannot be."""
    found = _installed()
    if isinstance(found, str):
        pytest.skip(f"the JavaScript clients of Notion cannot be had: {found}")
    return found


def schema(kind: str) -> dict[str, Any]:
    """The JSON schema of `Answers` or `Bodies`, from the types of the official client."""
    folder = clients()
    path = folder / f"{kind}.json"
    if not path.exists():
        program = folder / "node_modules" / ".bin" / "ts-json-schema-generator"
        with tempfile.NamedTemporaryFile(dir=folder, suffix=".json", delete=False) as made:
            asked = ["--path", "answers.ts", "--no-type-check", "--type", kind, "-o", made.name]
            subprocess.run([program, *asked], cwd=folder, check=True, timeout=110, capture_output=True)
            Path(made.name).replace(path)
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def node(*command: str, **env: str) -> str:
    """What a program of node's says."""
    done = subprocess.run(
        ["node", *command],
        cwd=clients(),
        env={"PATH": os.environ["PATH"], **env},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
