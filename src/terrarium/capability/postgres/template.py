"""The data folder that every server begins with: made once for an installation, kept in the user's cache.

A template is the folder of a sandbox in which `initdb` ran; servers stand on it without copying it. Beside it lies the
same as a saved state, which snapshots take with them, so that they can be opened where this cache is not.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import tempfile
import weakref
from dataclasses import dataclass
from pathlib import Path

from terrarium.capability.postgres.binaries import Binaries
from terrarium.core.aside import aside
from terrarium.core.errors import CapabilityFault
from terrarium.core.files import link_or_copy
from terrarium.core.registry import find
from terrarium.core.removal import try_remove_tree
from terrarium.core.sandbox import Ground, Sandbox

USER, PASSWORD, DATABASE = "postgres", "terrarium", "main"
DATA = "/var/lib/postgresql/data"
RUN = "/run/postgresql"
UID = 26
_VERSION = 2  # of what is below; another number makes new templates
_SECONDS = 120.0
_SETTINGS = """
fsync = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
min_wal_size = 2MB
max_wal_size = 64MB
checkpoint_timeout = 1d
autovacuum = off
jit = off
shared_buffers = 16MB
temp_file_limit = 512MB
max_connections = 100
max_worker_processes = 2
max_parallel_workers = 0
max_parallel_workers_per_gather = 0
timezone = 'UTC'
log_timezone = 'UTC'
log_min_messages = fatal
log_min_error_statement = panic
bgwriter_delay = 10s
wal_writer_delay = 10s
"""
_MAKE = """
set -e
mkdir -p /run/postgresql
printf %s "$PASSWORD" > /tmp/password
make() {
    "$BIN/initdb" -D "$DATA" -U "$ADMIN" --auth=scram-sha-256 --pwfile=/tmp/password \
        --encoding=UTF8 "$@" --no-sync --wal-segsize=1
}
make --lc-collate=C --lc-ctype=C.UTF-8 --lc-messages=C --lc-monetary=C --lc-numeric=C --lc-time=C || {
    rm -rf "$DATA"
    make --locale=C
}
cat >> "$DATA/postgresql.conf"
printf 'local all all trust\nhost all all all scram-sha-256\n' > "$DATA/pg_hba.conf"
echo "CREATE DATABASE $DATABASE" | "$BIN/postgres" --single -F -D "$DATA" postgres
rm /tmp/password
"""


@dataclass(frozen=True)
class Template:
    """A data folder to begin with: `box`, the folder of a closed sandbox; `saved`, the same as a saved state."""

    key: str
    box: Path
    saved: Path


_making: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = weakref.WeakKeyDictionary()


def cache() -> Path:
    """The folder for what is kept from run to run; made where it is not there."""
    homes = [os.environ.get("XDG_CACHE_HOME"), str(Path("~/.cache").expanduser())]
    for home in [home for home in homes if home] + [str(Path(tempfile.gettempdir(), f"terrarium-{os.getuid()}"))]:
        place = Path(home, "terrarium", "postgres")
        with contextlib.suppress(OSError):
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            if os.access(place, os.W_OK | os.X_OK) and place.stat().st_uid == os.geteuid():
                return place
    raise CapabilityFault("there is no folder to keep database templates in: set XDG_CACHE_HOME to one")


def box_of(binaries: Binaries, folder_below: Path | None, **ground: object) -> Sandbox:
    """A sandbox for PostgreSQL's programs, not yet open."""
    settings = {"name": "postgres", "mounts": binaries.mounts, "uid": UID, "below": folder_below, **ground}
    made: Sandbox = find("sandbox", "local")(Ground(**settings))  # type: ignore[arg-type]
    return made


async def template(binaries: Binaries) -> Template:
    """The template of an installation; made where it is not there yet.

    Raises:
        CapabilityFault: `initdb` failed, or there is no place for it.
        SandboxFault: This machine gives no sandbox.
    """
    index = cache() / f"{binaries.key}-{_VERSION}"
    known = _known(index)
    if known is not None:
        return known
    async with _making.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
        return _known(index) or await _make(binaries, index)


async def restored(binaries: Binaries, key: str, saved: Path) -> Template:
    """The template that a snapshot was made on, from this machine's cache or from the snapshot itself.

    Args:
        binaries: What it is for.
        key: Of the template.
        saved: The saved state in the snapshot.

    Raises:
        CapabilityFault: It is neither here nor there.
    """
    place = cache() / "templates" / key
    if not (place / "box").is_dir():
        if not saved.is_dir():
            raise CapabilityFault(f"the state of the database stands on a template that is not there: {saved}")
        draft = _draft()
        try:
            await aside(lambda: shutil.copytree(saved, draft / "saved"))
            await aside(lambda: shutil.copytree(saved, draft / "box"))
            box = box_of(binaries, None)
            await box.open(draft / "box")
            await box.exec(["true"])  # which lays out the files
            await box.close()
            _put(draft, place)
        finally:
            await aside(lambda: try_remove_tree(draft))
    return Template(key, place / "box", place / "saved")


def copy_saved(source: Path, to: Path) -> None:
    """A saved template in another place, as links where possible: it never changes."""
    for path in sorted(source.rglob("*")):
        target = to / path.relative_to(source)
        if path.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            link_or_copy(path, target)


def _known(index: Path) -> Template | None:
    try:
        key = index.read_text("ascii").strip()
    except OSError:
        return None
    place = cache() / "templates" / key
    return Template(key, place / "box", place / "saved") if (place / "box").is_dir() else None


async def _make(binaries: Binaries, index: Path) -> Template:
    draft = _draft()
    try:
        box = box_of(binaries, None)
        await box.open(draft / "box")
        try:
            await box.write("/var/lib/postgresql/", b"")
            people = await box.read("/etc/passwd")
            user = f"postgres:x:{UID}:{UID}:PostgreSQL:/var/lib/postgresql:/bin/sh\n"
            await box.write("/etc/passwd", people + user.encode())
            env = {
                **binaries.env, "BIN": binaries.folder, "DATA": DATA, "ADMIN": USER, "PASSWORD": PASSWORD,
                "DATABASE": DATABASE,
            }  # fmt: skip
            settings = _SETTINGS + ("io_method = sync\n" if binaries.major >= 18 else "")
            done = await box.exec(_MAKE, timeout=_SECONDS, env=env, stdin=settings.encode())
            if done.exit_code:
                raise CapabilityFault(f"initdb of {binaries.host} failed: {(done.stderr or done.stdout)[-500:]}")
            await box.save(draft / "saved")
        finally:
            await box.close()
        key = draft.name.rpartition(".")[2]
        place = cache() / "templates" / key
        _put(draft, place)
        fresh = index.with_name(f".{index.name}.{key}")
        fresh.write_text(key, "ascii")
        fresh.replace(index)
        return Template(key, place / "box", place / "saved")
    finally:
        await aside(lambda: try_remove_tree(draft))


def _draft() -> Path:
    place = cache() / "templates"
    place.mkdir(mode=0o700, exist_ok=True)
    draft = place / f".draft.{secrets.token_hex(8)}"
    draft.mkdir(mode=0o700)
    return draft


def _put(draft: Path, place: Path) -> None:
    try:
        draft.rename(place)
    except OSError as error:  # somebody else did the same meanwhile
        if not (place / "box").is_dir():
            raise CapabilityFault(f"the template {place} cannot be kept: {error.strerror}") from error
