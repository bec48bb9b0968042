"""The libraries that agents reach for: imaplib, imap-tools and IMAPClient, unmodified."""

from __future__ import annotations

import imaplib
import threading
from datetime import UTC, date, datetime
from email.message import EmailMessage
from email.policy import SMTP

from imap_tools import A, MailBoxUnencrypted, MailMessageFlags
from imapclient import IMAPClient
from loopback import LiveMail

ANN = "agent@world.example"


def filled(live: LiveMail) -> None:
    first = live.ask(live.email.send, "Bob <bob@x.example>", ANN, "Lunch?", "At one?")
    live.ask(live.email.send, "carl@x.example", ANN, "Re: Lunch?", "Yes", in_reply_to=first["message_id"])
    live.ask(
        live.email.send, "Jörg <j@x.example>", ANN, "Zahlen für März", "Anbei", html="<b>Anbei</b>",
        attachments=[("zähler.csv", b"a,b\n1,2\n")], cc=["bob@x.example", "Dora <d@x.example>"],
    )  # fmt: skip


def test_imaplib(live):
    filled(live)
    client = live.imap()
    client.login(ANN, "any")
    assert client.select() == ("OK", [b"3"])
    assert client.search(None, "SUBJECT", '"lunch"') == ("OK", [b"1 2"])
    message = EmailMessage()
    message["Subject"] = "Draft"
    message.set_content("soon")
    stamp = imaplib.Time2Internaldate(datetime(2030, 1, 6, tzinfo=UTC))
    status, told = client.append("Drafts", "(\\Draft)", stamp, message.as_bytes(policy=SMTP))
    assert (status, told[0][:10]) == ("OK", b"[APPENDUID")
    assert client.thread("REFERENCES", "UTF-8", "ALL") == ("OK", [b"(1 2)(3)"])
    assert client.sort("(REVERSE ARRIVAL)", "UTF-8", "UNSEEN")[0] == "OK"
    assert client.store("1", "+FLAGS", "\\Deleted")[0] == "OK"
    assert client.expunge() == ("OK", [b"1"])
    assert client.status("Drafts", "(MESSAGES UNSEEN)") == ("OK", [b'"Drafts" (MESSAGES 1 UNSEEN 1)'])
    assert client.namespace() == ("OK", [b'(("" "/")) NIL NIL'])
    assert client.unselect()[0] == "OK"
    assert client.logout()[0] == "BYE"


def test_imap_tools(live):
    filled(live)
    port = live.port(143)
    with MailBoxUnencrypted("127.0.0.1", port).login(ANN, "any") as box:
        mails = list(box.fetch(A(seen=False), mark_seen=False, bulk=True))
        assert [mail.subject for mail in mails] == ["Lunch?", "Re: Lunch?", "Zahlen für März"]
        (attachment,) = mails[2].attachments
        assert (attachment.filename, attachment.payload) == ("zähler.csv", b"a,b\n1,2\n")
        assert mails[2].from_values.name == "Jörg"
        assert [mail.uid for mail in box.fetch(A(date_gte=date(2030, 1, 7), subject="März"), charset="UTF-8")] == ["3"]
        assert box.uids(sort="REVERSE DATE") == ["1", "2", "3"]  # of one moment: as they lie
        box.folder.create("Entwürfe/März")
        box.move(["1", "2"], "Entwürfe/März")
        box.folder.set("Entwürfe/März")
        box.flag(box.uids(), [MailMessageFlags.FLAGGED, "Work"], True)
        assert [mail.flags for mail in box.fetch(A(keyword="Work"), mark_seen=False)] == [
            ("Work", "\\Flagged", "\\Recent")
        ] * 2
        assert box.folder.status("Entwürfe/März")["MESSAGES"] == 2
        box.folder.rename("Entwürfe/März", "April")
        assert {"INBOX", "April", "Trash"} <= {folder.name for folder in box.folder.list()}
        box.folder.subscribe("April", True)
        assert "April" in {folder.name for folder in box.folder.list(subscribed_only=True)}
        box.folder.set("INBOX")
        box.delete(box.uids())
        with box.idle as idle:
            live.ask(live.email.send, "bob@x.example", ANN, "new", "text")
            assert b"* 1 EXISTS" in idle.poll(timeout=10)
    assert [mail["subject"] for mail in live.ask(live.email.list_inbox, ANN)] == ["new"]


def test_imapclient(live):
    filled(live)
    with IMAPClient("127.0.0.1", live.port(143), ssl=False) as client:
        client.login(ANN, "any")
        assert client.find_special_folder(b"\\Sent") == "Sent"
        told = client.select_folder("INBOX")
        assert (told[b"EXISTS"], told[b"UIDNEXT"], told[b"READ-WRITE"]) == (3, 4, True)
        assert client.search(["SUBJECT", "März"], charset="UTF-8") == [3]
        assert client.search(["FROM", "bob", "NOT", "DELETED"]) == [1]
        found = client.fetch(
            [1, 3], ["ENVELOPE", "BODYSTRUCTURE", "FLAGS", "INTERNALDATE", "RFC822.SIZE", "BODY.PEEK[1]"]
        )
        envelope = found[1][b"ENVELOPE"]
        assert (envelope.subject, str(envelope.from_[0])) == (b"Lunch?", "Bob <bob@x.example>")
        assert "bob@x.example" in map(str, found[3][b"ENVELOPE"].cc)
        assert found[3][b"BODYSTRUCTURE"].is_multipart
        assert found[1][b"BODY[1]"] == b"At one?\r\n"
        assert client.sort(["SUBJECT"]) == [1, 2, 3]
        assert client.thread("REFERENCES") == ((1, 2), (3,))
        assert client.add_flags([1], [b"\\Answered", "Later"])[1] == (b"Later", b"\\Answered", b"\\Recent")
        client.create_folder("Größe")
        client.copy([1], "Größe")
        client.move([2], "Größe")
        assert client.folder_status("Größe", ["MESSAGES"]) == {b"MESSAGES": 2}
        client.idle()
        sent = threading.Timer(0.05, lambda: live.ask(live.email.send, "bob@x.example", ANN, "new", "text"))
        sent.start()
        assert (3, b"EXISTS") in client.idle_check(timeout=10)
        client.idle_done()
        client.uid_expunge([1])
        client.append("Sent", b"Subject: x\r\n\r\n", [b"\\Seen"], datetime(2030, 1, 1, tzinfo=UTC))
        assert client.has_capability("UIDPLUS")
        assert client.id_({"name": "x"})[0][1] == b"Terrarium"
    sent.join()
