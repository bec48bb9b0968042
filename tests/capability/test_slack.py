"""The chat of a team: what colleagues do in the hands of the task program, and what is kept of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from slack_live import LiveSlack

from terrarium.core.errors import ConfigError, NotFound, Refused


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveSlack]:
    with LiveSlack(tmp_path) as live:
        yield live
        assert live.failures == []


def test_a_conversation(live: LiveSlack):
    slack = live.slack
    slack.create_channel("general", topic="All of us")
    first = slack.post("ann", "general", "Lunch at <12>? @bob & @carl, see #general.")
    answer = slack.reply("bob", "#general", first, "Yes")
    slack.react("carl", "general", first, ":thumbsup:")
    slack.pin("ann", "general", first)
    [message] = slack.history("general")
    assert message["text"] == "Lunch at <12>? @bob & @carl, see #general."
    assert (message["user"], message["replies"], message["pinned"], message["by"]) == ("ann", 1, True, "task")
    assert message["reactions"] == {"thumbsup": ["carl"]}
    assert message["time"] == live.clock.now
    [reply] = slack.replies("general", first)
    assert (reply["ts"], reply["thread"], reply["text"]) == (answer, first, "Yes")
    assert [one["ts"] for one in slack.history("general", replies=True)] == [first, answer]
    slack.update("general", answer, "No")
    assert slack.message("general", answer)["text"] == "No"
    assert slack.message("general", answer)["edited"]
    slack.delete("general", first)
    assert slack.history("general") == []
    assert [one["text"] for one in slack.replies("general", first)] == ["No"], "a thread outlives its first message"
    assert live.told == [
        ("agent", "Ann Lee added you to #general"),
        ("agent", "#general, Ann Lee: Lunch at <12>? @bob & @carl, see #general."),
    ], "one is not told of what one wrote oneself"


def test_direct_messages_and_private_channels_are_nobody_elses(live: LiveSlack):
    slack = live.slack
    slack.create_channel("board", ["ann", "carl"], private=True)
    slack.post("ann", "board", "secret plan")
    slack.dm("ann", "carl", "secret word")
    slack.dm("ann", ["bob", "carl"], "a plan for three")
    assert [one["name"] for one in slack.channels("bob")] == ["@ann,@bob,@carl"]
    assert [one["text"] for one in slack.find("plan", "bob")] == ["a plan for three"]
    assert len(slack.find("secret")) == 2
    for call in ("read", "post", "join"):
        with pytest.raises(NotFound):
            live.tool(call, channel="board", **({"text": "hi"} if call == "post" else {}))
    assert [one["text"] for one in slack.history("@carl,@ann")] == ["secret word"]
    assert [name for name, _ in live.told] == ["agent"]


def test_an_agent_acts_as_its_person(live: LiveSlack):
    slack = live.slack
    slack.create_channel("general")
    slack.create_channel("random", ["ann"])
    first = slack.post("ann", "general", "Who deploys?")
    room = next(one for one in live.tool("channels")["channels"] if one["name"] == "#general")
    assert (room["unread"], room["joined"]) == (1, True)
    assert [one["text"] for one in live.tool("read", channel="#general")["messages"]] == ["Who deploys?"]
    assert slack.last_read("general", "bob") == first
    assert [change.trace for change in live.changes if change.table == "read"] == [True]
    said = live.tool("reply", channel="general", ts=first, text="I do, @ann")
    assert slack.message("general", said["ts"])["by"] == "agent"
    live.tool("react", channel="general", ts=first, emoji="eyes")
    assert slack.message("general", first)["reactions"] == {"eyes": ["bob"]}
    with pytest.raises(Refused, match="join it first"):
        live.tool("post", channel="random", text="hello")
    live.tool("join", channel="random")
    live.tool("post", channel="random", text="hello")
    live.tool("post", channel="@carl", text="psst")
    assert [one["user"] for one in slack.history("@bob,@carl")] == ["bob"]
    with pytest.raises(Refused, match="only its author"):
        live.tool("delete", channel="general", ts=first)
    with pytest.raises(Refused, match="only its author"):
        live.tool("edit", channel="general", ts=first, text="x")
    assert live.tool("search", query='from:me "I do" in:#general is:thread')["total"] == 1
    assert live.tool("search", query="deploy -who")["total"] == 0
    file = slack.upload("ann", "general", "plan.txt", "step one", "the plan")
    assert live.tool("file", id=file)["text"] == "step one"


def test_search_knows_days(live: LiveSlack):
    slack = live.slack
    slack.create_channel("general")
    slack.post("ann", "general", "first report, https://x.example")
    live.clock.move(live.clock.micros + 86_400_000_000)
    slack.post("bob", "general", "second report")
    found = {
        query: [one["text"][:6] for one in slack.find(query)]
        for query in (
            "report before:2030-01-08",
            "report after:2030-01-07",
            "report on:2030-01-08",
            "report has:link",
            "report from:@bob",
            "report in:nowhere",
            "rep*",
            "eport",
            "before:2030-99-01",
        )
    }
    assert list(found.values()) == [
        ["first "],
        ["second"],
        ["second"],
        ["first "],
        ["second"],
        [],
        ["second", "first "],
        [],
        [],
    ]


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"peple": {}}, "people"),
        ({"team": ""}, "team must be"),
        ({"storage": "big"}, "is not a size"),
        ({"accounts": {"agnt": "ann"}}, "agent"),
        ({"accounts": {"agent": "dora"}}, "must be one of"),
    ],
)
def test_a_configuration_that_cannot_be(tmp_path: Path, config, told):
    with pytest.raises(ConfigError, match=told):
        LiveSlack(tmp_path, config=config)


def test_what_cannot_be_leaves_everything_as_it_was(live: LiveSlack):
    slack = live.slack
    slack.create_channel("general", ["ann", "bob"])
    ts = slack.post("ann", "general", "hi")
    before = list(slack.rows())
    for attempt in (
        lambda: slack.create_channel("General!"),
        lambda: slack.create_channel("general"),
        lambda: slack.post("carl", "general", "not in it"),
        lambda: slack.post("ann", "general", "  "),
        lambda: slack.post("ann", "general", "x" * 40_001),
        lambda: slack.post("ann", "nowhere", "x"),
        lambda: slack.reply("ann", "general", "1.2", "x"),
        lambda: slack.dm("ann", "nobody", "x"),
        lambda: slack.dm("ann", "bob", ""),
        lambda: slack.react("ann", "general", ts, "no such thing"),
        lambda: slack.upload("ann", "general", "empty", b""),
        lambda: slack.upload("carl", "general", "a.txt", b"x"),
        lambda: slack.find("  "),
    ):
        with pytest.raises((Refused, NotFound)):
            attempt()
    assert list(slack.rows()) == before


def test_room_is_bounded(tmp_path: Path):
    with LiveSlack(tmp_path, config={"storage": 10}) as live:
        live.slack.create_channel("general")
        file = live.slack.upload("ann", "general", "a.bin", b"x" * 6)
        with pytest.raises(Refused, match="room"):
            live.slack.upload("ann", "general", "b.bin", b"x" * 6)
        assert live.slack.read_file(file) == b"x" * 6
