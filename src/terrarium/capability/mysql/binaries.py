"""Where MariaDB's server is on this machine, and how a sandbox gets to see it."""

from __future__ import annotations

import functools
import os
import shutil
from pathlib import Path

from terrarium.capability.database.binaries import Binaries, examined
from terrarium.core.errors import ConfigError

VARIABLE = "TERRARIUM_MARIADB"
_BELOW = ("", "usr/sbin", "usr/bin", "sbin", "bin", "libexec")
_USUAL = ("/usr/sbin", "/usr/libexec", "/usr/bin")
_SHARES = ("share/mysql", "share/mariadb", "share")
_INSIDE = "/opt/mariadb"


def find() -> Binaries:
    """The installation that servers are started from.

    It is the one that `TERRARIUM_MARIADB` names, which may be an unpacked package, else the one on the PATH, else that
    of the system.

    Raises:
        ConfigError: There is none, or the one that is named is none.
    """
    return _found(os.environ.get(VARIABLE, ""))


@functools.cache
def _found(named: str) -> Binaries:
    if named:
        for below in _BELOW:
            if _is_one(Path(named, below)):
                return _examined(Path(named, below))
        raise ConfigError(
            f"{VARIABLE}={named} is not a folder with the program `mariadbd`, nor an unpacked package with one and its "
            "`share/mysql`"
        )
    on_path = shutil.which("mariadbd")
    for folder in (*([Path(on_path).parent] if on_path else []), *map(Path, _USUAL)):
        if _is_one(folder):
            return _examined(folder)
    raise ConfigError(
        "this machine has no MariaDB: install the system's package (Debian: mariadb-server-core; it starts nothing), "
        f"or unpack it into a folder and name that in {VARIABLE}"
    )


def _is_one(folder: Path) -> bool:
    return os.access(folder / "mariadbd", os.X_OK) and _share(folder) is not None


def _share(folder: Path) -> Path | None:
    """The folder of the scripts that make a data folder."""
    prefix = (folder / "mariadbd").resolve().parent.parent
    shares = (prefix / below for below in _SHARES)
    return next((share for share in shares if (share / "mysql_system_tables.sql").is_file()), None)


def _examined(folder: Path) -> Binaries:
    program = (folder / "mariadbd").resolve()
    share = _share(folder)
    assert share is not None
    env = {"HOME": "/var/lib/mysql", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    if program.is_relative_to("/usr"):
        return examined(program, 2, (str(program.parent), {}), {**env, "SHARE": str(share)})
    prefix = program.parent.parent
    root = prefix.parent if prefix.name == "usr" else prefix
    inside = Path(_INSIDE)
    own = [
        path
        for path in (*root.glob("usr/lib/*-linux-gnu"), *root.glob("lib/*-linux-gnu"), root / "lib")
        if path.is_dir()
    ]
    libraries = [str(inside / path.relative_to(root)) for path in own]
    there = {"LD_LIBRARY_PATH": ":".join(libraries)} if libraries else {}
    return examined(
        program,
        2,
        (str(inside / program.parent.relative_to(root)), {str(inside): str(root)}),
        {**env, **there, "SHARE": str(inside / share.relative_to(root))},
        ":".join(map(str, own)),
    )
