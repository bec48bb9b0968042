"""Two clients of one mailbox, and the world besides: numbers, UIDs and flags agree with a model at every step."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from imap_talk import Talk
from loopback import LiveMail

ANN = "ann@corp.example"
FLAGS = ("\\Seen", "\\Flagged", "\\Deleted", "$Work", "Later")
WHO = st.integers(0, 1)
PICK = st.integers(0, 99)
SOME = st.sets(st.sampled_from(FLAGS), max_size=3)


class Client:
    """What a client knows that believes every untagged response."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self.uids: list[int | None] = []
        self.flags: dict[int, set[str]] = {}
        self.select()

    def select(self) -> None:
        self.uids, self.flags = [], {}
        self.learn(self.talk.ok("SELECT INBOX"))

    def learn(self, lines: list[bytes], *, expunge: bool = True) -> None:
        for line in lines:
            found = re.match(rb"\* (\d+) (EXISTS|EXPUNGE|FETCH)(?: \((.*)\))?\Z", line)
            if found is None:
                continue
            number, what = int(found[1]), found[2]
            if what == b"EXISTS":
                assert number >= len(self.uids)
                self.uids += [None] * (number - len(self.uids))
            elif what == b"EXPUNGE":
                assert expunge, "numbers changed where they may not"
                self.flags.pop(self.uids.pop(number - 1) or 0, None)
            else:
                self._fetched(number, found[3])

    def _fetched(self, number: int, items: bytes) -> None:
        uid = re.search(rb"UID (\d+)", items)
        if uid is not None:
            assert self.uids[number - 1] in (None, int(uid[1])), "a number means another message than before"
            self.uids[number - 1] = int(uid[1])
        flags = re.search(rb"FLAGS \(([^)]*)\)", items)
        known = self.uids[number - 1]
        if flags is not None and known is not None:
            self.flags[known] = {*flags[1].decode().split()} - {"\\Recent"}

    def say(self, command: str, *literals: bytes, expunge: bool = True) -> list[bytes]:
        lines = self.talk.say(command, *literals)
        self.learn(lines[:-1], expunge=expunge)
        return lines

    def pick(self, choice: int) -> int:
        return choice % len(self.uids) + 1


