"""A chat in a whole world: the same at every run, also a resumed one; and a bot in the sandbox that takes events in."""

from __future__ import annotations

from typing import Any

import pytest

from terrarium.sandbox.tier import tier

BOT = """
import hashlib, hmac, http.server, json, os, sys, urllib.request

class Bot(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        event = json.loads(body)["event"]
        if event["type"] == "app_mention":
            answer = json.dumps({"text": "heard: " + event["text"].partition("> ")[2]}).encode()
            urllib.request.urlopen(urllib.request.Request(sys.argv[1], answer, {"Content-Type": "application/json"}))
        self.send_response(200)
        self.end_headers()

server = http.server.HTTPServer(("127.0.0.1", 3000), Bot)
print("ready", flush=True)
server.serve_forever()
"""
TASK = """
LOCAL = {"workspace": {"sandbox": "local"}}
WAIT = "for i in $(seq 100); do test -s /root/log && break; sleep 0.1; done"

@entry(["slack", "workspace"], LOCAL, people={"ann": "ann@corp.example", "bob": {"agent": "agent"}})
def fn(env, agent):
    env.slack.create_channel("general")
    env.slack.create_channel("alerts")
    hook = env.slack.create_webhook("bob", "alerts")
    env.workspace.fs.write_file("/root/bot.py", BOT)
    env.workspace.shell.exec(f"setsid python3 /root/bot.py {hook} > /root/log 2>&1 < /dev/null & {WAIT}")
    env.slack.subscribe("agent", "http://localhost:3000/events")
    env.slack.post("ann", "general", "@bob ping")
    for _ in range(100):
        if env.slack.history("alerts"):
            break
        env.workspace.shell.exec("sleep 0.1")
    env.reward(env.workspace.fs.read_text("/root/log"), 0)
    [answer] = env.slack.history("alerts")
    return run_checkers({"answered": lambda: (answer["text"], answer["user"]) == ("heard: ping", "bob")})
"""


TALK = """
@entry(["slack"], people={"ann": "ann@corp.example", "bob": {"agent": "agent"}}, notices=["slack"])
def fn(env, agent):
    env.slack.create_channel("general")
    first = env.slack.post("ann", "general", "@bob are you there?")
    env.after("30s", lambda: env.slack.upload("ann", "general", "plan.txt", "the plan", "read this"))
    agent.act(first)
    env.clock.advance("1m")
    agent.act("And now?")
    file = env.slack.files()[0]["id"]
    return run_checkers({
        "answered": lambda: env.slack.replies("general", first)[0]["by"] == "agent",
        "read": lambda: env.slack.last_read("general", "bob") == env.slack.history("general")[-1]["ts"],
        "kept": lambda: env.slack.read_file(file) == b"the plan",
    })
"""
FIRST = "1894006800.000000"  # 2030-01-07 09:00
SCRIPT = [
    {"tool": "slack_search", "args": {"query": "there"}},
    {"tool": "slack_dm", "args": {"people": ["ann"], "text": "yes"}},
    "written",
    {"tool": "slack_read", "args": {"channel": "general"}},
    "read",
]


def test_two_runs_are_equal_and_a_resumed_one_too(play: Any) -> None:
    script = [
        SCRIPT[0],
        {"tool": "slack_reply", "args": {"channel": "general", "ts": FIRST, "text": "yes"}},
        *SCRIPT[1:],
    ]
    one, other = play(TALK, script, snapshot="every-turn"), play(TALK, script, snapshot="every-turn")
    assert one.reward == 1.0, one.said
    assert one.parts() == other.parts()
    for snapshot in one.snapshots()[:-1]:
        other.crash_behind(snapshot)
        assert other.run().reward == 1.0
        assert other.parts() == one.parts()


@pytest.mark.skipif(tier().number > 1, reason="this machine gives no namespaces: see `terrarium doctor`")
def test_a_bot_answers_what_it_is_told(play: Any) -> None:
    played = play(f"BOT = {BOT!r}\n{TASK}")
    assert played.reward == 1.0, played.said
    assert not played.events("error")
