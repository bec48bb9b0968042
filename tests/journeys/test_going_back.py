"""All of a world goes back: every capability with its rows, and a sandbox with its files, services and shell."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import Any

import pytest

from terrarium.capability.browser.chromium import executable
from terrarium.capability.mysql import binaries as mariadb
from terrarium.capability.postgres import binaries
from terrarium.core.diff import same
from terrarium.core.errors import ConfigError
from terrarium.core.journal import Event, EventKind
from terrarium.core.rows import Row
from terrarium.sandbox.tier import tier

NAMESPACES = pytest.mark.skipif(tier().number > 1, reason="; ".join(tier().reasons) or "there")


def call(tool: str, **arguments: Any) -> dict[str, Any]:
    return {"tool": tool, "args": arguments}


EVERYTHING = """
    import pickle
    from datetime import datetime
    from pathlib import Path

    CAPABILITIES = ["browser", "calendar", "contacts", "email", "google_sheets", "mcp", "notion", "object_store",
                    "slack", "web", *{more!r}]

    PLACE = {{"workspace": {{"sandbox": {sandbox!r}}}}}

    @entry(CAPABILITIES, notices=["email"], checkpoints=1, capabilities_config=PLACE)
    def fn(env, agent):
        def mess(n):
            env.browser.set_cookie("http://shop.example", f"cookie{{n}}", "1")
            if n == 1:
                env.calendar.create_calendar("Work", "work")
                env.slack.create_channel("general")
                env.object_store.create_bucket("bucket")
                for sql in {more!r}:
                    getattr(env, sql).execute("CREATE TABLE things (n int PRIMARY KEY)")
            env.calendar.add_event("work", f"event {{n}}", datetime(2030, 1, 8, 9), rrule="FREQ=DAILY")
            env.contacts.add_contact(f"Ann {{n}}", note="x" * 20_000)
            env.email.send("ann@corp.example", "agent@world.example", f"mail {{n}}", "b" * 70_000)
            sheet = env.google_sheets.create_spreadsheet(f"sheet {{n}}")["id"]
            env.google_sheets.write_range(sheet, "A1", [["a", n, "=B1*2"]])
            page = env.notion.create_page(f"page {{n}}")
            env.notion.append_blocks(page["id"], "# One")
            env.object_store.put_object("bucket", f"thing {{n}}", b"x" * 70_000)
            env.slack.post("agent", "general", f"post {{n}}")
            env.web.put("shop.example", f"/{{n}}", "hello")
            env.workspace.fs.write_file(f"/root/{{n}}.txt", "new")
            env.workspace.fs.write_file("/root/same.txt", f"now {{n}}")
            for sql in {more!r}:
                getattr(env, sql).execute("INSERT INTO things VALUES (%s)", [n])

        def look(name: str) -> float:
            "Look at all rows."
            (Path({folder!r}) / name).write_bytes(pickle.dumps(env._world.rows()))
            return env.clock.now.timestamp()

        mess(1)
        env.after("10s", lambda: mess(2))
        agent.register_tools(look)
        agent.act("go")
        look("end")
        return run_checkers({{"fine": lambda: True}})
"""
LOOKS = [
    call("look", name="at first"),
    call("checkpoint", label="here"),
    *[call("workspace_exec", command="rm /root/same.txt; echo a >> /root/new.txt"), call("email_list")] * 2,
    call("look", name="later"),
    call("resume_from", label="here"),
    call("look", name="back"),
    *[call("email_list")] * 4,
    call("look", name="later again"),
    "done",
]


def told(events: Sequence[Event], place: int, blind: Sequence[str]) -> dict[str, list[Row]]:
    """The rows of the world as the journal's changes up to an event tell them, but for some that are blind."""
    rows: dict[str, dict[tuple[str, str], Row]] = {}
    for event in events:
        if event.kind is EventKind.CHANGE and event.seq < place and event.data["capability"] not in blind:
            change = event.data
            at, there = (change["table"], change["key"]), rows.setdefault(change["capability"], {})
            before = there.pop(at, None)
            assert same(None if before is None else dict(before.fields), change["before"])
            if change["after"] is not None:
                there[at] = Row(*at, change["after"])
    return {spec: [there[at] for at in sorted(there)] for spec, there in sorted(rows.items())}


