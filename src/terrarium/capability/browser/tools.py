"""What an agent can do with its browser: open pages, look at them, use what is on them."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal

from terrarium.capability.browser import action
from terrarium.capability.browser.devtools import Denied
from terrarium.capability.browser.tree import Element, elements, find, snapshot
from terrarium.capability.browser.window import Window, checked_url
from terrarium.core.capability import instance_tool
from terrarium.core.errors import Refused
from terrarium.core.message import ImageBlock
from terrarium.core.tool import Tool
from terrarium.core.values import Value

TEXT_LIMIT = 100_000  # characters of a page that are read
_PIXELS_LIMIT = 8_000  # the height of a picture of a whole page
_READ = "document.body ? document.body.innerText : ''"

Use = Callable[[Callable[[], Awaitable[Any]], bool], Awaitable[Any]]


async def page_text(window: Window) -> str:
    """The visible text of the page in front, cut at 100,000 characters."""
    from terrarium.capability.browser.tab import clean

    text = str(await window.tab.evaluate(f"({_READ}).slice(0, {TEXT_LIMIT + 1})") or "")
    return clean(text, TEXT_LIMIT) + ("\n[cut: there is more]" if len(text) > TEXT_LIMIT else "")


async def page_tree(window: Window) -> Element:
    """What is on the page in front; looked at again where it changed meanwhile."""
    try:
        return await elements(window.tab)
    except Denied:
        await window.tab.quiet()
        return await elements(window.tab)


async def page_picture(window: Window, full_page: bool) -> bytes:
    """The page in front as PNG; of the whole page, at most 8,000 pixels of its height."""
    more: dict[str, Any] = {}
    if full_page:
        size = (await window.tab.call("Page.getLayoutMetrics"))["cssContentSize"]
        width, height = min(size["width"], _PIXELS_LIMIT), min(size["height"], _PIXELS_LIMIT)
        more = {
            "captureBeyondViewport": True,
            "clip": {"x": 0, "y": 0, "width": width, "height": height, "scale": 1},
        }
    taken = await window.tab.call("Page.captureScreenshot", format="png", **more)
    return base64.b64decode(taken["data"])


class BrowserTools:
    """The tools of one agent.

    Args:
        window: Its browser.
        use: Does something with it, and writes down what it keeps then, or only looks, as the second argument says.
        download: Gives the content of a downloaded file.
    """

    def __init__(self, window: Window, use: Use, download: Callable[[str], bytes]) -> None:
        self._window = window
        self._use = use
        self._download = download

    def tools(self, name: str) -> Sequence[Tool]:
        """All of them, for the capability of that name."""
        looks = (self.read, self.snapshot, self.screenshot, self.download)
        acts = (
            self.open, self.click, self.type, self.select, self.press, self.scroll, self.back, self.forward,
            self.tabs, self.dialogs,
        )  # fmt: skip
        made = [Tool.of(one, instance_tool(name, one.__name__), writes=False) for one in looks]
        return [*(Tool.of(one, instance_tool(name, one.__name__)) for one in acts), *made]

    async def open(self, url: str, new_tab: bool = False) -> str:
        """Open a web page, and see what is on it.

        There is no internet but that of this world.

        Args:
            url: http:// or https:// and the name of a host; without either, http.
            new_tab: In a tab of its own, which comes to the front.

        Returns:
            The page: address, title, and its elements, one a line: role, name, state, and a reference such as e12.
        """
        address = checked_url(url)

        async def work() -> None:
            if new_tab:
                await self._window.open_tab()
            await self._window.tab.go(address)

        return await self._act(work, opened=True)

    async def click(self, element: str, double: bool = False) -> str:
        """Click an element, and see what the page is then.

        Args:
            element: Its reference, such as `e12`; or role and name, such as `button "Save"`, and of several alike
                which, such as `link "More" 2`.
            double: A double click.
        """
        return await self._on(element, lambda it: action.click(self._window.tab, it, double))

    async def type(self, element: str, text: str, submit: bool = False) -> str:
        """Fill a field, in place of what was in it, and see what the page is then.

        Args:
            element: The field: its reference, or role and name, such as `textbox "E-mail"`.
            text: What it shall hold. Dates as 2030-01-31, times as 13:45.
            submit: Press Enter afterwards.
        """

        async def work(it: Element) -> None:
            await action.fill(self._window.tab, it, text)
            if submit:
                await action.press(self._window.tab, "Enter")

        return await self._on(element, work)

    async def select(self, element: str, options: list[str]) -> str:
        """Choose from a list, and see what the page is then.

        Args:
            element: The list: its reference, or role and name, such as `combobox "Country"`.
            options: Labels or values of what is to be chosen, usually one.
        """
        return await self._on(element, lambda it: action.choose(self._window.tab, it, options))

    async def press(self, key: str, element: str | None = None) -> str:
        """Press a key, and see what the page is then.

        Args:
            key: Such as Enter, Tab, Escape, ArrowDown, PageDown, a, or Control+a.
            element: What to click first, so that it has the focus; without it the key goes to what has it.
        """
        if element is None:
            return await self._act(lambda: action.press(self._window.tab, key))

        async def work(it: Element) -> None:
            await action.click(self._window.tab, it)
            await action.press(self._window.tab, key)

        return await self._on(element, work)

    async def scroll(
        self, direction: Literal["down", "up", "left", "right"] = "down", screens: int = 1, element: str | None = None
    ) -> str:
        """Scroll the page, and see what is on it then.

        Args:
            direction: Where to.
            screens: By how many heights or widths of the window, at most 100.
            element: Scroll until this is in view instead.
        """
        if element is not None:
            return await self._on(element, lambda it: action.scroll_to(self._window.tab, it))
        by = max(-100, min(100, screens)) * (1 if direction in ("down", "right") else -1)
        right, down = (by, 0) if direction in ("left", "right") else (0, by)
        return await self._act(lambda: action.scroll(self._window.tab, right, down))

    async def back(self) -> str:
        """Go back to the page before in this tab, and see it."""
        return await self._act(lambda: self._window.tab.step(-1), opened=True)

    async def forward(self) -> str:
        """Go forward again in this tab, and see the page."""
        return await self._act(lambda: self._window.tab.step(1), opened=True)

    async def tabs(self, switch_to: int | None = None, close: int | None = None) -> list[dict[str, Value]]:
        """List the open tabs; bring one to the front, or close one.

        Args:
            switch_to: The number of the tab to bring to the front.
            close: The number of the tab to close.

        Returns:
            `number`, `url`, `title` and `current` of each.
        """

        async def work() -> None:
            for number in (switch_to, close):
                if number is not None and not 1 <= number <= len(self._window.tabs):
                    raise Refused(f"there is no tab {number}; they are 1 to {len(self._window.tabs)}")
            if switch_to is not None:
                self._window.current = switch_to - 1
            if close is not None:
                await self._window.close_tab(close - 1)

        await self._use(work, True)
        return [
            {"number": place + 1, "url": tab.url, "title": tab.title, "current": place == self._window.current}
            for place, tab in enumerate(self._window.tabs)
        ]

    async def dialogs(self, accept: bool, text: str = "") -> str:
        """Say how the dialogs of pages (confirm, prompt) are answered from now on; until you do they are dismissed.

        Args:
            accept: Whether to answer OK.
            text: What to answer where a dialog asks for text.
        """

        async def work() -> None:
            self._window.answer_dialogs(accept, text)

        await self._use(work, True)
        return f"dialogs will be {'accepted' if accept else 'dismissed'}"

    async def read(self) -> str:
        """Read the page in front as text."""
        return str(await self._use(lambda: page_text(self._window), False))

    async def snapshot(self) -> str:
        """See what is on the page in front: address, title, and its elements with their references."""

        async def look() -> str:
            await self._window.tab.quiet()
            await self._window.tab.look()
            return snapshot(await page_tree(self._window))

        return self._told(await self._use(look, False))

    async def screenshot(self, full_page: bool = False) -> ImageBlock:
        """Take a picture of the page in front.

        Args:
            full_page: Of the whole page, not only of what is in view.

        Returns:
            A PNG image.
        """
        return ImageBlock(await self._use(lambda: page_picture(self._window, full_page), False))

    async def download(self, name: str, encoding: Literal["text", "base64"] = "text") -> str:
        """Read a file that a page had you download.

        Args:
            name: As you were told when it came.
            encoding: base64 for files that are not text.
        """
        content = self._download(name)
        if encoding == "base64":
            return base64.b64encode(content).decode()
        try:
            return content.decode()
        except UnicodeDecodeError:
            raise Refused(f"{name!r} is not text ({len(content)} bytes); ask for it as base64") from None

    # -- inside ---------------------------------------------------------------------------------------------------

    async def _on(self, element: str, work: Callable[[Element], Awaitable[None]]) -> str:
        async def go() -> None:
            await work(find(await page_tree(self._window), element))

        return await self._act(go)

    async def _act(self, work: Callable[[], Awaitable[None]], opened: bool = False) -> str:
        """Do it, wait until the page is quiet, and tell what it is then."""

        async def go() -> str:
            await work()
            await self._window.tab.quiet(opened=opened)
            await self._window.settled()
            return snapshot(await page_tree(self._window))

        return self._told(await self._use(go, True))

    def _told(self, shown: str) -> str:
        """What is on the page, under its address and title, with what came up on the way."""
        tab, count = self._window.tab, len(self._window.tabs)
        head = [f"url: {tab.url}", f"title: {tab.title}"]
        if count > 1:
            head.append(f"tab: {self._window.current + 1} of {count}")
        head += [f"note: {note}" for note in self._window.notes]
        return "\n".join([*head, "", shown])
