"""The layers of a local sandbox as a saved state: written, read and opened again by the engine itself."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from terrarium.core.errors import SandboxFault
from terrarium.core.removal import try_remove_tree
from terrarium.core.sharing import SEALED, share_tree
from terrarium.sandbox.inside import ids, saved
from terrarium.sandbox.local.draft import Draft, File

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def head(folder: Path) -> dict[str, Any]:
    """What the saved state in a folder says about the whole.

    Raises:
        SandboxFault: It cannot be read.
    """
    try:
        opened = os.open(folder, _OPEN)
        try:
            return saved.head(opened)
        finally:
            os.close(opened)
    except (OSError, ValueError, StopIteration) as error:
        raise SandboxFault(f"the saved state in {folder} cannot be read: {error}") from error


def unpack(folder: Path, tree: Path) -> None:
    """Make the layers again, in the empty folder `tree`.

    Raises:
        SandboxFault: It cannot be read.
    """
    opened, inner = os.open(folder, _OPEN), os.open(tree, _OPEN)
    try:
        saved.unpack(opened, inner, ids.owner(), give_away=ids.real_root())
    except (OSError, ValueError, KeyError) as error:
        raise SandboxFault(f"the saved state in {folder} cannot be opened: {error}") from error
    finally:
        os.close(opened)
        os.close(inner)


def save_sealed(folder: Path, layers: list[str], to: Path) -> None:
    """Write the sealed layers of a sandbox into the folder `to`, as links, and make a place for the upper one.

    Args:
        folder: Of the sandbox. Each sealed layer is kept there once more, as it is saved: made once, linked from then.
        layers: Their names.
        to: Where to.

    Raises:
        OSError: They cannot be read or written.
    """
    (to / SEALED / saved.UPPER).mkdir(parents=True, exist_ok=True)
    for name in layers:
        share_tree(_form(folder, name), to / SEALED / name, sealed=True)


def save_upper(folder: Path, draft: Draft | None, head: dict[str, Any], to: Path) -> None:
    """Write the upper layer of a sandbox in which no process has lived.

    Args:
        folder: Of the sandbox.
        draft: What is in it, while it is not on disk.
        head: What its list says about the whole.
        to: Where to.

    Raises:
        OSError: It cannot be read or written.
    """
    target, upper = os.open(to, _OPEN), os.open(to / SEALED / saved.UPPER, _OPEN)
    try:
        with saved.Writer(upper, target, saved.UPPER, head) as out:
            if draft is None:
                _save_layer(folder, out)
                return
            for path, entry in draft.all():
                kind, extra = ("f", out.content(entry.content)) if isinstance(entry, File) else ("d", None)
                out.add([out.layer, path[1:], kind, entry.mode, 0, 0, entry.micros * 1000, extra])
    finally:
        os.close(target)
        os.close(upper)


def save_again(folder: Path, to: Path) -> None:
    """Write a saved state that has not been opened into the folder `to`.

    Raises:
        OSError: It cannot be read or written.
    """
    share_tree(folder / SEALED, to / SEALED, sealed=True)
    shutil.copyfile(folder / saved.LIST, to / saved.LIST)


def _form(folder: Path, name: str) -> Path:
    """A sealed layer as it is saved."""
    form = folder / SEALED / name
    if not form.exists():
        fresh = form.with_name(f".{name}")
        try_remove_tree(fresh)
        fresh.mkdir(parents=True)
        opened = os.open(fresh, _OPEN)
        try:
            with saved.Writer(opened, opened, name, {}) as out:
                _save_layer(folder, out)
        finally:
            os.close(opened)
        fresh.rename(form)
    return form


def _save_layer(folder: Path, out: saved.Writer) -> None:
    tree = os.open(folder / "tree", _OPEN)
    try:
        # Sealed layers are never written to, and before the first process `Layers` replaces files that have two names.
        saved.save(tree, out, ids.owner() if ids.real_root() else os.geteuid(), link=True)
    finally:
        os.close(tree)