@pytest.mark.parametrize(
    ("sandbox", "more"),
    [
        ("memory", []),
        pytest.param("local", [], marks=NAMESPACES),
        pytest.param("local", ["mysql", "postgres"], marks=NAMESPACES),
    ],
)
def test_all_of_the_world_is_as_it_was(play, tmp_path, sandbox, more):
    for server in more:
        try:
            {"mysql": mariadb, "postgres": binaries}[server].find()
        except ConfigError as error:
            pytest.skip(str(error))
    looks = tmp_path / "looks"
    looks.mkdir()
    played = play(EVERYTHING.format(folder=str(looks), sandbox=sandbox, more=more), LOOKS)
    assert played.error is None
    seen = {path.name: pickle.loads(path.read_bytes()) for path in looks.iterdir()}
    for spec, rows in seen["at first"].items():
        assert rows or spec == "mcp"
        assert seen["back"][spec] == rows, spec
        assert (seen["later"][spec] != rows) == (spec != "mcp"), spec
    events = played.events()
    results = {event.cause: event.data["result"] for event in events if event.kind is EventKind.TOOL_RESULT}
    calls = [event for event in events if event.kind is EventKind.TOOL_CALL]
    times = [results[event.seq].value for event in calls if event.data["tool"] == "look"]
    assert (times[1] - times[0], times[2] - times[0]) == (18, 6), "the time went back, too"
    for event in calls:
        if event.data["tool"] == "look":
            real = seen[event.data["arguments"]["name"]]
            blind = [*more, "workspace"] if sandbox == "local" else []
            known = told(events, event.seq, blind)
            for spec in real.keys() - set(blind):
                assert known.get(spec, []) == real[spec], (event.data["arguments"], spec)
    again = {spec for spec in seen["later"] if seen["later again"][spec] != seen["later"][spec]}
    assert again == {"workspace"}, "what was due came again, to the same effect: time and random numbers went back"
    notices = [event.data["notice"].text for event in events if event.kind is EventKind.NOTICE]
    assert len(notices) == 3
    assert notices[1] == notices[2]


SHELL = """
    @entry(["web", "workspace"], checkpoints=2, capabilities_config={
        "workspace": {"sandbox": "local", "network": "sandbox", "files": {"a.txt": "1"}}})
    def fn(env, agent):
        env.web.site("shop.example", files={"/index.html": "Lamps"})
        agent.act("go")
        return run_checkers({"a": lambda: env.workspace.fs.read_text("a.txt") == "1"})
"""


@NAMESPACES
def test_a_sandbox_begins_anew_where_its_files_were_and_reaches_the_same_services(play):
    fetch = "python3 -c \"import urllib.request as u; print(u.urlopen('http://shop.example/').read().decode())\""
    script = [
        call("workspace_shell", command="cd /srv; x=here; chmod 600 /root/a.txt; ln -s /root/a.txt link; mkdir -p d/e"),
        call("workspace_exec", command="cat /etc/hosts"),
        call("checkpoint", label="here"),
        call("workspace_exec", command="setsid sleep 1000 > /dev/null 2>&1 & echo 2 > /root/a.txt; rm -rf /srv/*"),
        call("workspace_exec", command=fetch),
        call("workspace_exec", command="pgrep sleep; find /srv"),
        call("resume_from", label="here"),
        call("workspace_exec", command="pgrep sleep; find /srv | sort; stat -c %a /root/a.txt; cat /srv/link"),
        call("workspace_exec", command="cat /etc/hosts"),
        call("workspace_exec", command=fetch),
        call("workspace_shell", command="echo $PWD $x"),
        call("resume_from", label="here"),
        call("workspace_exec", command="cat /root/a.txt"),
        "done",
    ]
    played = play(SHELL, script)
    assert played.reward == 1.0
    results = [event.data["result"] for event in played.events("tool_result")]
    assert {result.error for result in results} == {None}
    outputs = [getattr(result.value, "stdout", "") for result in results]
    assert outputs[5].splitlines()[1:] == ["/srv"]
    assert outputs[7].split() == ["/srv", "/srv/d", "/srv/d/e", "/srv/link", "600", "1"]
    assert outputs[8] == outputs[1]
    assert outputs[4] == outputs[9] == "Lamps\n"
    assert outputs[10] == "/root\n", "the lasting shell is another one"
    assert outputs[12] == "1"
    visits = [event for event in played.events("change") if event.data["table"] == "visit"]
    assert [event.actor for event in visits] == ["agent", "world", "agent", "world"], "and what it asked was not asked"


