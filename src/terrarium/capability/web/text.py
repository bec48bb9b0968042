"""A web page as text: what a reader sees, with links, headings and lists as Markdown writes them."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from urllib.parse import urljoin

_HIDDEN = frozenset({"head", "noscript", "script", "style", "svg", "template"})
_BLOCKS = frozenset(
    {
        *("address", "article", "aside", "blockquote", "dd", "details", "div", "dl", "dt", "fieldset", "figure"),
        *("footer", "form", "header", "main", "nav", "ol", "p", "pre", "section", "summary", "table", "tbody"),
        *("thead", "tr", "ul"),
    }
)
_DECLARED = re.compile(r"<!--|<[!?]")
_HEADINGS = {f"h{level}": "#" * level for level in range(1, 7)}


def text_of(html: str, url: str) -> str:
    """The text of a page.

    Args:
        html: The page.
        url: Where it lies; links are made absolute with it.
    """
    reader = _Reader(url)
    reader.feed(_without_comments(html))
    reader.close()
    return reader.text()


def _without_comments(html: str) -> str:
    """The page without comments and declarations, on which the parser takes quadratic time where they do not end."""
    parts: list[str] = []
    at = 0
    while (found := _DECLARED.search(html, at)) is not None:
        parts.append(html[at : found.start()])
        closing = "-->" if found[0] == "<!--" else ">"
        end = html.find(closing, found.end())
        if end < 0:
            return "".join(parts)
        at = end + len(closing)
    return "".join([*parts, html[at:]])


class _Reader(HTMLParser):
    def __init__(self, url: str) -> None:
        super().__init__(convert_charrefs=True)
        self._url = url
        self._parts: list[str] = []
        self._hidden = 0
        self._links: list[tuple[str, int]] = []
        self._title = ""
        self._in_title = False

    def text(self) -> str:
        joined = "".join(self._parts)
        lines = [re.sub(r"[ \t\r\f\v]+", " ", line).strip() for line in joined.split("\n")]
        text = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
        title = " ".join(self._title.split())
        return f"{title}\n\n{text}".strip() if title else text

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._in_title = self._in_title or tag == "title"
        if tag in _HIDDEN:
            self._hidden += 1
        elif tag == "br":
            self._parts.append("\n")
        elif tag == "hr":
            self._parts.append("\n---\n")
        elif tag in _HEADINGS:
            self._parts.append(f"\n\n{_HEADINGS[tag]} ")
        elif tag == "li":
            self._parts.append("\n- ")
        elif tag in ("td", "th"):
            self._parts.append(" | ")
        elif tag in _BLOCKS:
            self._parts.append("\n" if tag == "tr" else "\n\n")
        elif tag == "a":
            self._links.append((given.get("href") or "", len(self._parts)))
        elif tag == "img" and given.get("alt"):
            self._parts.append(f"[image: {given['alt']}]")
        elif tag in ("input", "textarea", "select", "button") and given.get("type") != "hidden":
            named = " ".join(f"{key}={given[key]}" for key in ("type", "name", "value") if given.get(key))
            self._parts.append(f"[{tag} {named}] " if named else "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "title":
            self._in_title = False
        if tag in _HIDDEN:
            self._hidden = max(0, self._hidden - 1)
        elif tag in _HEADINGS or (tag in _BLOCKS and tag != "tr"):
            self._parts.append("\n\n")
        elif tag == "a" and self._links:
            target, start = self._links.pop()
            said = " ".join("".join(self._parts[start:]).split())
            if target and not target.startswith(("#", "javascript:")) and said:
                del self._parts[start:]
                self._parts.append(f"[{said}]({_joined(self._url, target)})")

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self._title += data[:500]
        elif not self._hidden:
            self._parts.append(data.replace("\n", " "))


def _joined(url: str, target: str) -> str:
    try:
        return urljoin(url, target)
    except ValueError:
        return target
