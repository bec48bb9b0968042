"""An agent uses web sites with its browser, and the task program sees what it did."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from browser_stand import LiveBrowser, needs_browser

from terrarium.core.errors import ConfigError, NotFound, Refused
from terrarium.core.message import ImageBlock
from terrarium.http.host import WebHost

pytestmark = needs_browser


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveBrowser]:
    """One browser for the tests that leave it as they found it: on the shop's page."""
    with LiveBrowser(tmp_path_factory.mktemp("live")) as stand:
        yield stand


@pytest.fixture
def shop(live: LiveBrowser) -> LiveBrowser:
    live.use("open", url="http://shop.example/")
    return live


def test_a_form_is_filled_and_sent(shop):
    page = shop.use("type", element='textbox "Name"', text="Ann Bö")
    assert page.startswith("url: http://shop.example/\ntitle: Shop\n")
    assert 'textbox "Name" [value="Ann Bö"]' in page
    assert '[value="Green"]' in shop.use("select", element='combobox "Colour"', options=["Green"])
    assert '[value="2030-01-31"]' in shop.use("type", element='Date "Day"', text="2030-01-31")
    assert 'checkbox "Gift" [checked]' in shop.use("click", element="Gift")
    shop.use("click", element='button "Order"')
    assert shop.asked[-1] == ("agent", "shop.example/order?name=Ann+B%C3%B6&colour=g&day=2030-01-31&gift=on")
    assert shop.browser.url() == "http://shop.example/order?name=Ann+B%C3%B6&colour=g&day=2030-01-31&gift=on"
    assert "title: Shop" in shop.use("back")


def test_typing_replaces_and_enter_submits(shop):
    shop.use("type", element="Name", text="first")
    shop.use("press", element='textbox "Name"', key="Control+a")
    shop.use("press", key="x")
    assert '[value="x"]' in shop.use("snapshot")
    shop.use("type", element="Name", text="second", submit=True)
    assert shop.asked[-1][1].startswith("shop.example/order?name=second&")


def test_elements_are_named_by_reference_role_and_name(shop):
    page = shop.use("snapshot")
    ref = next(line for line in page.splitlines() if 'link "About us" ' in line).rpartition("[")[2].rstrip("]")
    assert "title: About" in shop.use("click", element=ref)
    assert "is not on the page any more" in shop.refused("click", element=ref)
    shop.use("back")
    assert "2 elements are called 'More'" in shop.refused("click", element="More")
    assert "the page has 2 of link" in shop.refused("click", element='link "More" 3')
    shop.use("click", element='link "More" 2')
    assert shop.asked[-1][1] == "shop.example/more?2"
    shop.use("back")
    told = shop.refused("click", element='button "Buy"')
    assert "there is no button 'Buy'" in told
    assert 'button "Order" e' in told
    assert "link" not in told
    assert "it has no such option" in (told := shop.refused("select", element="Colour", options=["Blue"]))
    assert '"Red", "Green"' in told
    assert "one cannot type into it" in shop.refused("type", element="Order", text="x")
    assert "date field" in shop.refused("type", element='Date "Day"', text="tomorrow")
    assert "did you mean 'Enter'" in shop.refused("press", key="Entr")


def test_what_cannot_be_clicked_says_why(shop):
    assert "is covered by <div#lid>" in shop.refused("click", element="Under")
    assert 'button "Sold out" is disabled' in shop.refused("click", element="Sold out")
    assert "title: bottom" in shop.use("click", element="Bottom"), "it is brought into view"
    assert "title: framed" in shop.use("click", element="Inner"), "it is in a frame"


def test_dialogs_are_answered_as_the_agent_said(shop):
    assert 'a dialog (confirm) said "Really?"; it was dismissed' in shop.use("click", element="Ask")
    assert shop.browser.tabs()[0]["title"] == "no"
    shop.use("dialogs", accept=True)
    assert "title: yes" in shop.use("click", element="Ask")
    shop.use("dialogs", accept=False)


def test_new_tabs_come_to_the_front(shop):
    page = shop.use("click", element="About us, in a new tab")
    assert "title: About" in page
    assert "tab: 2 of 2" in page
    assert "We sell lamps" in page
    assert "there is no tab 7; they are 1 to 2" in shop.refused("tabs", switch_to=7)
    assert [tab["current"] for tab in shop.use("tabs", switch_to=1)] == [True, False]
    assert [tab["title"] for tab in shop.use("tabs", close=2)] == ["Shop"]
    assert "tab: 2 of 2" in shop.use("open", url="shop.example/about", new_tab=True)
    assert [tab["number"] for tab in shop.use("tabs", close=2)] == [1]


