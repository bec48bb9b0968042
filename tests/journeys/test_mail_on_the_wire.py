"""Mail over SMTP and POP3 in a whole world: on its clock, in its journal, seen by its task."""

from __future__ import annotations

from typing import Any

TASK = """
CONFIG = {"telnet": {"import_path": "telnet_capability:Telnet"}}

@entry(capabilities=["email", "telnet"], capabilities_config=CONFIG)
def fn(env, agent):
    boss, me = "boss@corp.example", env.email.address()
    info = env.email.connection_info
    env.when(
        lambda: env.email.count_inbox(boss),
        lambda: env.email.send(boss, me, "Thanks", "Seen at " + env.clock.now.isoformat()),
    )
    agent.act(f"Write to {boss} over SMTP on {info['smtp_host']}:{info['smtp_port']}.")
    [got], [sent] = env.email.list_inbox(boss), env.email.sent(me)
    same = sent["message_id"] == got["message_id"]
    env.reward(" ".join([got["by"], got["subject"], got["received"].isoformat(), str(same)]), 0)
    env.reward(env.email.list_inbox(me)[0]["body"], 0)
    agent.act("Read the answer over POP3.")
    return run_checkers({"read": lambda: env.email.count_inbox(me) == 0})
"""
SEND = "EHLO me\nMAIL FROM:<agent@world.example>\nRCPT TO:<boss@corp.example>\nDATA\nSubject: Hi\n\nhi\n.\nQUIT\n"
FETCH = "USER agent\nPASS x\nRETR 1\nDELE 1\nQUIT\n"
SCRIPT = [
    {"tool": "telnet_say", "args": {"host": "mail.world", "port": 25, "text": SEND}},
    "sent",
    {"tool": "telnet_say", "args": {"host": "mail.world", "port": 110, "text": FETCH}},
    "read",
]


def test_a_mail_sent_over_smtp_is_an_event_of_the_world(play: Any) -> None:
    played = play(TASK, SCRIPT)
    assert played.reward == 1.0
    told, answer = played.said
    assert told == "agent Hi 2030-01-07T09:00:02+00:00 True"
    assert answer == "Seen at 2030-01-07T09:00:02+00:00", "the condition is looked at as soon as the mail is there"
    sent, read = played.shown()
    assert "\r\n250 2.0.0 OK <" in sent
    assert "Seen at 2030-01-07T09:00:02" in read
    assert {event.actor for event in played.events("change")} == {"agent", "task"}
    assert not played.events("error")


def test_two_runs_are_equal_and_a_resumed_one_too(play: Any) -> None:
    one, other = play(TASK, SCRIPT, snapshot="every-turn"), play(TASK, SCRIPT, snapshot="every-turn")
    assert one.parts() == other.parts()
    for snapshot in one.snapshots()[:-1]:
        other.crash_behind(snapshot)
        assert other.run().reward == 1.0
        assert other.parts() == one.parts()
