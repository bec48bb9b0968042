"""What outlives the process of a browser, and what becomes of its cookies on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from terrarium.capability.browser.tab import clean

_COOKIE = ("name", "value", "domain", "path", "secure", "httpOnly", "sameSite")


@dataclass
class Kept:
    """What outlives the process, as plain data.

    Attributes:
        cookies: As the DevTools protocol has them.
        storage: Local storage: items by origin.
        databases: Content by name, by origin; see `page_databases`.
        tabs: (address, title) of each.
        current: Which of them is in front.
        visits: Pages that came since this was last asked.
        files: What was downloaded since: (name, address, content).
        answer: What dialogs are told: whether to accept, and the text of a prompt.
    """

    cookies: list[dict[str, Any]] = field(default_factory=list)
    storage: dict[str, dict[str, str]] = field(default_factory=dict)
    databases: dict[str, dict[str, str]] = field(default_factory=dict)
    tabs: list[tuple[str, str]] = field(default_factory=list)
    current: int = 0
    visits: list[str] = field(default_factory=list)
    files: list[tuple[str, str, bytes]] = field(default_factory=list)
    answer: tuple[bool, str] = (False, "")

    def after_crash(self) -> Kept:
        """What is left when the process has ended: what is kept by origin, and no tabs."""
        return Kept(self.cookies, self.storage, self.databases, answer=self.answer)


def told_cookie(cookie: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of a cookie: not when it ends, which Chromium knows by the time of the machine."""
    return {
        key: cookie[key] if isinstance(cookie[key], bool) else clean(cookie[key], 5_000)
        for key in _COOKIE
        if key in cookie
    }


def given_cookie(cookie: Mapping[str, Any]) -> dict[str, Any]:
    """A cookie as it is put back: one of a single host is told by its address, one of a whole domain by the domain."""
    domain = str(cookie["domain"])
    if domain.startswith("."):
        return dict(cookie)
    scheme = "https" if cookie.get("secure") else "http"
    return {key: cookie[key] for key in cookie if key != "domain"} | {"url": f"{scheme}://{domain}{cookie['path']}"}
