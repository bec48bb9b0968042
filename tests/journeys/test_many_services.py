"""One world with every service that there is: it opens, all of it is used, saved, gone on with and compared."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from terrarium.sandbox.tier import tier

sys.path.append(str(Path(__file__).parents[1] / "capability"))

from browser_stand import needs_browser

WORLD = """
PEOPLE = {"ann": "Ann <ann@corp.example>", "bob": {"address": "bob@corp.example", "agent": "agent"}}

def fill(env):
    env.slack.create_channel("general", ["ann", "bob"])
    env.slack.post("ann", "general", "@bob which version?")
    env.calendar.create_calendar("Work", "work", owner="bob")
    env.contacts.add_contact("Ann Lee", owner="bob", emails=["ann@corp.example"], uid="ann")
    env.email.send("ann@corp.example", "bob@corp.example", "Version", "Which?")
    env.notion.append_blocks(env.notion.create_page("Sprint")["id"], "- [ ] water the fern")
    stock = env.google_sheets.create_spreadsheet("Stock")["id"]
    env.google_sheets.write_range(stock, "Sheet1!A1", [["fern", "=1+1"]])
    env.object_store.put_object("box", "a", "hello")
    env.web.put("shop.example", "/", "<h1>hi</h1>", type="text/html")
"""
EMULATED = (
    WORLD
    + """
@entry(
    ["email", "calendar", "contacts", "notion", "google_sheets", "slack", "object_store", "web", "mcp", "workspace"],
    {"object_store": {"buckets": ["box"]}, "workspace": {"sandbox": "memory"}},
    people=PEOPLE,
    notices=["all"],
)
def fn(env, agent):
    fill(env)
    env.after("30s", lambda: env.slack.post("ann", "general", "@bob hello?"))
    agent.act("Look at everything.")
    read = env.state()
    env.clock.advance("1m")
    agent.act("Write something everywhere.")
    env.reward(", ".join(sorted({f"{c.capability}:{c.table}" for c in env.diff(read).added})), 0)
    return run_checkers({
        "read": lambda: env.unchanged_except(after=read),
        "chat": lambda: env.slack.history("general")[-1]["by"] == "agent",
        "file": lambda: env.object_store.get_object("box", "b") == b"moss",
    })
"""
)
LOOK = [
    ("slack_read", {"channel": "general"}),
    ("email_list", {}),
    ("calendar_calendars", {}),
    ("contacts_list", {}),
    ("notion_search", {"query": ""}),
    ("google_sheets_list", {}),
    ("object_store_read", {"bucket": "box", "key": "a"}),
    ("web_fetch", {"url": "https://shop.example/"}),
]
WRITE = [
    ("slack_post", {"channel": "general", "text": "4.2"}),
    ("email_send", {"to": ["ann@corp.example"], "subject": "Version", "body": "4.2"}),
    ("calendar_create", {"calendar": "work", "summary": "Lunch", "start": "2030-01-10T12:00"}),
    ("contacts_add", {"name": "Eve Fox"}),
    ("notion_create_page", {"title": "Version", "content": "4.2"}),
    ("google_sheets_create", {"title": "Mine"}),
    ("object_store_write", {"bucket": "box", "key": "b", "content": "moss"}),
    ("workspace_write", {"path": "note", "content": "4.2"}),
]


def test_emulated_services_of_one_world_are_the_same_at_every_run(play: Any) -> None:
    calls = [*LOOK, "seen", *WRITE, "done"]
    script = [call if isinstance(call, str) else {"tool": call[0], "args": call[1]} for call in calls]
    one, other = (play(EMULATED, script, snapshot="every-turn") for _ in range(2))
    assert one.reward == 1.0, one.shown()
    assert all("error" not in shown[:20].lower() for shown in one.shown()), one.shown()
    places = {place.partition(":")[0] for place in one.said[0].split(", ")}
    assert len(places) == len(WRITE), places
    assert one.parts() == other.parts()
    for snapshot in one.snapshots()[:-1]:
        other.crash_behind(snapshot)
        assert other.run().reward == 1.0
        assert other.parts() == one.parts()


ALL = (
    WORLD
    + """
@entry(
    ["email", "calendar", "contacts", "notion", "google_sheets", "slack", "object_store", "postgres", "web", "mcp",
     "browser", "workspace"],
    {"object_store": {"buckets": ["box"]}, "workspace": {"sandbox": "local", "packages": ["boto3"]}},
    people=PEOPLE,
)
def fn(env, agent):
    fill(env)
    env.postgres.execute("CREATE TABLE t (x int PRIMARY KEY)")
    env.workspace.fs.write_file("look.py", LOOK)
    env.workspace.fs.write_file("write.py", WRITE)
    agent.act("Look.")
    looked = env.state()
    agent.act("Write.")
    return run_checkers({
        "looked": check(lambda: env.unchanged_except(after=looked), required=True),
        "seen": lambda: {visit["path"] for visit in env.web.log("shop.example")} >= {"/"},
        "one row": check(lambda: env.unchanged_except(allowed("object_store:object:box/b", times=1),
                                                      allowed("postgres:main.public.t", times=1), before=looked),
                         required=True),
        "and no other": lambda: [f"{c.capability}:{c.key}" for c in env.diff(looked).changes][:1]
        == ["object_store:box/b"],
    })
"""
)
CLIENTS = {
    "LOOK": """
import boto3, urllib.request
client = boto3.client("s3")
print(client.get_object(Bucket="box", Key="a")["Body"].read(), client.list_objects_v2(Bucket="box")["KeyCount"])
client.put_object(Bucket="box", Key="a", Body=b"hello", ContentType="text/plain")
hosts = "shop.example calendar.world contacts.world api.notion.com slack.com sheets.googleapis.com"
for host in hosts.split():
    try:
        urllib.request.urlopen(f"https://{host}/").read()
    except urllib.error.HTTPError as error:
        assert 400 <= error.code < 500, (host, error.code)
print("looked")
""",
    "WRITE": """
import boto3
boto3.client("s3").put_object(Bucket="box", Key="b", Body=b"moss")
print("wrote")
""",
}


@needs_browser
@pytest.mark.skipif(tier().number > 1, reason="this machine gives no namespaces: see `terrarium doctor`")
def test_every_service_there_is_in_one_world(play: Any) -> None:
    source = "from terrarium import allowed\n" + "".join(f"{name} = {text!r}\n" for name, text in CLIENTS.items()) + ALL
    run = [{"tool": "workspace_exec", "args": {"command": f"python3 {name}.py"}} for name in ("look", "write")]
    look = [{"tool": name, "args": args} for name, args in LOOK]
    page = {"tool": "browser_open", "args": {"url": "https://shop.example/"}}
    rows = [{"tool": f"postgres_{verb}", "args": {"sql": sql}} for verb, sql in (
        ("query", "SELECT * FROM t"), ("execute", "INSERT INTO t VALUES (1)"),
    )]  # fmt: skip
    script = [*look, page, rows[0], run[0], "seen", rows[1], run[1], "done"]
    played = play(source, script, snapshot="every-turn")
    assert played.reward == 1.0, [check.exception for check in played.result.verdict.checks] + played.shown()
    told = " ".join(played.shown())
    assert "looked" in told, told
    assert "wrote" in told, told
    first = next(event for event in played.events("turn") if event.data["state"] == "end")
    played.crash_behind(first, more=4)
    assert played.run().reward == 1.0
    assert not played.events("error")
