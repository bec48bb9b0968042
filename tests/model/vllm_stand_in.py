"""What `vllm serve` is to those who start it, without a GPU: a command that serves a model some time after its start.

How it behaves is told by STAND_IN: `die`, `hang`, `stubborn` (does not end when asked, and has a child that does not),
`alone` (has no child), or nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import time

from terrarium.model.scripted import ScriptedModel
from terrarium.model.server.policy import echo
from terrarium.model.server.server import ModelServer


async def serve(name: str, host: str, port: int) -> None:
    server = ModelServer({name: ScriptedModel(echo, name)}, host=host, port=port)
    await server.open()
    print("Application startup complete.", flush=True)
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    for option in ("--host", "--port", "--served-model-name"):
        parser.add_argument(option, required=True)
    given, rest = parser.parse_known_args()
    manner = os.environ.get("STAND_IN", "")
    print(f"loading {given.model}", *rest, flush=True)
    if manner == "die":
        print("\x1b[31mRuntimeError: CUDA error: no kernel image is available\x1b[0m", file=sys.stderr, flush=True)
        raise SystemExit(1)
    if manner == "hang":
        time.sleep(600)
    if manner == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
        subprocess.Popen([sys.executable, "-c", code])
    elif manner != "alone":
        subprocess.Popen(["sleep", "600"])
        time.sleep(0.3)
    asyncio.run(serve(given.served_model_name, given.host, int(given.port)))


if __name__ == "__main__":
    main()
