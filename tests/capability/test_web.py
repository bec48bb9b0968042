"""Web sites: what a client gets, what a task says, and what is kept."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from web_browser import Browser

from terrarium.capability.web import shelf
from terrarium.core.capability import Traits
from terrarium.core.errors import ConfigError, NotFound, Refused, Unsupported

HOST = "shop.example"


def visit(folder: Path, work: Callable[[Browser], Awaitable[Any]], **given: Any) -> Any:
    async def go() -> Any:
        async with Browser(folder, **given) as browser:
            async with asyncio.timeout(60):
                found = await work(browser)
            assert browser.failures == []
            return found

    return asyncio.run(go())


def test_folders_and_files(tmp_path: Path) -> None:
    (tmp_path / "shop" / "deep").mkdir(parents=True)
    (tmp_path / "shop" / "index.html").write_text("<h1>Shop</h1>")
    (tmp_path / "shop" / "deep" / "ü b.md").write_text("# Deep")
    (tmp_path / "shop" / "link").symlink_to("/etc/passwd")
    (tmp_path / "shop" / "data.json").write_text("{}")

    async def work(browser: Browser) -> None:
        assert browser.web.pages(HOST) == ["/data.json", "/deep/ü b.md", "/index.html"]
        status, headers, body = await browser.ask(HOST, "/")
        assert (status, headers["content-type"], body) == (200, "text/html; charset=utf-8", b"<h1>Shop</h1>")
        assert (await browser.ask(HOST, "/index.html?x=1"))[2] == body
        status, headers, body = await browser.ask(HOST, "/deep/%C3%BC%20b.md")
        assert (status, headers["content-type"], body) == (200, "text/markdown; charset=utf-8", b"# Deep")
        assert (await browser.ask(HOST, "/data.json"))[1]["content-type"] == "application/json"
        for path in ("/link", "/deep/", "/../etc/passwd", "/nothing", "//", "/%00"):
            assert (await browser.ask(HOST, path))[0] == 404, path
        status, headers, _ = await browser.ask(HOST, "/data.json", "POST", b"{}")
        assert (status, headers["allow"]) == (405, "GET, HEAD")
        status, headers, body = await browser.ask(HOST, "/data.json", "HEAD")
        assert (status, headers["content-length"], body) == (200, "2", b"")

    visit(tmp_path / "state", work, config={"sites": {HOST: "shop"}}, beside=tmp_path)


def test_listing_and_a_page_for_what_is_not_there(tmp_path: Path) -> None:
    async def work(browser: Browser) -> None:
        await browser.do("put", HOST, "/a/one<b>.txt", "1")
        assert (await browser.ask(HOST, "/a"))[0] == (await browser.ask(HOST, "/a/"))[0] == 404
        await browser.do("site", HOST, listing=True)
        status, headers, _ = await browser.ask(HOST, "/a")
        assert (status, headers["location"]) == (301, "/a/")
        listed = (await browser.ask(HOST, "/a/"))[2]
        assert b'<a href="one%3Cb%3E.txt">one&lt;b&gt;.txt</a>' in listed
        assert b'<a href="a/">' in (await browser.ask(HOST, "/"))[2]
        await browser.do("put", HOST, "/404.html", "<p>gone</p>")
        assert (await browser.ask(HOST, "/b"))[::2] == (404, b"<p>gone</p>")

    visit(tmp_path, work)


def test_what_has_not_changed_and_what_is_asked_in_parts(tmp_path: Path) -> None:
    async def work(browser: Browser) -> None:
        await browser.do("put", HOST, "/a.bin", bytes(range(100)))
        _, headers, _ = await browser.ask(HOST, "/a.bin")
        assert headers["last-modified"] == headers["date"] == "Mon, 07 Jan 2030 09:00:00 GMT"
        for told in ({"If_None_Match": f'W/"x", {headers["etag"]}'}, {"If_Modified_Since": headers["last-modified"]}):
            assert (await browser.ask(HOST, "/a.bin", **told))[0] == 304
        late, broken = "Mon, 07 Jan 2030 08:59:59 GMT", "Mon, 07 Jan 99999 08:00:00 GMT"
        for told in ({"If_None_Match": '"x"'}, *({"If_Modified_Since": when} for when in (late, broken, "nonsense"))):
            assert (await browser.ask(HOST, "/a.bin", **told))[0] == 200
        for wanted, part in {
            "bytes=10-19": (10, 20),
            "bytes=95-": (95, 100),
            "bytes=-3": (97, 100),
            "bytes=90-999": (90, 100),
        }.items():
            status, told, body = await browser.ask(HOST, "/a.bin", Range=wanted)
            assert (status, body) == (206, bytes(range(*part))), wanted
            assert told["content-range"] == f"bytes {part[0]}-{part[1] - 1}/100"
        for wanted in ("bytes=100-", "bytes=5-4", "bytes=-0", "bytes=999999999999999999-"):
            assert (await browser.ask(HOST, "/a.bin", Range=wanted))[0] == 416, wanted
        for wanted in ("bytes=-", "bytes=0-1,5-6", "lines=1-2", "bytes=" + "9" * 400 + "-", "x" * 5000):
            assert (await browser.ask(HOST, "/a.bin", Range=wanted))[0] == 200, wanted
        assert (await browser.ask(HOST, "/a.bin", Range="bytes=0-1", If_Range='"old"'))[0] == 200
        browser.clock.move(browser.clock.micros + 3_600_000_000)
        await browser.do("put", HOST, "/a.bin", b"new")
        status, told, body = await browser.ask(HOST, "/a.bin", If_None_Match=headers["etag"])
        assert (status, told["last-modified"], body) == (200, "Mon, 07 Jan 2030 10:00:00 GMT", b"new")

    visit(tmp_path, work)


def test_answers_and_redirects(tmp_path: Path) -> None:
    async def work(browser: Browser) -> None:
        kind = {"Content-Type": "application/json", "X-Left": "3"}
        await browser.do("respond", HOST, "/find", "no query")
        await browser.do("respond", HOST, "/find?q=ants", '{"n": 7}', headers=kind)
        await browser.do("respond", HOST, "/pay", "thanks", 201, method="POST")
        await browser.do("respond", HOST, "/busy", "later", 503, {"Retry-After": "5"})
        await browser.do("redirect", HOST, "/old", "/new", 308)
        status, headers, body = await browser.ask(HOST, "/find?q=ants")
        assert (status, headers["content-type"], headers["x-left"], body) == (200, "application/json", "3", b'{"n": 7}')
        assert (await browser.ask(HOST, "/find?q=bees"))[2] == b"no query"
        assert (await browser.ask(HOST, "/pay", "POST", b"x"))[::2] == (201, b"thanks")
        assert (await browser.ask(HOST, "/pay"))[0] == 405
        status, headers, _ = await browser.ask(HOST, "/busy", "DELETE")
        assert (status, headers["retry-after"]) == (503, "5")
        status, headers, _ = await browser.ask(HOST, "/old", "PUT")
        assert (status, headers["location"]) == (308, "/new")

    visit(tmp_path, work)


def test_sites_come_and_go_while_clients_ask(tmp_path: Path) -> None:
    async def work(browser: Browser) -> None:
        web = browser.web
        assert await browser.do("put", "News.Example.", "/a", "1") == "https://news.example/a"
        assert (await browser.ask("news.example", "/a"))[2] == b"1"
        await browser.do("down", "news.example")
        with pytest.raises(NotFound):
            await browser.ask("news.example", "/a")
        await browser.do("put", "news.example", "/a", "2")
        await browser.do("up", "news.example")
        assert (await browser.ask("news.example", "/a"))[2] == b"2"
        await browser.do("remove", "news.example", "/a")
        assert (await browser.ask("news.example", "/a"))[0] == 404
        await browser.do("remove", "news.example")
        assert [row.table for row in web.rows()] == []
        with pytest.raises(NotFound):
            await browser.do("down", "news.example")
        await browser.do("put", "news.example", "/a", "3")
        assert (await browser.ask("news.example", "/a"))[2] == b"3"

    visit(tmp_path, work)


def test_the_log_says_who_asked_for_what_and_is_a_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "VISITS", 3)

    async def work(browser: Browser) -> None:
        await browser.do("put", HOST, "/a", "12345")
        browser.changes.clear()
        await browser.ask(HOST, "/a?x=1")
        await browser.ask(HOST, "/b%FF%0A", "HEAD", agent="bob")
        assert all(change.trace for change in browser.changes)
        first, second = browser.web.log(HOST)
        assert first == {"host": HOST, "agent": "ann", "bytes": 5, "method": "GET", "path": "/a?x=1", "status": 200,
                         "time": browser.clock.now}  # fmt: skip
        assert (second["agent"], second["method"], second["status"], second["bytes"]) == ("bob", "HEAD", 404, 0)
        for number in range(3):
            await browser.ask(HOST, f"/{number}" + "x" * 5000)
        assert [entry["path"][:2] for entry in browser.web.log()] == ["/0", "/1", "/2"]
        assert {len(entry["path"]) for entry in browser.web.log()} == {1000}

    visit(tmp_path, work)


def test_a_copy_has_the_same_sites(tmp_path: Path) -> None:
    async def fill(browser: Browser) -> list[Any]:
        await browser.do("site", HOST, files={"/large": bytes(200_000), "/small": "s"})
        await browser.do("put", "other.example", "/", "o")
        await browser.do("down", "other.example")
        await browser.ask(HOST, "/small")
        await browser.web.save(tmp_path / "saved")
        return list(browser.web.rows())

    rows = visit(tmp_path / "one", fill, config={"sites": {HOST: {"files": {"/first": "f"}}}})
    shutil.copytree(tmp_path / "saved", tmp_path / "two")

    async def look(browser: Browser) -> None:
        assert list(browser.web.rows()) == rows
        assert (await browser.ask(HOST, "/large"))[2] == bytes(200_000)
        with pytest.raises(NotFound):
            await browser.ask("other.example", "/")

    visit(tmp_path / "two", look, config={"sites": {HOST: {"files": {"/first": "f"}}}})


def test_a_package_index(tmp_path: Path) -> None:
    (tmp_path / "wheels").mkdir()
    for name in ("My.Pack_age-1.0-py3-none-any.whl", "my_pack_age-1.1.tar.gz", "readme.txt"):
        (tmp_path / "wheels" / name).write_text(name)

    async def work(browser: Browser) -> None:
        assert b'<a href="my-pack-age/">my-pack-age</a>' in (await browser.ask("pypi.example", "/simple/"))[2]
        status, headers, _ = await browser.ask("pypi.example", "/simple/My.Pack.Age/")
        assert (status, headers["location"]) == (301, "/simple/my-pack-age/")
        assert (await browser.ask("pypi.example", "/simple/my-pack-age"))[0] == 301
        assert (await browser.ask("pypi.example", "/simple/readme/"))[0] == 404
        page = (await browser.ask("pypi.example", "/simple/my-pack-age/"))[2].decode()
        assert page.count("#sha256=") == 2
        kind = "application/vnd.pypi.simple.v1+json"
        _, headers, body = await browser.ask("pypi.example", "/simple/my-pack-age/", Accept=f"{kind}, text/html;q=0.1")
        assert headers["content-type"] == kind
        files = json.loads(body)["files"]
        assert (await browser.ask("pypi.example", files[0]["url"]))[2] == files[0]["filename"].encode()
        assert browser.web.equipment("ann").env["PIP_INDEX_URL"] == "https://pypi.example/simple/"

    config = {"sites": {HOST: {"files": {}}, "pypi.example": {"folder": "wheels", "packages": True}}}
    visit(tmp_path / "state", work, config=config, beside=tmp_path)


APPS = """
visits = []

