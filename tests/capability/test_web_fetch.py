"""The web client of an agent: what it shows, and what it does not reach."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest
from web_browser import Browser

from terrarium.capability.web.fetch import SHOWN_LIMIT
from terrarium.capability.web.text import text_of
from terrarium.core.errors import Refused
from terrarium.core.network import Caller

PAGE = """<!doctype html><html><head><title>The  Shop</title><script>let x = "<p>no</p>"</script></head>
<body><nav><a href="/">Home</a> <a href="cart?id=7&amp;b=1"><b>Cart</b></a> <a href="#top">Top</a></nav>
<h2>Caf&eacute;</h2><p>First
line<br>second</p><ul><li>one</li><li>two</li></ul><style>p {}</style>
<table><tr><th>Name</th><th>Price</th></tr><tr><td>Tea</td><td>3</td></tr></table>
<form><input type="text" name="q" value="v"><input type="hidden" name="secret"></form>
<img src="x" alt="a cat"></body>"""


def test_html_as_text() -> None:
    text = text_of(PAGE, "https://shop.example/a/b")
    assert text.startswith("The Shop\n\n")
    assert "[Home](https://shop.example/)" in text
    assert "[Cart](https://shop.example/a/cart?id=7&b=1)" in text
    assert "## Café\n\nFirst line\nsecond" in text
    assert "- one\n- two" in text
    assert "| Name | Price\n| Tea | 3" in text
    assert "type=text name=q value=v" in text
    assert "[image: a cat]" in text
    assert not [word for word in ("let x", "p {}", "secret") if word in text]


@pytest.mark.parametrize(
    "html",
    ["<", "<!", "<![CDATA[", "<a href='http://[bad'>x</a>", "</a></a>", "<script>" * 1000, "<a href=x>" * 20_000,
     "<" * 100_000, "&#x110000;&#0;", "<!--" * 50_000, "<a " + "x=y " * 50_000],
)  # fmt: skip
def test_broken_html_is_text_too(html: str) -> None:
    assert isinstance(text_of(html, "https://shop.example/"), str)


def run(folder: Path, work: Any) -> Any:
    async def go() -> Any:
        async with Browser(folder) as browser:
            async with asyncio.timeout(100):
                return await work(browser)

    return asyncio.run(go())


def test_it_follows_redirects_over_tls_and_is_known_there(tmp_path: Path) -> None:
    async def work(browser: Browser) -> None:
        await browser.do("put", "shop.example", "/new.html", PAGE)
        await browser.do("redirect", "old.example", "/", "https://shop.example/new.html", 301)
        found = await browser.fetch("http://old.example", agent="bob")
        assert (found["status"], found["url"]) == (200, "https://shop.example/new.html")
        assert found["text"] == text_of(PAGE, "https://shop.example/new.html")
        assert {visit["agent"] for visit in browser.web.log()} == {"bob"}
        assert (await browser.fetch("https://shop.example/new.html", raw=True))["text"] == PAGE
        await browser.do("redirect", "loop.example", "/", "/")
        with pytest.raises(Refused, match="10 times"):
            await browser.fetch("https://loop.example/")
        await browser.do("redirect", "away.example", "/", "ftp://shop.example/")
        with pytest.raises(Refused, match="no address"):
            await browser.fetch("https://away.example/")

    run(tmp_path, work)


def test_methods_bodies_and_headers(tmp_path: Path) -> None:
    async def work(browser: Browser) -> None:
        await browser.do(
            "respond", "api.example", "/items", '{"id": 7}', 201, {"content-type": "application/json"}, "POST"
        )
        found = await browser.fetch(
            "https://api.example/items", method="post", body="{}", headers={"Content-Type": "application/json"}
        )
        assert (found["status"], found["text"]) == (201, '{"id": 7}')
        await browser.do("put", "api.example", "/large.txt", "ä" * (SHOWN_LIMIT + 1))
        found = await browser.fetch("https://api.example/large.txt")
        assert (len(found["text"]), found["truncated"]) == (SHOWN_LIMIT, True)
        await browser.do("put", "api.example", "/a.png", b"\x89PNG\0")
        assert (await browser.fetch("https://api.example/a.png"))["text"] == "[5 bytes of image/png]"
        for bad in ({"method": "BREW"}, {"headers": {"X\r\nY": "z"}}, {"headers": {"X": "a\r\nb: c"}},
                    {"headers": {"X": "\ud800"}}, {"body": "\ud800", "method": "POST"}):  # fmt: skip
            with pytest.raises(Refused):
                await browser.fetch("https://api.example/items", **bad)

    run(tmp_path, work)


def test_what_is_not_in_the_world_is_not_there(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as outside:
        port = outside.getsockname()[1]

        async def silly(connection: socket.socket, caller: Caller) -> None:
            await asyncio.get_running_loop().sock_sendall(connection, b"220 mail\r\n")
            connection.close()

        async def work(browser: Browser) -> None:
            await browser.network.serve("mail.world", 25, silly)
            for url in (f"http://127.0.0.1:{port}/", f"http://localhost:{port}/", "https://example.com/",
                        "http://mail.world:25/", "https://mail.world:25/"):  # fmt: skip
                with pytest.raises(Refused, match=r"nobody answers|gave no answer"):
                    await browser.fetch(url)
            for url in ("", "shop.example", "file:///etc/passwd", "http://", "http://[::1", "https://a.example:99999/",
                        "http://user:pass@a.example/", "http://a.example/ b", "http://ä.example/"):  # fmt: skip
                with pytest.raises(Refused, match="no address"):
                    await browser.fetch(url)

        run(tmp_path, work)
        outside.setblocking(False)
        with pytest.raises(BlockingIOError):
            outside.accept()