def test_downloads_stay_inside_and_can_be_read(shop, tmp_path):
    assert "note: downloaded 'list.csv' (11 bytes)" in shop.use("click", element="Price list")
    assert shop.use("download", name="list.csv") == "lamp,25.00\n"
    assert shop.browser.download("list.csv") == b"lamp,25.00\n"
    assert shop.browser.downloads()[-1] == {"name": "list.csv", "url": "http://shop.example/list.csv", "size": 11}
    assert "there are: list.csv" in shop.refused("download", name="../../etc/passwd")
    assert shop.run(shop.box.list("/root/downloads")) == []


def test_pages_live_at_the_time_of_the_world(shop):
    shop.clock.move(shop.clock.micros + 86_400_000_000)
    shop.use("click", element="Keep")
    seen = datetime.fromisoformat(shop.browser.storage("http://shop.example")["seen"])
    assert abs((seen - shop.clock.now).total_seconds()) < 20
    assert shop.clock.now > datetime(2030, 1, 8, tzinfo=UTC)


def test_pictures_and_texts(shop):
    image = shop.use("screenshot")
    assert isinstance(image, ImageBlock)
    assert image.data.startswith(b"\x89PNG")
    assert _size(image.data) == (1280, 720)
    assert _size(shop.browser.screenshot(full_page=True))[1] > 3000
    assert "Lamps" in shop.use("read")
    assert "Lamps" in shop.browser.read()
    assert 'heading "Lamps" [level=1]' in shop.browser.snapshot()


def test_the_program_opens_pages_and_sets_cookies(shop):
    shop.browser.set_cookie("http://shop.example", "session", "s3cret", http_only=True)
    assert shop.browser.goto("http://shop.example/who") == "http://shop.example/who"
    assert "session=s3cret" in shop.browser.read()
    assert {"url": "http://shop.example/who", "at": shop.clock.now, "by": "task"} == shop.browser.history()[-1]
    with pytest.raises(Refused, match="cannot be a cookie"):
        shop.browser.set_cookie("http://shop.example", "a b", "x; domain=other.example")


def test_hosts_that_come_later_and_https(shop):
    assert "title: /who" in shop.use("open", url="https://safe.example/who")
    assert "there is no host" in shop.refused("open", url="http://later.example/")
    shop.run(WebHost(shop.site, ["later.example"], shop._app).open())
    assert "You see /new" in shop.use("open", url="http://later.example/new")


def test_there_is_nothing_but_the_world(shop, tmp_path):
    import socket

    for url in (
        "file:///etc/passwd",
        "chrome://version",
        "javascript:alert(1)",
        "http://",
        "http://[::1",
        "",
        "ftp://x/",
    ):
        assert "cannot be opened: use http" in shop.refused("open", url=url)
    assert "there is no host of that name" in shop.refused("open", url="http://www.google.com/")
    with socket.create_server(("127.0.0.1", 0)) as engine:
        engine.settimeout(0.2)
        assert "nobody answers there" in shop.refused("open", url=f"http://127.0.0.1:{engine.getsockname()[1]}/")
        with pytest.raises(TimeoutError):
            engine.accept()
    # Whatever a page makes of its browser, it stands in a sandbox: the files of the machine are not there.
    secret = tmp_path / "secret"
    secret.write_text("of the machine")
    with pytest.raises(NotFound):
        shop.run(shop.box.read(str(secret)))
    listening = shop.run(shop.box.exec("cat /proc/net/tcp /proc/net/tcp6")).stdout.splitlines()
    ports = {int(line.split()[1].rpartition(":")[2], 16) for line in listening if " 0A " in line}
    assert ports == {80, 443}, "nothing but the web sites listens there: no debugging port"


def test_what_is_kept_goes_on_elsewhere(tmp_path):
    with LiveBrowser(tmp_path / "one") as one:
        one.use("open", url="shop.example/")
        one.use("click", element="Keep")
        one.use("open", url="shop.example/about", new_tab=True)
        before = list(one.browser.rows())
        one.run(one.browser.save(tmp_path / "two" / "browser"))
        pids = one.run(one.box.exec("pgrep -f headless-shell")).stdout.split()
        assert len(pids) > 2
    assert not (tmp_path / "one" / "browser" / "running").exists()
    with LiveBrowser(tmp_path / "two") as two:
        assert list(two.browser.rows()) == before
        assert two.browser.url() == "http://shop.example/about"
        assert not two.asked, "it is not started before it is used"
        assert "We sell lamps" in two.use("read")
        assert [row for row in two.browser.rows() if row.table != "visit"] == [
            row for row in before if row.table != "visit"
        ]
        assert two.browser.history() == one.browser.history()
        assert "basket=3" in two.use("open", url="shop.example/who")


def told(stand: LiveBrowser) -> str:
    """What the page says that it finds: cookies, local storage and its database."""
    [text] = [line for line in stand.use("read").splitlines() if line.startswith("[")]
    return text


