"""Fails where a source or test file has more than 400 lines: which noun wants a file of its own?"""

from __future__ import annotations

import sys
from pathlib import Path

LIMIT = 400
ROOMS = ("src", "tests", "tasksets", "bench", "scripts")
EXAMPLES, EXAMPLE_LIMIT = "examples", 60


def main() -> int:
    bad = []
    for room, limit in [*((room, LIMIT) for room in ROOMS), (EXAMPLES, EXAMPLE_LIMIT)]:
        for path in sorted(Path(room).rglob("*.py")):
            lines = path.read_bytes().count(b"\n")
            if lines > limit:
                bad.append(f"{path} has {lines} lines, at most {limit}")
    print("\n".join(bad) or "every file is small enough")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
