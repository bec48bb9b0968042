"""A memory sandbox that tests can use without an event loop."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from terrarium.core.clock import Clock
from terrarium.core.rows import Change, Row
from terrarium.core.sandbox import ExecResult, Ground
from terrarium.sandbox.memory import MemorySandbox


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


class Box:
    """A sandbox whose methods a test can call without an event loop."""

    def __init__(self, folder: Path, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.changes: list[Change] = []
        self.sandbox = MemorySandbox(Ground(self.clock, changed=self.changes.append, actor=lambda: "alice"))
        run(self.sandbox.open(folder))

    def sh(self, command: str | list[str], **more: Any) -> ExecResult:
        result = run(self.sandbox.exec(command, **more))
        assert isinstance(result, ExecResult)
        return result

    def out(self, command: str | list[str], **more: Any) -> str:
        result = self.sh(command, **more)
        assert (result.exit_code, result.stderr) == (0, "")
        return result.stdout

    def read(self, path: str) -> bytes:
        content = run(self.sandbox.read(path))
        assert isinstance(content, bytes)
        return content

    def write(self, path: str, content: bytes) -> None:
        run(self.sandbox.write(path, content))

    def rows(self) -> list[Row]:
        return list(self.sandbox.rows())
