"""Makes files one's own that belong to subordinate ids: `python own.py FOLDER`, as an ordinary user."""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":  # run by path, without site-packages
    sys.path.insert(0, os.path.abspath(f"{os.path.dirname(__file__)}/../../.."))

from terrarium.sandbox.inside import files, ids


def main() -> None:
    """Enter the user namespace of all ids of this user, and change the owners from there."""
    if not ids.real_root() and ids.owner() != 0:
        ids.enter_holder()
    files.own(os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC))


if __name__ == "__main__":
    main()
