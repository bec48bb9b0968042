"""A worker that has sandboxes open: `python killed_worker.py RUNNER|WORKER FOLDER KIND MARK [PARENT]`.

As RUNNER it starts itself as a worker, in the way a run does, and waits.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from terrarium.core.network import Network
from terrarium.core.registry import find
from terrarium.core.sandbox import Ground
from terrarium.run.worker import die_with_parent

MODULE = "terrarium.run.worker"  # as `terrarium clean` knows workers by


async def work(folder: Path, kind: str, mark: str) -> None:
    boxes = []
    for name in ("one", "two"):
        box = find("sandbox", kind)(Ground(name=name, network=Network()))
        await box.open(folder / name)
        boxes.append(box)
        await box.exec(f"mkdir -p deep/er; touch deep/er/file; chmod 0 deep; (setsid sleep {mark} &); sleep {mark} &")
        await box.exec(f"echo up > /dev/null; setsid sh -c 'sleep {mark} & sleep {mark}' > /dev/null 2>&1 &")
    print("up", flush=True)
    await asyncio.gather(*(box.exec(["sleep", mark], timeout=1000.0) for box in boxes), return_exceptions=True)
    await asyncio.sleep(1000)


def main() -> None:
    role, folder, kind, mark, *rest = sys.argv[1:]
    if role == "WORKER":
        die_with_parent(int(rest[-1]))
        asyncio.run(work(Path(folder), kind, mark))
    else:
        import os

        run = str(Path(folder).parents[3])
        words = [sys.executable, __file__, "WORKER", folder, kind, mark, "-m", MODULE, run, str(os.getpid())]
        child = subprocess.Popen(words)
        print(child.pid, flush=True)
        child.wait()
        import time

        time.sleep(1000)


if __name__ == "__main__":
    main()
