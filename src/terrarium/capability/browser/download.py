"""Files that pages have their user download: they stay in the browser's sandbox until they are read from there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

from terrarium.capability.browser.chromium import DOWNLOADS, Chromium
from terrarium.capability.browser.tab import URL_LIMIT, clean
from terrarium.core.errors import Refused, SandboxFault

SIZE_LIMIT = 10 * 1024 * 1024  # bytes of one file
COUNT_LIMIT = 20  # files of one agent
SECONDS = 5.0  # that an action waits for its downloads, of wall time


class Downloads:
    """The downloads of one started browser.

    Args:
        chromium: The browser.
        left: How many more files are kept.
        note: Told what the agent shall know.
    """

    def __init__(self, chromium: Chromium, left: int, note: Callable[[str], None]) -> None:
        self.left = left
        self._chromium = chromium
        self._note = note
        self._coming: dict[str, tuple[str, str]] = {}
        self._done: list[str] = []
        self._tasks: set[asyncio.Task[Any]] = set()

    async def start(self) -> None:
        """Have Chromium put them where they belong, under names of its own."""
        await self._chromium.devtools.call(
            "Browser.setDownloadBehavior", behavior="allowAndName", downloadPath=DOWNLOADS, eventsEnabled=True
        )

    def hear(self, method: str, parameters: Mapping[str, Any]) -> None:
        """Take note of an event of the browser."""
        if method == "Browser.downloadWillBegin" and len(self._coming) < 10 * COUNT_LIMIT:
            guid, name = parameters["guid"], clean(parameters.get("suggestedFilename", ""), 200).replace("/", "_")
            self._coming[guid] = (name or "download", clean(parameters.get("url", ""), URL_LIMIT))
            if len(self._coming) > self.left:
                self._refuse(guid, f"nothing more can be downloaded: {COUNT_LIMIT} files are kept")
        elif method == "Browser.downloadProgress" and parameters["guid"] in self._coming:
            if parameters["state"] != "inProgress":
                self._done.append(parameters["guid"])
            elif parameters["receivedBytes"] > SIZE_LIMIT:
                self._refuse(parameters["guid"], f"a download of over {SIZE_LIMIT >> 20} MiB was ended")

    async def take(self) -> list[tuple[str, str, bytes]]:
        """(name, address, content) of those that have come since; they are removed from the sandbox."""
        end = time.monotonic() + SECONDS
        while self._coming.keys() - set(self._done) and time.monotonic() < end:
            await asyncio.sleep(0.02)
        found = []
        done, self._done = self._done, []
        for guid in done:
            name, url = self._coming.pop(guid, ("", ""))
            try:
                content = await self._chromium.sandbox.read(f"{DOWNLOADS}/{guid}")
                await self._chromium.sandbox.remove(f"{DOWNLOADS}/{guid}")
            except (Refused, LookupError, SandboxFault):
                continue  # cancelled, or gone again
            if name and len(content) <= SIZE_LIMIT and self.left > 0:
                self.left -= 1
                found.append((name, url, content))
                self._note(f"downloaded {name!r} ({len(content)} bytes)")
        return found

    def _refuse(self, guid: str, why: str) -> None:
        if not self._coming[guid][0]:
            return
        self._note(why)
        self._coming[guid] = ("", "")
        task = asyncio.ensure_future(self._chromium.devtools.call("Browser.cancelDownload", guid=guid))
        self._tasks.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # it had ended already