async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        visits.append("began")
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    if scope["path"] == "/boom":
        raise ValueError("the application broke")
    if scope["path"] == "/slow":
        import asyncio
        await asyncio.sleep(60)
    body = (await receive())["body"]
    caller = scope["extensions"]["terrarium"]["caller"]
    visits.append(scope["path"])
    await send({"type": "http.response.start", "status": 207, "headers": [(b"x-app", b"yes")]})
    for part in (caller.name.encode(), b" ", body):
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body"})

def wsgi(environ, start_response):
    start_response("202 Accepted", [("Content-Type", "text/plain"), ("X-Query", environ["QUERY_STRING"])])
    yield environ["REQUEST_METHOD"].encode()
    yield environ["wsgi.input"].read() + environ["HTTP_X_TOLD"].encode() + environ["terrarium.caller"].name.encode()
"""


def test_applications(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_apps.py").write_text(APPS)
    monkeypatch.syspath_prepend(str(tmp_path))
    from terrarium.capability.web import app

    monkeypatch.setattr(app, "APP_SECONDS", 0.2)

    async def work() -> None:
        sites = {"a.example": {"app": "own_apps:asgi"}, "w.example": {"app": "own_apps:wsgi", "wsgi": True}}
        async with Browser(tmp_path / "state", {"sites": sites}, tmp_path) as browser:
            assert browser.web.claims(browser.site.config) == browser.web.traits
            assert browser.web.traits == Traits(deterministic=False, snapshots=False, sees_writes=False)
            status, headers, body = await browser.ask("a.example", "/x", "POST", b"body", agent="bob")
            assert (status, headers["x-app"], body) == (207, "yes", b"bob body")
            status, headers, body = await browser.ask("w.example", "/y?q=1", "PUT", b"+", X_Told="told")
            assert (status, headers["x-query"], body) == (202, "q=1", b"PUT+toldann")
            assert (await browser.ask("a.example", "/boom"))[0] == 500
            while not browser.failures:  # told when the connection has ended
                await asyncio.sleep(0.01)
            assert [str(error) for error in browser.failures] == ["the application broke"]
            assert (await browser.ask("a.example", "/slow"))[0] == 504
            assert [entry["status"] for entry in browser.web.log("a.example")] == [207, 500, 504]
            with pytest.raises(Unsupported, match="stateless"):
                await browser.web.save(tmp_path / "saved")
            await browser.do("site", "a.example", app="own_apps:asgi", stateless=True)
            await browser.do("site", "w.example", app="own_apps:wsgi", wsgi=True, stateless=True)
            assert browser.web.traits == Traits()
            await browser.web.save(tmp_path / "saved")
        from own_apps import visits

        assert visits[:2] == ["began", "/x"]

    asyncio.run(work())


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"site": {}}, "did you mean 'sites'"),
        ({"sites": ["a"]}, "sites must be a table"),
        ({"sites": {"a.example": {"filez": {}}}}, "did you mean 'files'"),
        ({"sites": {"a.example": "nowhere"}}, "no folder"),
        ({"sites": {"a.example": 5}}, "folder or a table"),
        ({"sites": {"a_b.example": {}}}, "cannot be a host"),
        ({"sites": {"ab--c.example": {}}}, "cannot be a host"),
        ({"sites": {"": {}}}, "cannot be a host"),
        ({"sites": {"a.example": {"files": {"no-slash": ""}}}}, "cannot be a path"),
        ({"sites": {"a.example": {"files": {"/a\n": ""}}}}, "cannot be a path"),
        ({"sites": {"a.example": {"files": {"/a": 5}}}}, "content of a page"),
        ({"sites": {"a.example": {"app": "no_such_module:app"}}}, "no_such_module"),
        ({"sites": {"a.example": {"app": "nocolon"}}}, "module:name"),
        ({"sites": {"a.example": {"app": "os:sep"}}}, "os:sep is not an application"),
        ({"sites": {"a.example": {"files": {"a.html": ""}}}}, "a slash first"),
        ({"sites": {"a.example": "x" * 5000}}, "there is no folder"),
        ({"sites": {"a.example": {"listing": 1}}}, "True or False"),
    ],
)
def test_bad_configurations(tmp_path: Path, config: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        visit(tmp_path / "state", lambda browser: asyncio.sleep(0), config=config)


def test_bad_calls_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "PAGE_LIMIT", 1000)
    monkeypatch.setattr(shelf, "PAGES_LIMIT", 2)

    async def work(browser: Browser) -> None:
        web = browser.web
        await browser.do("put", HOST, "/a", "1")
        await browser.do("put", HOST, "/b", "1")
        rows = list(web.rows())
        bad: list[Callable[[], object]] = [
            lambda: web.put(HOST, "/a", "x" * 1001),
            lambda: web.put(HOST, "/c", "x"),
            lambda: web.put(HOST, "/a", "\ud800"),
            lambda: web.put(HOST, "/" + "x" * 1001, ""),
            lambda: web.put(HOST, "/a#b", ""),
            lambda: web.put(HOST, "/a", "", type="text/html\r\nX: y"),
            lambda: web.respond(HOST, "/a", status=100),
            lambda: web.respond(HOST, "/a", status=True),
            lambda: web.respond(HOST, "/a", method="BREW"),
            lambda: web.respond(HOST, "/a", headers={"Content-Length": "5"}),
            lambda: web.respond(HOST, "/a", headers={"X Y": "5"}),
            lambda: web.respond(HOST, "/a", headers={"X": "5\r\nY: 6"}),
            lambda: web.redirect(HOST, "/a", "/b\r\nSet-Cookie: x"),
            lambda: web.redirect(HOST, "/a", "/b", 200),
        ]
        for call in bad:
            with pytest.raises(Refused):
                call()
        for missing in (lambda: web.remove("no.example"), lambda: web.remove(HOST, "/z"), lambda: web.read(HOST, "/z"),
                        lambda: web.log("no.example"), lambda: web.pages("no.example")):  # fmt: skip
            with pytest.raises(NotFound):
                missing()
        assert list(web.rows()) == rows

    visit(tmp_path, work)


def test_opening_loads_no_server_and_no_certificates() -> None:
    probe = "import sys; import terrarium.capability.web.web; print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout.split()
    assert not {"h11", "html", "cryptography", "trustme", "starlette", "http.client"} & set(shown)