def test_copies_have_cookies_and_storage_and_none_sees_what_another_does(tmp_path):
    with LiveBrowser(tmp_path / "one") as one:
        one.browser.set_cookie("https://safe.example", "login", "s3cret", http_only=True)
        one.use("open", url="safe.example/basket")
        one.use("type", element="Put in", text="first")
        one.use("click", element="Put")
        one.use("open", url="shop.example/basket")
        assert told(one) == '["",[],[]]'
        for name in ("lamp", "ü'\"</script>"):
            one.use("type", element="Put in", text=name)
            one.use("click", element="Put")
        known = told(one)
        assert '"lamps=ü' in known
        assert '"1970-01-02T00:00:00.000Z"' in known
        assert '[1,"-0","NaN",null,"undefined"],"big":"12345678901234567890n"' in known
        assert '["Map",["a",["Set",1,{"b":true}]]],"like":"/a+/gi"' in known
        assert '"bytes":["bytes",0,255]' in known
        one.run(one.browser.save(tmp_path / "two" / "browser"))
        rows = list(one.browser.rows())
        with LiveBrowser(tmp_path / "two") as two:
            assert told(two) == known, "its tab was opened again, and finds what was there"
            two.use("type", element="Put in", text="third")
            two.use("click", element="Put")
            assert '"id":3' in told(two), "numbers go on"
            two.use("click", element="Empty")
            assert told(one) == known
            assert list(one.browser.rows()) == rows
            two.use("open", url="safe.example/basket")
            assert '"stored ü first"' in told(two)
            assert '"name":"first"' in told(two), "of origins without a tab, too"
            assert "login=s3cret" not in told(two), "scripts do not see it"
            assert "login=s3cret" in two.use("open", url="https://safe.example/who")
        one.use("click", element="Empty")
        assert [row.key for row in one.browser.rows() if row.table in ("storage", "database")] == [
            "agent/http://safe.example/basket",
            "agent/http://safe.example/first",
        ]


def test_databases_that_are_too_large_or_odd_are_not_kept(shop):
    shop.use("open", url="bad.example/odd")
    assert "made" in shop.use("read")
    shop.use("open", url="bad.example/about")
    kept = {row.fields["name"]: row.fields["content"] for row in shop.browser.rows() if row.table == "database"}
    assert kept == {"plain": '[1,[["s",{"keyPath":null,"autoIncrement":true},[],[[1,"x"]]]]]', "é": "[1,[]]"}


def test_agents_have_browsers_of_their_own(tmp_path):
    with LiveBrowser(tmp_path, agents=("ann", "bob"), config={"agents": ["ann"]}) as stand:
        assert stand.browser.tools("bob") == []
    with LiveBrowser(tmp_path / "both", agents=("ann", "bob")) as stand:
        stand.use("open", "ann", url="shop.example/")
        stand.use("click", "ann", element="Keep")
        assert "basket" not in stand.use("open", "bob", url="shop.example/who")
        assert stand.asked == [("ann", "shop.example/"), ("bob", "shop.example/who")]
        assert stand.browser.cookies("bob") == []
        assert len(stand.browser.cookies("ann")) == 1
        with pytest.raises(Refused, match="say whose browser: ann, bob"):
            stand.browser.url()
        with pytest.raises(NotFound, match="these have: ann, bob"):
            stand.browser.url("eve")


def test_pages_that_misbehave_end_themselves_only(tmp_path):
    with LiveBrowser(tmp_path, config={"timeout": 3}) as stand:
        stand.browser.set_cookie("http://shop.example", "session", "1")
        assert "it gave no answer for 3 s" in stand.refused("open", url="bad.example/slow")
        stand.use("open", url="bad.example/popups")
        assert "tab: 10 of 10" in stand.use("click", element="Pop")
        assert "10 tabs open" in stand.refused("open", url="shop.example", new_tab=True)
        assert "url: http://bad.example/deep" in stand.use("open", url="bad.example/deep")
        assert len(stand.browser.tabs()[-1]["title"]) <= 300
        stand.use("open", url="bad.example/busy")
        assert "your next use of it starts with an empty tab" in stand.refused("click", element="Hang")
        assert stand.use("tabs") == [{"number": 1, "url": "about:blank", "title": "", "current": True}]
        assert "session=1" in stand.use("open", url="shop.example/who"), "cookies are still there"
        stand.run(stand.box.exec("pkill -KILL -f headless-shell"))
        with contextlib.suppress(Refused):  # it may not have been noticed yet
            stand.use("tabs")
        assert "session=1" in stand.use("open", url="shop.example/who")
        assert not stand.failures


def test_it_refuses_settings_that_it_cannot_have(tmp_path):
    for config in (
        {"viewpoint": "1x1"},
        {"viewport": "1280"},
        {"viewport": "10000x100"},
        {"timeout": 0},
        {"timeout": True},
        {"agents": ["nobody"]},
        {"resources": {"memory": "much"}},
        {"resources": "all"},
    ):
        with pytest.raises(ConfigError):
            LiveBrowser(tmp_path, config=config)


def _size(png: bytes) -> tuple[int, int]:
    return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")
