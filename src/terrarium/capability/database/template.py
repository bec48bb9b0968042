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

from terrarium.capability.database.binaries import Binaries
from terrarium.capability.database.kind import Kind
from terrarium.core.aside import aside
from terrarium.core.errors import CapabilityFault
from terrarium.core.registry import find
from terrarium.core.removal import try_remove_tree
from terrarium.core.sandbox import Ground, Sandbox
from terrarium.core.sharing import share_tree

_SECONDS = 120.0


@dataclass(frozen=True)
class Template:
    """A data folder to begin with: `box`, the folder of a closed sandbox; `saved`, the same as a saved state."""

    key: str
    box: Path
    saved: Path


_making: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = weakref.WeakKeyDictionary()


def cache(name: str) -> Path:
    """The folder for what is kept from run to run of a kind of database; made where it is not there."""
    homes = [os.environ.get("XDG_CACHE_HOME"), str(Path("~/.cache").expanduser())]
    for home in [home for home in homes if home] + [str(Path(tempfile.gettempdir(), f"terrarium-{os.getuid()}"))]:
        place = Path(home, "terrarium", name)
        with contextlib.suppress(OSError):
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            if os.access(place, os.W_OK | os.X_OK) and place.stat().st_uid == os.geteuid():
                return place
    raise CapabilityFault("there is no folder to keep database templates in: set XDG_CACHE_HOME to one")


def box_of(kind: Kind, binaries: Binaries, folder_below: Path | None, **ground: object) -> Sandbox:
    """A sandbox for a database's programs, not yet open."""
    settings = {"name": kind.name, "mounts": binaries.mounts, "uid": kind.uid, "below": folder_below, **ground}
    made: Sandbox = find("sandbox", "local")(Ground(**settings))  # type: ignore[arg-type]
    return made


def environment(kind: Kind, binaries: Binaries) -> dict[str, str]:
    """The variables of a kind's scripts."""
    return {
        **binaries.env, "BIN": binaries.folder, "DATA": kind.data, "ADMIN": kind.user, "PASSWORD": kind.password,
        "DATABASE": kind.database,
    }  # fmt: skip


async def template(kind: Kind, binaries: Binaries) -> Template:
    """The template of an installation; made where it is not there yet.

    Raises:
        CapabilityFault: Its first script failed, or there is no place for it.
        SandboxFault: This machine gives no sandbox.
    """
    index = cache(kind.name) / f"{binaries.key}-{kind.version}"
    known = _known(kind, index)
    if known is not None:
        return known
    async with _making.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
        return _known(kind, index) or await _make(kind, binaries, index)


async def restored(kind: Kind, binaries: Binaries, key: str, saved: Path) -> Template:
    """The template that a snapshot was made on, from this machine's cache or from the snapshot itself.

    Args:
        kind: What it is for.
        binaries: The same.
        key: Of the template.
        saved: The saved state in the snapshot.

    Raises:
        CapabilityFault: It is neither here nor there.
    """
    place = cache(kind.name) / "templates" / key
    if not (place / "box").is_dir():
        if not saved.is_dir():
            raise CapabilityFault(f"the state of the database stands on a template that is not there: {saved}")
        draft = _draft(kind)
        try:
            await aside(lambda: shutil.copytree(saved, draft / "saved"))
            await aside(lambda: share_tree(saved, draft / "box"))
            box = box_of(kind, binaries, None)
            await box.open(draft / "box")
            await box.exec(["true"])  # which lays out the files
            await box.close()
            _put(draft, place)
        finally:
            await aside(lambda: try_remove_tree(draft))
    return Template(key, place / "box", place / "saved")


def _known(kind: Kind, index: Path) -> Template | None:
    try:
        key = index.read_text("ascii").strip()
    except OSError:
        return None
    place = cache(kind.name) / "templates" / key
    return Template(key, place / "box", place / "saved") if (place / "box").is_dir() else None


async def _make(kind: Kind, binaries: Binaries, index: Path) -> Template:
    draft = _draft(kind)
    try:
        box = box_of(kind, binaries, None)
        await box.open(draft / "box")
        try:
            await box.write(f"{kind.folder}/", b"")
            people = await box.read("/etc/passwd")
            user = f"{kind.name}:x:{kind.uid}:{kind.uid}:{kind.label}:{kind.folder}:/bin/sh\n"
            await box.write("/etc/passwd", people + user.encode())
            settings = kind.settings(binaries).encode()
            done = await box.exec(kind.make, timeout=_SECONDS, env=environment(kind, binaries), stdin=settings)
            if done.exit_code:
                raise CapabilityFault(
                    f"{kind.label} of {binaries.host} makes no data folder: {(done.stderr or done.stdout)[-500:]}"
                )
            await box.save(draft / "saved")
        finally:
            await box.close()
        key = draft.name.rpartition(".")[2]
        place = cache(kind.name) / "templates" / key
        _put(draft, place)
        fresh = index.with_name(f".{index.name}.{key}")
        fresh.write_text(key, "ascii")
        fresh.replace(index)
        return Template(key, place / "box", place / "saved")
    finally:
        await aside(lambda: try_remove_tree(draft))


def _draft(kind: Kind) -> Path:
    place = cache(kind.name) / "templates"
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