class Mailbox(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.home = tempfile.TemporaryDirectory()
        self.live = LiveMail(Path(self.home.name))
        self.model: dict[int, set[str]] = {}
        self.next = 1
        self.sent = 0
        talks = [Talk(self.live.connect(143)) for _ in range(2)]
        for talk in talks:
            talk.ok(f"LOGIN {ANN} any")
        self.clients = [Client(talk) for talk in talks]

    def teardown(self) -> None:
        if hasattr(self, "live"):
            for client in self.clients:
                client.talk.__exit__(None, None, None)
            self.live.__exit__(None)
            self.home.cleanup()
            assert self.live.failures == []

    def arrive(self, flags: set[str]) -> None:
        self.model[self.next] = set(flags)
        self.next += 1

    def meant(self, client: Client, number: int) -> int:
        """The UID behind a number, which the client may have to ask for."""
        if client.uids[number - 1] is None:
            lines = client.say(f"FETCH {number} (UID FLAGS)", expunge=False)
            if client.uids[number - 1] is None:  # it came and went, and the client knows nothing of it
                assert lines[-1].startswith(b"NO [EXPUNGEISSUED]")
        return client.uids[number - 1] or 0

    # -- the world ------------------------------------------------------------------------------------------------

    @rule()
    def a_mail_comes(self) -> None:
        self.sent += 1
        self.live.ask(self.live.email.send, "bob@x.example", ANN, f"Mail {self.sent}", "text")
        self.arrive(set())

    @precondition(lambda self: self.model)
    @rule(choice=PICK)
    def the_task_deletes(self, choice: int) -> None:
        uid = sorted(self.model)[choice % len(self.model)]
        self.live.ask(self.live.email.delete_message, ANN, sorted(self.model).index(uid))
        del self.model[uid]

    # -- the clients ----------------------------------------------------------------------------------------------

    @rule(who=WHO, flags=SOME)
    def append(self, who: int, flags: set[str]) -> None:
        lines = self.clients[who].say(f"APPEND INBOX ({' '.join(sorted(flags))})", b"Subject: x\r\n\r\nx\r\n")
        assert b"APPENDUID" in lines[-1]
        assert int(lines[-1].partition(b"]")[0].split()[-1]) == self.next
        self.arrive(flags)

    @rule(who=WHO, choice=PICK, mode=st.sampled_from(["", "+", "-"]), silent=st.booleans(), flags=SOME)
    def store(self, who: int, choice: int, mode: str, silent: bool, flags: set[str]) -> None:
        client = self.clients[who]
        if not client.uids:
            return
        number = client.pick(choice)
        uid = self.meant(client, number)
        word = f"{mode}FLAGS{'.SILENT' if silent else ''}"
        lines = client.say(f"STORE {number} {word} ({' '.join(sorted(flags))})", expunge=False)
        if uid not in self.model:
            assert lines[-1].startswith(b"NO [EXPUNGEISSUED]")
            return
        now = self.model[uid]
        now = now | flags if mode == "+" else now - flags if mode == "-" else set(flags)
        self.model[uid] = now
        if silent:
            client.flags[uid] = set(now)
        else:
            assert client.flags[uid] == now

    @rule(who=WHO)
    def expunge(self, who: int) -> None:
        assert self.clients[who].say("EXPUNGE")[-1].startswith(b"OK")
        self.model = {uid: flags for uid, flags in self.model.items() if "\\Deleted" not in flags}

    @rule(who=WHO, choice=PICK)
    def copy_within(self, who: int, choice: int) -> None:
        client = self.clients[who]
        if client.uids:
            number = client.pick(choice)
            uid = self.meant(client, number)
            done = client.say(f"COPY {number} INBOX")[-1].startswith(b"OK")
            assert done == (uid in self.model)
            if done:
                self.arrive(self.model[uid])

    @rule(who=WHO, choice=PICK)
    def move_away(self, who: int, choice: int) -> None:
        client = self.clients[who]
        if client.uids:
            uid = self.meant(client, client.pick(choice))
            client.say(f"UID MOVE {uid or 4000000000} Archive")
            self.model.pop(uid, None)

    @rule(who=WHO)
    def search(self, who: int) -> None:
        client = self.clients[who]
        (line,) = [line for line in client.say("SEARCH DELETED", expunge=False) if line.startswith(b"* SEARCH")]
        found = {self.meant(client, int(number)) for number in line.split()[2:]}
        known = {self.meant(client, number) for number in range(1, len(client.uids) + 1)}
        assert found <= known
        assert {uid for uid in found if uid in self.model} == found

    @rule(who=WHO)
    def idle(self, who: int) -> None:
        client, other = self.clients[who], self.clients[1 - who]
        client.talk.send(b"idle IDLE\r\n")
        line = client.talk.line()
        assert line.startswith(b"+")
        other.say("APPEND INBOX", b"Subject: pushed\r\n\r\nx\r\n")
        self.arrive(set())
        seen = []
        while not seen or not seen[-1].endswith(b"EXISTS") or int(seen[-1].split()[1]) != len(self.model):
            seen.append(client.talk.line())
        client.talk.send(b"DONE\r\n")
        client.learn([*seen, *client.talk.answer("idle")[:-1]])
        assert len(client.uids) == len(self.model)

    @rule(who=WHO)
    def select_again(self, who: int) -> None:
        self.clients[who].select()
        assert len(self.clients[who].uids) == len(self.model)

    @rule(who=WHO)
    def catch_up(self, who: int) -> None:
        client = self.clients[who]
        client.say("NOOP")
        assert len(client.uids) == len(self.model)
        assert client.flags == {uid: self.model[uid] for uid in client.flags}
        client.say("UID FETCH 1:* (FLAGS)")
        assert client.uids == sorted(self.model)
        assert client.flags == self.model

    @invariant()
    def rows_agree(self) -> None:
        if hasattr(self, "live"):
            rows: list[dict[str, Any]] = self.live.ask(self.live.email.list_inbox, ANN)
            assert {row["uid"]: {*row["flags"]} for row in rows} == self.model


TestMailbox = Mailbox.TestCase
TestMailbox.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)
