"""One agent's browser: its tabs, and what it keeps. It starts at the first use, and again after a crash."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import urlsplit

from terrarium.capability.browser import page_databases
from terrarium.capability.browser.chromium import Chromium
from terrarium.capability.browser.devtools import NONSENSE, Denied, Gone, Silent
from terrarium.capability.browser.download import COUNT_LIMIT, Downloads
from terrarium.capability.browser.kept import Kept, given_cookie, told_cookie
from terrarium.capability.browser.tab import TITLE_LIMIT, URL_LIMIT, Tab, clean
from terrarium.core.clock import Clock
from terrarium.core.errors import Refused, TerrariumError

T = TypeVar("T")

TABS_LIMIT = 10
NOTES_LIMIT = 20  # things an agent is told after one action
STORAGE_LIMIT = 256 * 1024  # characters of local storage of one origin; more of it is not kept
ORIGINS_LIMIT = 20
COOKIES_LIMIT = 500
_COMING_LIMIT = 100  # new tabs that are dealt with at one time


class Window:
    """The browser of one agent.

    Args:
        begin: Starts a Chromium.
        clock: Of the world.
        kept: What it continues with.
    """

    def __init__(self, begin: Callable[[], Awaitable[Chromium]], clock: Clock, kept: Kept) -> None:
        self.tabs: list[Tab] = []
        self.current = 0
        self.notes: list[str] = []
        self.files_left = COUNT_LIMIT
        self.owed: list[dict[str, Any]] = []
        """Cookies that the task program has set since."""
        self._begin = begin
        self._clock = clock
        self._kept = kept
        self._chromium: Chromium | None = None
        self._lock: asyncio.Lock | None = None
        self._answer = kept.answer
        self._offset = 0
        self._coming = 0
        self._news = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._downloads: Downloads | None = None

    @property
    def tab(self) -> Tab:
        """The tab in front.

        Raises:
            Refused: Its page has just crashed.
        """
        if not self.tabs:
            raise Refused("the page crashed, and its tab was closed; open another page")
        return self.tabs[self.current]

    async def use(self, work: Callable[[], Awaitable[T]], *, keep: bool = True) -> tuple[T, Kept]:
        """Do something with the tabs, and see what is to be kept afterwards; one at a time.

        Args:
            work: What to do.
            keep: False: only look, and leave the news for the next action.

        Raises:
            Refused: It went wrong, as far as this user is concerned.
            ConfigError, SandboxFault, CapabilityFault: There is no browser to be had.
        """
        self._lock = self._lock or asyncio.Lock()
        async with self._lock:
            self.notes.clear()
            try:
                await self._ready()
                found = await work()
                await self.settled()
                return found, await self._keep() if keep else self._kept
            except Denied as error:
                raise Refused(f"the page changed meanwhile ({error}); look at it again") from None
            except (Silent, Gone) as error:
                await self.close()
                self._kept = replace(self._kept.after_crash(), answer=self._answer)
                hint = "; the browser was closed, and your next use of it starts with an empty tab"
                raise Refused(f"{error}{hint if isinstance(error, Silent) else ''}") from None
            except TerrariumError:
                raise
            except NONSENSE as error:
                # Whoever writes such answers is not to be trusted any more.
                await self.close()
                raise Refused(f"the browser said what cannot be understood ({error!r}); it was closed") from error

    async def open_tab(self) -> None:
        """One more tab, in front.

        Raises:
            Refused: There are enough.
        """
        if len(self.tabs) >= TABS_LIMIT:
            raise Refused(f"there are {TABS_LIMIT} tabs open; close one first")
        await self._new_tab()

    async def close_tab(self, place: int) -> None:
        """Close one; where it was the last, an empty one comes."""
        tab = self.tabs[place]
        await self._devtools.call("Target.closeTarget", targetId=tab.target)
        self._drop(tab)
        if not self.tabs:
            await self._new_tab()

    def answer_dialogs(self, accept: bool, text: str) -> None:
        """How the dialogs that come are answered."""
        self._answer = (accept, clean(text, 1_000))
        for tab in self.tabs:
            tab.answer = self._answer

    async def close(self) -> None:
        """End the process; idempotent, and the next use starts another."""
        chromium, self._chromium = self._chromium, None
        for task in list(self._tasks):
            task.cancel()
        self.tabs, self.current, self._coming = [], 0, 0
        self._downloads = None
        if chromium is not None:
            await chromium.close()

    @property
    def _devtools(self) -> Any:
        assert self._chromium is not None
        return self._chromium.devtools

    # -- starting -------------------------------------------------------------------------------------------------

    async def _ready(self) -> None:
        if self._chromium is not None and not self._devtools.open:
            await self.close()
            self._kept = replace(self._kept.after_crash(), answer=self._answer)
            self._say("the browser had ended; this is another one")
        self._offset = self._clock.micros // 1000 - round(time.time() * 1000)
        if self._chromium is None:
            self._chromium = await self._begin()
            try:
                await self._start()
            except BaseException:
                await self.close()
                raise
        if not self.tabs:
            await self._new_tab()
        if self.owed:
            owed, self.owed = self.owed, []
            await self._devtools.call("Storage.setCookies", cookies=[given_cookie(cookie) for cookie in owed])
        await asyncio.gather(*(tab.tell_time(self._offset) for tab in self.tabs))

    async def _start(self) -> None:
        call = self._devtools.call
        self._devtools.hear(self._hear)
        await call("Target.setDiscoverTargets", discover=True)
        assert self._chromium is not None
        self._downloads = Downloads(self._chromium, self.files_left, self._say)
        await self._downloads.start()
        await call(
            "Target.setAutoAttach",
            autoAttach=True,
            waitForDebuggerOnStart=True,
            flatten=True,
            filter=[{"type": "page"}],
        )
        await self._arrived(1)
        if self._kept.cookies:
            await call("Storage.setCookies", cookies=[given_cookie(cookie) for cookie in self._kept.cookies])
        for origin in sorted(self._kept.storage.keys() | self._kept.databases.keys()):
            await self._restore(origin, self._kept.storage.get(origin, {}), self._kept.databases.get(origin, {}))
        for place, (url, _) in enumerate(self._kept.tabs[:TABS_LIMIT]):
            if place:
                await self._new_tab()
            if url.startswith(("http://", "https://")):
                try:
                    await self.tab.go(url)
                    await self.tab.quiet(opened=True)
                except Refused as error:
                    self._say(str(error))
        self.current = min(max(self._kept.current, 0), len(self.tabs) - 1)
        for tab in self.tabs:
            tab.visits.clear()  # they were noted down when they were made

    async def _restore(self, origin: str, items: Mapping[str, str], databases: Mapping[str, str]) -> None:
        """Put local storage and databases back, on an empty page of its origin for which nobody is asked."""
        tab = self.tab
        await tab.call("Fetch.enable", patterns=[{"urlPattern": "*"}])
        tab.intercept = True
        try:
            await tab.go(f"{origin}/")
            await tab.quiet()
            for key, value in sorted(items.items()):
                place = {"securityOrigin": origin, "isLocalStorage": True}
                await tab.call("DOMStorage.setDOMStorageItem", storageId=place, key=key, value=value)
            if databases and not await tab.evaluate(page_databases.write(databases), wait=True):
                self._say(f"databases of {origin} are lost")
        except (Refused, Denied) as error:
            self._say(f"what was stored for {origin} is lost: {error}")
        finally:
            tab.intercept = False
            await tab.call("Fetch.disable")
            await tab.go("about:blank")

    async def _new_tab(self) -> None:
        before = len(self.tabs)
        await self._devtools.call("Target.createTarget", url="about:blank")
        await self._arrived(before + 1)
        self.current = len(self.tabs) - 1

    async def _arrived(self, count: int) -> None:
        """Wait until there are so many tabs."""
        try:
            async with asyncio.timeout(20.0):
                while len(self.tabs) < count:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise Silent("the browser opens no tab") from None

    # -- after an action ------------------------------------------------------------------------------------------

    async def settled(self) -> None:
        """Wait until the tabs that pages have opened are ready."""
        try:
            async with asyncio.timeout(20.0):
                while self._coming:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise Silent("a new tab does not get ready") from None
        if not self.tabs:
            await self._new_tab()

    async def _keep(self) -> Kept:
        visits: list[str] = []
        storage: dict[str, dict[str, str]] = dict(self._kept.storage)
        databases: dict[str, dict[str, str]] = dict(self._kept.databases)
        for tab in self.tabs:
            await tab.look()
            visits += tab.visits
            tab.visits.clear()
            found = await tab.local_storage()
            if found is None:
                continue
            origin, items = found
            storage.pop(origin, None)
            if items and len(storage) < ORIGINS_LIMIT:
                size = sum(len(key) + len(value) for key, value in items.items())
                if size <= STORAGE_LIMIT:
                    storage[origin] = items
            contents = await tab.databases()
            if contents is not None and (origin in databases or len(databases) < ORIGINS_LIMIT):
                databases[origin] = contents
        cookies = (await self._devtools.call("Storage.getCookies"))["cookies"][:COOKIES_LIMIT]
        self._kept = Kept(
            cookies=[told_cookie(cookie) for cookie in cookies],
            storage=storage,
            databases={origin: contents for origin, contents in databases.items() if contents},
            tabs=[(tab.url, tab.title) for tab in self.tabs],
            current=self.current,
            answer=self._answer,
        )
        files = await self._downloads.take() if self._downloads is not None else []
        kept = Kept(**{**vars(self._kept), "visits": visits, "files": files})
        self.files_left -= len(files)
        return kept

    # -- what the browser tells -----------------------------------------------------------------------------------

    def _hear(self, method: str, parameters: Mapping[str, Any]) -> None:
        if method == "Target.attachedToTarget" and self._coming < _COMING_LIMIT:
            self._coming += 1
            full = len(self.tabs) + self._coming > TABS_LIMIT
            task = asyncio.ensure_future(self._welcome(parameters, full))
            self._tasks.add(task)
            task.add_done_callback(self._came)
        elif method in ("Target.targetDestroyed", "Target.targetCrashed"):
            for tab in [tab for tab in self.tabs if tab.target == parameters["targetId"]]:
                self._drop(tab)
                if method == "Target.targetCrashed":
                    self._say(f"the page in a tab crashed, and the tab was closed: {tab.url}")
        elif self._downloads is not None:
            self._downloads.hear(method, parameters)

    async def _welcome(self, parameters: Mapping[str, Any], full: bool) -> None:
        info, session = parameters["targetInfo"], parameters["sessionId"]
        if full:
            self._say(f"the page wanted to open another tab: {TABS_LIMIT} are open, and it was closed")
            # Who opened it waits until it runs.
            await asyncio.gather(
                self._devtools.call("Runtime.runIfWaitingForDebugger", session),
                self._devtools.call("Target.closeTarget", targetId=info["targetId"]),
                return_exceptions=True,
            )
            return
        tab = Tab(self._devtools, info["targetId"], session, self._say)
        tab.answer = self._answer
        await tab.start(self._offset)
        if info.get("openerId"):
            await tab.quiet()
            await tab.look()
            self._say(f"a new tab was opened: {tab.url}")
            self.current = len(self.tabs)
        self.tabs.append(tab)

    def _came(self, task: asyncio.Task[None]) -> None:
        self._coming = max(0, self._coming - 1)
        self._forget(task)
        self._news.set()

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # a tab that was closed before it was ready

    def _drop(self, tab: Tab) -> None:
        if tab in self.tabs:
            place = self.tabs.index(tab)
            self.tabs.remove(tab)
            self._devtools.forget(tab.session)
            if self.current >= place and self.current:
                self.current -= 1

    def _say(self, text: str) -> None:
        if len(self.notes) < NOTES_LIMIT and text not in self.notes:
            self.notes.append(text)


def checked_url(url: str) -> str:
    """An address that may be opened: http, https or `about:blank`; without a scheme, http.

    Raises:
        Refused: It is none.
    """
    said = clean(url, URL_LIMIT).strip()
    if said == "about:blank":
        return said
    if "://" not in said:
        said = f"http://{said}"
    try:
        parts = urlsplit(said)
        good = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good or len(url) > URL_LIMIT:
        raise Refused(f"{said[:TITLE_LIMIT]!r} cannot be opened: use http:// or https:// and the name of a host")
    return said
