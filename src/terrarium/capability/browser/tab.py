"""One page that is open: what it loads, when it is quiet, what it asks of its user."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any
from urllib.parse import urlsplit

from terrarium.capability.browser import page_databases
from terrarium.capability.browser.devtools import Denied, Devtools, Gone
from terrarium.capability.browser.page_time import script
from terrarium.core.errors import Refused

URL_LIMIT, TITLE_LIMIT = 2_000, 300  # characters that are kept
QUIET_SECONDS = 5.0  # that what an action set off may take
CALM = 0.15  # seconds without a request after which a page is quiet
VISITS_LIMIT = 50  # pages that are noted down between two actions
_EXPECTED_SECONDS = 2.0  # after which a page that was asked for has begun to load, or never will
_REQUESTS_LIMIT = 1_000
_TASKS_LIMIT = 100
_LASTING = ("EventSource", "WebSocket", "Ping", "Prefetch")

_REASONS = {
    "net::ERR_INTERNET_DISCONNECTED": "there is no host of that name",
    "net::ERR_NAME_NOT_RESOLVED": "there is no host of that name",
    "net::ERR_CONNECTION_REFUSED": "nobody answers there",
    "net::ERR_UNSAFE_PORT": "browsers do not open that port",
    "net::ERR_ADDRESS_UNREACHABLE": "there is no way to that address",
}


def clean(text: object, limit: int) -> str:
    """Text of a page as it may be written down: cut, without lone surrogates and NUL."""
    return str(text)[:limit].encode("utf-8", "replace").decode().replace("\0", "")


class Tab:
    """A page target of Chromium.

    Args:
        devtools: The browser.
        target: Its id.
        session: Under which it is talked to.
        note: Told what the agent shall know: a dialog, an error.

    Attributes:
        url: Of the document in it.
        title: The same.
        visits: Pages that came into it and have not been taken yet, oldest first.
        answer: What dialogs are told: whether to accept, and the text of a prompt.
        refs: The numbers of elements in snapshots, by their ids in Chromium.
        intercept: What it asks for is answered with an empty page, and nobody is asked.
    """

    def __init__(self, devtools: Devtools, target: str, session: str, note: Callable[[str], None]) -> None:
        self.target, self.session = target, session
        self.url, self.title = "about:blank", ""
        self.visits: list[str] = []
        self.answer: tuple[bool, str] = (False, "")
        self.refs: dict[int, int] = {}
        self.intercept = False
        self._devtools = devtools
        self._note = note
        self._frame = ""
        self._loading = False
        self._expected = 0.0  # until when a page that was asked for may not have begun to load yet
        self._requests: set[str] = set()
        self._count = 0
        self._time_script = ""
        self._tasks: set[asyncio.Task[None]] = set()
        devtools.hear(self._hear, session)

    async def start(self, offset: int) -> None:
        """Make it ready; it has not run anything yet.

        Args:
            offset: Milliseconds by which the world is ahead of this machine.
        """
        # Told at once and in this order: what a page has opened runs, and answers, only after the last of them.
        told: list[dict[str, Any]] = await asyncio.gather(
            self.call("Page.enable"),
            self.call("Network.enable", maxTotalBufferSize=1024, maxResourceBufferSize=1024),
            self.call("Network.setCacheDisabled", cacheDisabled=True),
            # The only interface here is loopback, from which Chromium concludes that it is offline.
            self.call(
                "Network.emulateNetworkConditions", offline=False, latency=0, downloadThroughput=-1, uploadThroughput=-1
            ),
            self.call("DOM.enable"),
            self.call("DOMStorage.enable"),
            self.call("Page.addScriptToEvaluateOnNewDocument", source=script(offset), runImmediately=True),
            self.call("Runtime.runIfWaitingForDebugger"),
        )
        self._time_script = told[-2]["identifier"]
        self._frame = (await self.call("Page.getFrameTree"))["frameTree"]["frame"]["id"]

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A method of this page; errors as `Devtools.call`."""
        return await self._devtools.call(method, self.session, **parameters)

    async def evaluate(self, expression: str, wait: bool = False) -> Any:
        """The plain value of an expression in the page; None where it raises; `wait`: of what it promises."""
        found = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=wait)
        return found.get("result", {}).get("value")

    async def tell_time(self, offset: int) -> None:
        """Have the page, and those that come after it, see the time of the world."""
        source, known = script(offset), self._time_script
        told = await asyncio.gather(
            self.call("Page.addScriptToEvaluateOnNewDocument", source=source),
            self.call("Page.removeScriptToEvaluateOnNewDocument", identifier=known),
            self.call("Runtime.evaluate", expression=source),
        )
        self._time_script = told[0]["identifier"]

    # -- going somewhere ------------------------------------------------------------------------------------------

    async def go(self, url: str) -> None:
        """Open an address; it may go on loading.

        Raises:
            Refused: It cannot be opened; says why.
        """
        host = clean(urlsplit(url).hostname or url, 200)
        limit = self._devtools.seconds
        asking = asyncio.ensure_future(self.call("Page.navigate", url=url, seconds=2 * limit))
        try:
            await asyncio.wait({asking}, timeout=limit)
            late = not asking.done()
            if late:
                await self.call("Page.stopLoading")
            found = await asking
        except Denied as error:
            raise Refused(f"{clean(url, 200)} cannot be opened: {error}") from None
        finally:
            asking.cancel()
        if late:
            raise Refused(f"{host} cannot be opened: it gave no answer for {limit:g} s")
        reason = str(found.get("errorText", ""))
        if reason and reason != "net::ERR_ABORTED":  # a download, or another page came in between
            raise Refused(f"{host} cannot be opened: {_REASONS.get(reason, reason)}")

    async def step(self, by: int) -> None:
        """Go back (-1) or forward (1) in the history of this tab.

        Raises:
            Refused: There is no page there.
        """
        found = await self.call("Page.getNavigationHistory")
        place = found["currentIndex"] + by
        if not 0 <= place < len(found["entries"]):
            raise Refused("there is no page " + ("before" if by < 0 else "after") + " this one in this tab")
        self._expected = time.monotonic() + QUIET_SECONDS
        await self.call("Page.navigateToHistoryEntry", entryId=found["entries"][place]["id"])

    async def quiet(self, *, opened: bool = False) -> None:
        """Wait until it loads nothing and asks for nothing; notes where it goes on after a while of wall time.

        Args:
            opened: A page was opened: it is given as long as an answer may take, and not only five seconds.
        """
        seconds = self._devtools.seconds if opened else QUIET_SECONDS
        end, calm_since = time.monotonic() + seconds, time.monotonic()
        while (now := time.monotonic()) < end:
            if not self._devtools.open:
                raise Gone("the browser has ended: it crashed or used more memory than it may")
            if self._loading or self._requests or now < self._expected:
                calm_since = now
            elif now - calm_since >= CALM:
                return
            await asyncio.sleep(0.02)
        self._requests.clear()
        self._note("the page is still loading")

    async def look(self) -> None:
        """Learn its address and title."""
        tree, title = await asyncio.gather(self.call("Page.getFrameTree"), self.evaluate("String(document.title)"))
        frame = tree["frameTree"]["frame"]
        self.url = clean(frame.get("url", "") + frame.get("urlFragment", ""), URL_LIMIT)
        self.title = clean(title or "", TITLE_LIMIT)

    async def frames(self) -> list[str]:
        """The ids of its frames, the page first; at most 20."""
        found: list[str] = []
        pending = [(await self.call("Page.getFrameTree"))["frameTree"]]
        while pending and len(found) < 20:
            tree = pending.pop(0)
            found.append(tree["frame"]["id"])
            pending += tree.get("childFrames", [])
        return found

    def number(self, backend: int) -> int:
        """The number that snapshots give to an element; it means no other while this tab is open."""
        if backend not in self.refs:
            self._count += 1
            self.refs[backend] = self._count
        return self.refs[backend]

    def _origin(self) -> str | None:
        """The origin of its page; None where that has none."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}" if parts.scheme in ("http", "https") else None

    async def databases(self) -> dict[str, str] | None:
        """The databases of the page's origin as text, by name, but for those not kept; None where nothing is known."""
        if self._origin() is None:
            return None
        try:
            world = await self.call("Page.createIsolatedWorld", frameId=self._frame, worldName="databases")
            more = {"contextId": world["executionContextId"], "awaitPromise": True, "returnByValue": True}
            found = await self.call("Runtime.evaluate", expression=page_databases.READ, **more)
        except Denied:
            return None
        told = found.get("result", {}).get("value")
        if not isinstance(told, list):
            return None
        kept = {clean(name, 300): clean(text, 4 * page_databases.CONTENT_LIMIT) for name, text in told if text}
        return {name: text for name, text in kept.items() if len(text) < 4 * page_databases.CONTENT_LIMIT}

    async def local_storage(self) -> tuple[str, dict[str, str]] | None:
        """(origin, items) of the local storage of the page; None where it has none."""
        origin = self._origin()
        if origin is None:
            return None
        try:
            found = await self.call(
                "DOMStorage.getDOMStorageItems", storageId={"securityOrigin": origin, "isLocalStorage": True}
            )
        except Denied:
            return None
        return clean(origin, 300), {clean(key, 10_000): clean(value, 10**7) for key, value in found["entries"]}

    # -- what it tells --------------------------------------------------------------------------------------------

    def _hear(self, method: str, parameters: Mapping[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            if parameters.get("type") not in _LASTING and len(self._requests) < _REQUESTS_LIMIT:
                self._requests.add(parameters["requestId"])
        elif method in ("Network.loadingFinished", "Network.loadingFailed"):
            self._requests.discard(parameters["requestId"])
        elif method == "Page.frameStartedLoading" and parameters["frameId"] == self._frame:
            self._loading, self._expected = True, 0.0
        elif method == "Page.frameStoppedLoading" and parameters["frameId"] == self._frame:
            self._loading = False
        elif method == "Page.frameNavigated" and "parentId" not in parameters["frame"]:
            self._frame, self._expected = parameters["frame"]["id"], 0.0
            self._requests.clear()
            self.refs.clear()  # the numbers go on
            self._visit(parameters["frame"].get("unreachableUrl") or parameters["frame"]["url"])
        elif method == "Page.frameRequestedNavigation" and parameters["frameId"] == self._frame:
            if parameters["disposition"] == "currentTab" and not self._loading:
                self._expected = time.monotonic() + _EXPECTED_SECONDS
        elif method == "Page.navigatedWithinDocument" and parameters["frameId"] == self._frame:
            self._expected = 0.0
            self._visit(parameters["url"])
        elif method == "Page.javascriptDialogOpening":
            self._do(self._dialog(parameters))
        elif method == "Fetch.requestPaused" and self.intercept:
            self._do(self._blank(parameters["requestId"]))

    def _visit(self, url: str) -> None:
        if url.startswith(("http://", "https://")) and len(self.visits) < VISITS_LIMIT:
            self.visits.append(clean(url, URL_LIMIT))

    async def _dialog(self, asked: Mapping[str, Any]) -> None:
        kind, (accept, text) = asked.get("type"), self.answer
        accept = accept or kind in ("alert", "beforeunload")
        message = json.dumps(clean(asked.get("message", ""), 500), ensure_ascii=False)
        if kind != "beforeunload":
            self._note(f"a dialog ({kind}) said {message}; it was {'accepted' if accept else 'dismissed'}")
        try:
            await self.call("Page.handleJavaScriptDialog", accept=accept, promptText=text)
        except Refused:
            pass  # it is closed already

    async def _blank(self, request: str) -> None:
        headers = [{"name": "content-type", "value": "text/html"}]
        try:
            await self.call("Fetch.fulfillRequest", requestId=request, responseCode=200, responseHeaders=headers)
        except Refused:
            pass  # the page went on without it

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        if len(self._tasks) >= _TASKS_LIMIT:
            work.close()
            return
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