BROWSING = """
    @entry(["browser", "web"], checkpoints=1)
    def fn(env, agent):
        page = "<title>Shop</title><p id=told></p><script>document.querySelector('#told').textContent ="
        page += " `${document.cookie} ${localStorage.seen}`; %s</script>"
        env.web.site("shop.example", files={
            "/index.html": page % "document.cookie = 'visits=1'; localStorage.seen = 'once'",
            "/again.html": page % "document.cookie = 'visits=2'; localStorage.seen = 'twice'",
        })
        agent.act("go")
        return run_checkers({"history": lambda: "again" not in str(env.browser.history())})
"""


@NAMESPACES
@pytest.mark.skipif(executable() is None, reason="no Chromium")
def test_a_browser_is_where_it_was_with_its_cookies_and_storage(play):
    script = [
        call("browser_open", url="shop.example/"),
        call("checkpoint", label="here"),
        call("browser_open", url="shop.example/again.html"),
        call("browser_open", url="shop.example/again.html"),
        call("resume_from", label="here"),
        call("browser_read"),
        "done",
    ]
    played = play(BROWSING, script)
    assert played.reward == 1.0
    opened, _, _, again, _, back = played.shown()
    assert "undefined" in opened
    assert "visits=2 twice" in again
    assert "visits=1 once" in back, "its page was opened again"


RESTLESS = """
import smtplib, socket, threading, urllib.request

def again(work):
    while True:
        try:
            work()
        except OSError:
            pass

def mail():
    with smtplib.SMTP("mail.world", 25, timeout=5) as client:
        client.sendmail("agent@world.example", ["ann@corp.example"], "Subject: x")

def idle():
    held = [socket.create_connection(("shop.example", 80)) for _ in range(50)]
    for one in held:
        one.send(b"GET / HTTP/1.1")
    threading.Event().wait()

for work in (mail, idle, *[lambda: urllib.request.urlopen("http://shop.example/", timeout=5).read()] * 3):
    threading.Thread(target=again, args=[work]).start()
"""


@NAMESPACES
@pytest.mark.soak
def test_programs_that_never_rest_do_not_keep_the_world_from_going_back(play):
    source = SHELL.replace('"web", "workspace"', '"email", "web", "workspace"')
    script = [call("workspace_write", path="/root/b.py", content=RESTLESS), call("checkpoint", label="rest")]
    for turn in range(20):
        start = "setsid python3 /root/b.py > /dev/null 2>&1 < /dev/null & sleep 0.4"
        script += [call("workspace_exec", command=start), call("checkpoint", label="busy")]
        script += [call("workspace_exec", command="sleep 0.1"), call("resume_from", label=("rest", "busy")[turn % 2])]
    played = play(source, [*script, call("workspace_exec", command="pgrep python3"), "done"])
    assert played.reward == 1.0
    events = played.events()
    assert not [event for event in events if event.kind is EventKind.ERROR]
    assert {event.data["result"].error for event in played.events("tool_result")} == {None}
    told(events, len(events), ["workspace"])
