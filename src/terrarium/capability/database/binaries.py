"""An installation of a database's programs on this machine, and how a sandbox gets to see it."""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from terrarium.core.errors import ConfigError


@dataclass(frozen=True)
class Binaries:
    """One installation.

    Attributes:
        host: The folder of its programs on this machine.
        folder: The same inside a sandbox.
        mounts: Folders of the machine that the sandbox must show for that, by path inside.
        version: Such as `16.4`.
        series: The part of the version that its data folders are bound to.
        key: A short name for it, another one for another installation.
        env: The environment of its programs in a sandbox.
    """

    host: str
    folder: str
    mounts: Mapping[str, str]
    version: str
    series: str
    key: str
    env: Mapping[str, str] = field(default_factory=dict)


def examined(
    program: Path, parts: int, shown: tuple[str, Mapping[str, str]], env: Mapping[str, str], libraries: str = ""
) -> Binaries:
    """The installation that a server's program belongs to.

    Args:
        program: It says its version with `--version`.
        parts: How many numbers of the version make the series.
        shown: (The folder of the programs inside a sandbox, what it must be shown).
        env: Of its programs in a sandbox.
        libraries: Folders of its own libraries, as `LD_LIBRARY_PATH` has them; empty: it needs none.

    Raises:
        ConfigError: It does not say its version.
    """
    own = {"LD_LIBRARY_PATH": libraries} if libraries else {}
    told = subprocess.run(
        [program, "--version"], capture_output=True, text=True, timeout=30, check=False, env=own or None
    )
    version = re.search(r"\d+(?:\.\d+)+|\d+", told.stdout)
    if told.returncode or version is None:
        raise ConfigError(f"{program} does not say its version: {(told.stderr or told.stdout).strip()[:200]}")
    known = program.stat()
    about = f"{program} {version[0]} {known.st_size} {known.st_mtime_ns}"
    series = ".".join(version[0].split(".")[:parts])
    key = hashlib.sha256(about.encode()).hexdigest()[:16]
    inside, mounts = shown
    return Binaries(str(program.parent), inside, mounts, version[0], series, key, env)
