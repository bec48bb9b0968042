"""Whatever is sent to the Web API: an answer that Slack's clients understand, and nothing half done."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from slack_live import LiveSlack

from effort import examples
from terrarium.capability.slack.api.app import METHODS

NAMES = re.findall(
    r"\w+",
    "attachments blocks channel channel_id channels count cursor email exclude_archived file filename files inclusive "
    "initial_comment is_private latest length limit message_ts metadata name oldest page post_at purpose query "
    "return_im scheduled_message_id sort_dir team text thread_ts timestamp title topic ts types user users",
)


class Target:
    """A chat with something in it, and one connection to it."""

    def __init__(self, live: LiveSlack) -> None:
        self.live = live
        slack = live.slack
        slack.create_channel("general")
        slack.create_channel("board", ["ann"], private=True)
        slack.dm("ann", "bob", "hi")
        first = slack.post("ann", "general", "hello")
        file = slack.upload("bob", "general", "a.txt", "text")
        mine = slack.post("bob", "general", "mine", first)
        rooms, users = [one["id"] for one in slack.channels()], [one["id"] for one in slack.users()]
        self.known = [*rooms, *users, first, mine, file, "general", "thumbsup", "bob@corp.example", "in:general hello"]
        self.token = live.token("bob")
        self.connection = http.client.HTTPConnection(urlsplit(live.origin).netloc, timeout=30)

    def ask(self, method: str, arguments: dict[str, Any], as_json: bool) -> tuple[int, dict[str, Any]]:
        if as_json:
            kind, body = "application/json", json.dumps(arguments)
        else:
            plain = {key: one if isinstance(one, str) else json.dumps(one) for key, one in arguments.items()}
            kind, body = "application/x-www-form-urlencoded", urlencode(plain, errors="surrogatepass")
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": kind}
        self.connection.request("POST", f"/api/{method}", body.encode(), headers)
        answer = self.connection.getresponse()
        return answer.status, json.loads(answer.read())


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder: Path = tmp_path_factory.mktemp("slack")
    with LiveSlack(folder) as live:
        target = Target(live)
        yield target
        target.connection.close()
        assert live.failures == []


WILD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
STRANGE = st.sampled_from(
    [
        "",
        "0",
        "-1",
        "1e400",
        "9" * 400,
        "a" * 50_000,
        "\x00",
        "\ud800",
        "[",
        "[" * 3000,
        "{}",
        "[1]",
        '[{"type":1}]',
        "../..",
        "*",
        "C" + "/" * 50,
        "<@U1>",
        "bmV4dDp4",
        "####",
        "1" * 12 + ".1",
        "NaN",
        "true",
        '[{"id":"F1"}]',
    ]
)


@settings(max_examples=examples(400), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), method=st.sampled_from(sorted(METHODS)), as_json=st.booleans())
def test_every_method_answers_whatever_it_is_sent(target: Target, data: st.DataObject, method: str, as_json: bool):
    value = st.sampled_from(target.known) | STRANGE | WILD
    arguments = data.draw(st.dictionaries(st.sampled_from(NAMES), value, max_size=8))
    before = list(target.live.slack.rows())
    status, answer = target.ask(method, arguments, as_json)
    assert status == 200
    assert answer["ok"] is True or (answer["ok"] is False and answer["error"].replace("_", "").isalpha())
    if not answer["ok"]:
        assert list(target.live.slack.rows()) == before
    assert target.live.failures == []


@settings(max_examples=examples(60), deadline=None)
@given(
    verb=st.sampled_from(["post", "read", "reply", "dm", "react", "search", "edit", "create_channel"]), data=st.data()
)
def test_every_tool_refuses_in_its_own_words(target: Target, verb: str, data: st.DataObject):
    from terrarium.core.errors import CapabilityFault

    text = st.sampled_from(target.known) | STRANGE | st.text(max_size=20)
    values = {
        "channel": text,
        "text": text,
        "ts": text,
        "emoji": text,
        "query": text,
        "name": text,
        "people": st.lists(text),
    }
    wanted = {
        "post": ("channel", "text"),
        "read": ("channel",),
        "reply": ("channel", "ts", "text"),
        "dm": ("people", "text"),
    }
    wanted |= {"react": ("channel", "ts", "emoji"), "search": ("query",), "edit": ("channel", "ts", "text")}
    names = wanted.get(verb, ("name", "people"))
    before = list(target.live.slack.rows())
    try:
        target.live.tool(verb, **{name: data.draw(values[name]) for name in names})
    except CapabilityFault:
        assert list(target.live.slack.rows()) == before
