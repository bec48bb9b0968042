"""Slack's own client against the Web API."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
from slack_live import LiveSlack
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_handlers import RateLimitErrorRetryHandler
from slack_sdk.signature import SignatureVerifier
from slack_sdk.webhook import WebhookClient


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveSlack]:
    with LiveSlack(tmp_path) as live:
        yield live
        assert live.failures == []


def code(call, **arguments) -> str:
    with pytest.raises(SlackApiError) as caught:
        call(**arguments)
    return caught.value.response["error"]


def test_messages_threads_and_reactions(live: LiveSlack):
    bob, ann = live.client("bob"), live.client("ann")
    assert bob.auth_test()["user"] == "bob"
    assert bob.api_test(foo="bar")["args"] == {"foo": "bar"}
    room = bob.conversations_create(name="deploys")["channel"]["id"]
    assert code(bob.conversations_create, name="deploys") == "name_taken"
    assert code(ann.chat_postMessage, channel=room, text="x") == "not_in_channel"
    assert ann.conversations_join(channel=room)["channel"]["is_member"]
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "*done*"}}]
    sent = bob.chat_postMessage(channel="#deploys", text="done", blocks=blocks, attachments=[{"text": "log"}])
    assert sent["message"]["blocks"] == blocks
    first = sent["ts"]
    for number in range(5):
        ann.chat_postMessage(channel=room, text=f"reply {number}", thread_ts=first)
    ann.chat_postMessage(channel=room, text="loud", thread_ts=first, reply_broadcast=True)
    [loud, top] = bob.conversations_history(channel=room)["messages"]
    assert (loud["subtype"], top["reply_count"], top["latest_reply"]) == ("thread_broadcast", 6, loud["ts"])
    pages = [
        [one["text"] for one in page["messages"]] for page in bob.conversations_replies(channel=room, ts=first, limit=4)
    ]
    assert pages == [["done", *(f"reply {n}" for n in range(4))], ["done", "reply 4", "loud"]]
    ann.reactions_add(channel=room, timestamp=first, name="thumbsup")
    assert code(ann.reactions_add, channel=room, timestamp=first, name="thumbsup") == "already_reacted"
    assert bob.reactions_get(channel=room, timestamp=first)["message"]["reactions"][0]["count"] == 1
    assert len(bob.reactions_list(user=ann.auth_test()["user_id"])["items"]) == 1
    ann.reactions_remove(channel=room, timestamp=first, name="thumbsup")
    assert code(ann.reactions_remove, channel=room, timestamp=first, name="thumbsup") == "no_reaction"
    bob.pins_add(channel=room, timestamp=first)
    assert code(bob.pins_add, channel=room, timestamp=first) == "already_pinned"
    assert bob.pins_list(channel=room)["items"][0]["message"]["ts"] == first
    bob.pins_remove(channel=room, timestamp=first)
    assert code(ann.chat_update, channel=room, ts=first, text="mine") == "cant_update_message"
    assert bob.chat_update(channel=room, ts=first, text="done twice")["message"]["edited"]["user"]
    link = bob.chat_getPermalink(channel=room, message_ts=first)["permalink"]
    assert link == f"https://world.slack.com/archives/{room}/p{first.replace('.', '')}"
    other = ann.auth_test()["user_id"]
    assert bob.chat_postEphemeral(channel=room, user=other, text="only you")["message_ts"]
    assert live.slack.ephemerals("deploys")[0]["to"] == "ann"
    assert code(ann.chat_delete, channel=room, ts=first) == "cant_delete_message"
    ann.chat_delete(channel=room, ts=loud["ts"])
    assert len(bob.conversations_history(channel=room)["messages"]) == 1
    assert code(bob.chat_delete, channel=room, ts="1.000001") == "message_not_found"
    assert {one["by"] for one in live.slack.history("deploys", replies=True)} == {"agent", "outside"}


def test_conversations(live: LiveSlack):
    bob, carl = live.client("bob"), live.client("carl")
    users = {one["name"]: one["id"] for page in bob.users_list(limit=2) for one in page["members"]}
    assert set(users) == {"ann", "bob", "carl"}
    assert bob.users_lookupByEmail(email="ann@corp.example")["user"]["id"] == users["ann"]
    assert code(bob.users_lookupByEmail, email="x@y.z") == "users_not_found"
    assert code(bob.users_info, user="U1") == "user_not_found"
    assert bob.users_profile_get(user=users["ann"])["profile"]["real_name"] == "Ann Lee"
    secret = bob.conversations_create(name="board", is_private=True)["channel"]["id"]
    for call in (
        carl.conversations_info,
        carl.conversations_history,
        carl.conversations_join,
        carl.conversations_members,
    ):
        assert code(call, channel=secret) == "channel_not_found"
    bob.conversations_invite(channel=secret, users=[users["carl"]])
    assert code(bob.conversations_invite, channel=secret, users=users["carl"]) == "already_in_channel"
    assert carl.conversations_members(channel=secret)["members"] == [users["bob"], users["carl"]]
    assert code(bob.conversations_kick, channel=secret, user=users["bob"]) == "cant_kick_self"
    bob.conversations_kick(channel=secret, user=users["carl"])
    assert code(carl.conversations_info, channel=secret) == "channel_not_found"
    for number in range(5):
        bob.conversations_create(name=f"room-{number}")
    listed = [one["name"] for page in carl.conversations_list(limit=2) for one in page["channels"]]
    assert sorted(listed) == [f"room-{number}" for number in range(5)]
    mine = bob.users_conversations(types="public_channel,private_channel", limit=100)["channels"]
    assert "board" in {one["name"] for one in mine}
    room = next(one["id"] for one in mine if one["name"] == "room-0")
    assert bob.conversations_setTopic(channel=room, topic="t")["channel"]["topic"]["value"] == "t"
    assert bob.conversations_setPurpose(channel=room, purpose="p")["purpose"] == "p"
    assert bob.conversations_rename(channel=room, name="lobby")["channel"]["name"] == "lobby"
    bob.conversations_archive(channel=room)
    assert code(bob.chat_postMessage, channel=room, text="x") == "is_archived"
    bob.conversations_unarchive(channel=room)
    bob.conversations_leave(channel=room)
    assert bob.conversations_leave(channel=room)["not_in_channel"]
    talk = bob.conversations_open(users=[users["carl"]], return_im=True)["channel"]
    assert (talk["is_im"], talk["user"]) == (True, users["carl"])
    assert carl.conversations_open(users=[users["bob"]])["channel"]["id"] == talk["id"]
    ts = bob.chat_postMessage(channel=users["carl"], text="psst")["ts"]
    assert carl.conversations_info(channel=talk["id"])["channel"]["unread_count"] == 1
    carl.conversations_mark(channel=talk["id"], ts=ts)
    assert carl.conversations_info(channel=talk["id"])["channel"]["unread_count"] == 0
    assert code(live.client("ann").conversations_history, channel=talk["id"]) == "channel_not_found"


def test_files_and_search(live: LiveSlack):
    live.slack.create_channel("general")
    live.slack.create_channel("board", ["bob", "ann"], private=True)
    bob, carl = live.client("bob"), live.client("carl")
    room = bob.conversations_list()["channels"][0]["id"]
    file = bob.files_upload_v2(channel=room, filename="plan.txt", content="step one", initial_comment="the plan")[
        "file"
    ]
    assert (file["mimetype"], file["size"], file["is_public"]) == ("text/plain", 8, True)
    assert carl.files_info(file=file["id"])["file"]["channels"] == [room]
    path = urlsplit(file["url_private"]).path
    assert live.raw(path)[0] == 403
    allowed = {"Authorization": f"Bearer {live.token('carl')}"}
    assert live.raw(path, headers=allowed)[1] == b"step one"
    hidden = live.slack.upload("ann", "board", "secret.bin", b"\x00\xff")
    assert code(carl.files_info, file=hidden) == "file_not_found"
    assert [one["id"] for one in carl.files_list()["files"]] == [file["id"]]
    assert live.slack.read_file(file["id"]) == b"step one"
    [message] = carl.search_messages(query="plan in:#general")["messages"]["matches"]
    assert (message["username"], message["files"][0]["name"]) == ("bob", "plan.txt")
    assert carl.search_files(query="plan")["files"]["total"] == 1
    assert carl.search_files(query="secret")["files"]["total"] == 0
    assert code(carl.files_delete, file=file["id"]) == "cant_delete_file"
    bob.files_delete(file=file["id"])
    assert code(carl.files_info, file=file["id"]) == "file_deleted"
    ask = bob.files_getUploadURLExternal(filename="a.txt", length=3)
    place = urlsplit(ask["upload_url"]).path
    assert code(bob.files_completeUploadExternal, files=[{"id": ask["file_id"]}]) == "file_not_found"
    assert live.raw(place, b"four")[0] == 400
    form = b'--B\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nabc\r\n--B--\r\n'
    assert live.raw(place, form, {"Content-Type": "multipart/form-data; boundary=B"})[0] == 200
    assert live.raw(place, b"xyz")[0] == 400, "once only"
    assert code(carl.files_completeUploadExternal, files=[{"id": ask["file_id"]}]) == "file_not_found"
    bob.files_completeUploadExternal(files=[{"id": ask["file_id"], "title": "A"}])
    assert live.slack.read_file(ask["file_id"]) == b"abc"
    assert code(carl.files_info, file=ask["file_id"]) == "file_not_found", "it is shared with nobody"


def test_in_the_sandbox_of_an_agent_only_its_own_token_is_good(live: LiveSlack):
    def me(person: str) -> WebClient:
        return WebClient(token=live.token(person), base_url=f"{live.inside}/api/")

    agent = live.slack._team.of_agent("agent").name
    assert me(agent).auth_test()["user"] == agent
    [other, *_] = [member.name for member in live.slack._team.members.values() if member.name != agent]
    assert code(me(other).auth_test) == "invalid_auth"


def test_tokens_encodings_and_limits(live: LiveSlack):
    live.slack.create_channel("general")
    room = live.slack.channels()[0]["id"]
    token = live.token("bob", "bot")

    def say(body: bytes, kind: str, path: str = "/api/chat.postMessage") -> dict:
        status, text, _ = live.raw(path, body, {"Content-Type": kind})
        assert status == 200
        return json.loads(text)

    form, as_json = "application/x-www-form-urlencoded", "application/json; charset=utf-8"
    assert say(urlencode({"token": token, "channel": room, "text": "a & b"}).encode(), form)["ok"]
    many = "".join(
        f'--x\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
        for key, value in {"token": token, "channel": room, "text": "parts"}.items()
    )
    assert say(f"{many}--x--\r\n".encode(), "multipart/form-data; boundary=x")["ok"]
    assert (
        say(json.dumps({"token": token, "channel": room, "text": "\ud800!"}).encode(), as_json)["message"]["text"]
        == "?!"
    )
    assert say(b"", form)["error"] == "not_authed"
    assert say(b"token=xoxb-1", form)["error"] == "invalid_auth"
    assert say(b"{", as_json)["error"] == "invalid_json"
    assert say(b"[" * 100_000, as_json)["error"] == "invalid_json"
    assert say(b"[]", as_json)["error"] == "json_not_object"
    assert say(b"<x/>", "text/xml")["error"] == "invalid_post_type"
    assert say(f"token={token}".encode(), form, "/api/no.such")["error"] == "unknown_method"
    assert say(f"token={token}".encode(), form, "/api/files.upload")["error"] == "method_deprecated"
    assert live.raw("/api/chat.postMessage", b"x" * 1_100_000)[0] == 413
    live.slack.limit_rate(2, 0, "auth.test")
    bob = live.client()
    assert bob.api_test()["ok"]
    assert code(bob.auth_test) == "ratelimited"
    bob.retry_handlers.append(RateLimitErrorRetryHandler(max_retry_count=1))
    assert bob.auth_test()["ok"]


def test_scheduled_messages_come_in_world_time(live: LiveSlack):
    live.slack.create_channel("general")
    room, bob = live.slack.channels()[0]["id"], live.client()
    now = int(live.clock.now.timestamp())
    assert code(bob.chat_scheduleMessage, channel=room, text="x", post_at=now) == "time_in_past"
    assert code(bob.chat_scheduleMessage, channel=room, text="x", post_at=now + 121 * 86_400) == "time_too_far"
    ids = [
        bob.chat_scheduleMessage(channel=room, text=text, post_at=now + after)["scheduled_message_id"]
        for text, after in (("second", 120), ("first", 60), ("never", 90), ("late", 7200))
    ]
    bob.chat_deleteScheduledMessage(channel=room, scheduled_message_id=ids[2])
    assert code(bob.chat_deleteScheduledMessage, channel=room, scheduled_message_id=ids[2]) == (
        "invalid_scheduled_message_id"
    )
    live.ask(live.clock.move, live.clock.micros + 3600 * 1_000_000)
    assert [(one["text"], one["by"], one["time"].timestamp()) for one in live.slack.history("general")] == [
        ("first", "agent", now + 60),
        ("second", "agent", now + 120),
    ]
    assert {change.actor for change in live.changes if change.table == "message"} == {"agent"}
    assert [one["text"] for one in bob.chat_scheduledMessages_list()["scheduled_messages"]] == ["late"]
    live.slack.archive("general")
    live.ask(live.clock.move, live.clock.micros + 7200 * 1_000_000)
    assert len(live.slack.history("general")) == 2, "nobody can post there any more"
    assert bob.chat_scheduledMessages_list()["scheduled_messages"] == []


class Listener:
    """A program that takes events in, as one in a sandbox."""

    def __init__(self, live: LiveSlack) -> None:
        self.got: list[dict] = []
        self.signed: list[bool] = []
        self.enough = threading.Event()
        verifier = SignatureVerifier(live.slack.equipment("agent").env["SLACK_SIGNING_SECRET"])
        verifier.clock.now = lambda: live.clock.now.timestamp()
        listener, client = self, live.client()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                listener.signed.append(verifier.is_valid_request(body, dict(self.headers)))
                listener.got.append(json.loads(body))
                event = listener.got[-1]["event"]
                if event["type"] == "app_mention":  # a bot answers before it has taken the event
                    client.chat_postMessage(channel=event["channel"], text="at your service", thread_ts=event["ts"])
                self.send_response(200)
                self.end_headers()
                if "stop" in json.dumps(event):
                    listener.enough.set()

            def log_message(self, *_: object) -> None: ...

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        live.box.listening = self.server.server_address[:2]

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def test_events_are_posted_and_signed(live: LiveSlack):
    slack = live.slack
    slack.create_channel("general")
    slack.create_channel("board", ["ann"], private=True)
    listener = Listener(live)
    try:
        slack.subscribe("agent", "http://localhost:3000/slack/events")
        slack.post("ann", "board", "not for you")
        first = slack.post("ann", "general", "hello @bob")
        slack.react("carl", "general", first, "eyes")
        slack.update("general", first, "hello, @bob")
        slack.post("ann", "general", "stop")
        assert listener.enough.wait(20)
    finally:
        listener.close()
    assert all(listener.signed)
    kinds = [(one["event"]["type"], one["event"].get("subtype")) for one in listener.got]
    assert kinds[:4] == [
        ("message", None),
        ("app_mention", None),
        ("reaction_added", None),
        ("message", "message_changed"),
    ]
    assert {one["type"] for one in listener.got} == {"event_callback"}
    assert len({one["event_id"] for one in listener.got}) == len(listener.got)
    assert [one["text"] for one in slack.replies("general", first)] == ["at your service"]
    assert "not for you" not in json.dumps(listener.got)


def test_incoming_webhooks(live: LiveSlack):
    live.slack.create_channel("alerts")
    url = live.slack.create_webhook("ann", "alerts")
    assert url.startswith("https://hooks.slack.com/services/T")
    client = WebhookClient(live.origin + urlsplit(url).path)
    assert client.send(text="disk full").body == "ok"
    assert [(one["user"], one["text"]) for one in live.slack.history("alerts")] == [("ann", "disk full")]
    assert client.send(text="").status_code == 400
    assert live.raw(urlsplit(url).path[:-3] + "abc", b"{}")[0] == 404
    live.slack.archive("alerts")
    assert client.send(text="again").status_code == 410
