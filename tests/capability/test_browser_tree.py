"""Elements by name, keys by name, and a Chromium that says nonsense: without one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import pytest

from terrarium.capability.browser.devtools import Denied, Devtools, Gone, Silent
from terrarium.capability.browser.keys import strokes
from terrarium.capability.browser.tab import Tab
from terrarium.capability.browser.tree import SNAPSHOT_LIMIT, elements, find, snapshot
from terrarium.capability.browser.window import checked_url
from terrarium.core.errors import NotFound, Refused


def _node(number: int, role: str, name: str, children: Iterable[int] = (), **more: Any) -> dict[str, Any]:
    return {
        "nodeId": str(number),
        "role": {"value": role},
        "name": {"value": name},
        "backendDOMNodeId": number,
        "childIds": [str(child) for child in children],
        **more,
    }


def _page(nodes: list[dict[str, Any]]) -> Any:
    """The elements of a page whose tree Chromium says is this."""

    def answer(asked: dict[str, Any]) -> dict[str, Any]:
        if asked["method"] == "Page.getFrameTree":
            return {"frameTree": {"frame": {"id": "F"}}}
        return {"nodes": nodes}

    async def go() -> Any:
        async with asyncio.timeout(20), talking(answer) as devtools:
            return await elements(Tab(devtools, "T", "S", lambda note: None))

    return asyncio.run(go())


@contextlib.asynccontextmanager
async def talking(answer: Callable[[Any], Any], seconds: float = 20.0) -> AsyncIterator[Devtools]:
    """A connection to somebody who answers as told: a result, or bytes that are sent as they are."""
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setblocking(False)
    reader, writer = await asyncio.open_connection(sock=theirs)

    async def serve() -> None:
        with contextlib.suppress(EOFError, ConnectionError):
            while True:
                asked = json.loads((await reader.readuntil(b"\0"))[:-1])
                said = answer(asked)
                plain = (
                    json.dumps({"id": asked["id"], **_as(said)}).encode() + b"\0" if isinstance(said, dict) else said
                )
                writer.write(plain)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    serving = asyncio.ensure_future(serve())
    devtools = await Devtools.over(ours, seconds)
    try:
        yield devtools
    finally:
        await devtools.close()
        await serving


def _as(said: dict[str, Any]) -> dict[str, Any]:
    return said if "error" in said else {"result": said}


SHOP = [
    _node(1, "RootWebArea", "Shop", [2, 3, 4, 5, 8]),
    _node(2, "button", "Save"),
    _node(3, "link", "Save"),
    _node(4, "button", 'Say "hi"'),
    _node(5, "generic", "", [6, 7]),
    _node(6, "StaticText", "  some\n text "),
    _node(7, "textbox", "Name", value={"value": "Ann"}, properties=[{"name": "focused", "value": {"value": True}}]),
    _node(8, "button", "Go", [9]),
    _node(9, "StaticText", "Go"),
]


def test_a_snapshot_tells_roles_names_states_and_references():
    assert snapshot(_page(SHOP)).splitlines() == [
        '- page "Shop"',
        '  - button "Save" [e1]',
        '  - link "Save" [e2]',
        '  - button "Say \\"hi\\"" [e3]',
        "  - text: some text",
        '  - textbox "Name" [value="Ann"] [focused] [e4]',
        '  - button "Go" [e5]',
    ]


def test_elements_are_found_by_reference_role_and_name():
    page = _page(SHOP)
    for asked, backend in (
        ("e2", 3), ("[e2]", 3), ("ref=e2", 3), ('link "Save"', 3), ('LINK "Save" 1', 3), ("Go", 8), ("  Name ", 7),
        ('button "Say \\"hi\\""', 4),
    ):  # fmt: skip
        assert find(page, asked).backend == backend, asked
    for asked, kind, told in (
        ("Save", Refused, "2 elements are called 'Save': e1 .button., e2 .link."),
        ("e9", NotFound, "not on the page any more"),
        ('button "Stop"', NotFound, 'no button .Stop. on the page; there are: button "Save" e1, button'),
        ('button "Go" 2', NotFound, "has 1 of button"),
        ("", Refused, "say which element"),
        ("x" * 10**6, NotFound, "there are"),
        ('a "' + "\\\\" * 10**5, NotFound, "there are"),
    ):
        with pytest.raises(kind, match=told):
            find(page, asked)


def test_a_tree_that_goes_round_or_is_huge_ends():
    assert snapshot(_page([_node(1, "list", "a", [1, 2]), _node(2, "list", "b", [1, 2])])).count("list") == 2
    many = [_node(1, "RootWebArea", "x", range(2, 30_000)), *(_node(n, "button", "b" * 900) for n in range(2, 30_000))]
    assert len(snapshot(_page(many))) < SNAPSHOT_LIMIT + 200
    deep = [_node(n, "list", "d", [n + 1]) for n in range(1, 15_000)]
    assert len(snapshot(_page(deep))) < SNAPSHOT_LIMIT + 200
    assert snapshot(_page([])) == "- page"


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ({"error": {"message": "no such node"}}, Denied),
        ({"error": {}}, Denied),
        (b"", Silent),
        (b"not json\0", Gone),
        (b"[" * 100_000 + b"\0", Gone),
        (b"[1]\0", Gone),
        (b'{"method": 7}\0', Silent),
        (b'{"id": 10000}\0', Silent),
    ],
)
def test_what_is_no_answer(said, kind):
    async def go() -> None:
        async with talking(lambda asked: said, seconds=0.3) as devtools:
            with pytest.raises(kind):
                await devtools.call("Page.enable")

    asyncio.run(go())


def test_keys_have_names():
    assert [stroke["type"] for stroke in strokes("Enter")] == ["keyDown", "keyUp"]
    assert strokes("a")[0]["text"] == "a"
    assert strokes("+")[0]["text"] == "+"
    assert strokes("Shift+Tab")[0]["modifiers"] == 8
    assert "text" not in strokes("Control+a")[0]
    for wrong in ("", "Entr", "Hyper+a", "\0", "Control+", "ab" * 10**5, "a+" * 10**5):
        with pytest.raises(Refused):
            strokes(wrong)


def test_addresses():
    assert checked_url(" shop.example/a ") == "http://shop.example/a"
    assert checked_url("https://shop.example:8443/?q=1#x") == "https://shop.example:8443/?q=1#x"
    for wrong in (
        "",
        "file:///etc/passwd",
        "http://",
        "http://[::1",
        "http://a:99999/",
        "x" * 3_000,
        "data:text/html,x",
    ):
        with pytest.raises(Refused):
            checked_url(wrong)
