"""The user of a local sandbox under a person's name, so that `whoami`, `ls -l` and git say it. The id stays 0."""

from __future__ import annotations

import os
import re

from terrarium.core.person import Person
from terrarium.sandbox.inside import ground
from terrarium.sandbox.local.layers import Layers


def name_user(layers: Layers, person: Person, micros: int) -> None:
    """Put a person before root in /etc/passwd, where nothing has been written yet and the base has that as a file.

    Args:
        layers: Of a sandbox that has not started.
        person: Whose it is.
        micros: World time.
    """
    if layers.draft is None or layers.draft:
        return
    try:
        users = _users(layers.rootfs) if layers.rootfs else ground.etc()["passwd"]
    except OSError:
        return  # links, or nothing: its users are not for us to name
    assert isinstance(users, bytes)
    root = next((line for line in users.split(b"\n") if line.startswith(b"root:")), b"").split(b":")
    if len(root) != 7:
        return
    root[0] = person.id.encode()
    root[4] = re.sub(r"[:,&\s]+", " ", person.name).encode()  # the signs have a meaning there
    layers.draft.make_folders(["etc"], micros, ground.FOLDERS["etc"])
    layers.draft.write(["etc", "passwd"], b":".join(root) + b"\n" + users, micros)


def _users(root: str) -> bytes:
    """The /etc/passwd of a root filesystem, reached through folders only.

    Raises:
        OSError: There is none.
    """
    at = os.open(f"{root}/etc", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        file = os.open("passwd", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=at)
    finally:
        os.close(at)
    with os.fdopen(file, "rb") as source:
        return source.read()
