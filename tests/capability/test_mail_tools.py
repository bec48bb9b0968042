import base64
import json
from pathlib import Path
from typing import Any

import pytest
from mail_site import MailSite

from terrarium.core.errors import NotFound, Refused
from terrarium.core.tool import ToolCall, show
from terrarium.core.values import decode, encode

ME, BOSS, CAROL = "agent@world.example", "boss@corp.example", "carol@corp.example"


@pytest.fixture
def here(tmp_path: Path) -> MailSite:
    return MailSite(tmp_path)


def last(here: MailSite, address: str) -> dict[str, Any]:
    return here.email.list_inbox(address)[-1]


def test_names_schemas_and_which_of_them_write(here: MailSite) -> None:
    tools = {tool.name: tool for tool in here.email.tools("agent")}
    looking, acting = ["attachment", "folders", "list", "search"], ["delete", "forward", "mark", "move", "read"]
    acting += ["reply", "send"]
    assert sorted(tools) == sorted(f"email_{verb}" for verb in looking + acting)
    assert [name for name, tool in tools.items() if not tool.writes] == [f"email_{verb}" for verb in looking]
    for tool in tools.values():
        assert tool.description
        assert json.dumps(dict(tool.parameters))
        assert all(entry.get("description") for entry in tool.parameters.get("properties", {}).values())


def test_an_empty_mailbox_is_no_error_and_no_row(here: MailSite) -> None:
    assert here.use("list") == {"folder": "INBOX", "total": 0, "unread": 0, "mails": []}
    assert {entry["folder"] for entry in here.use("folders")} >= {"INBOX", "Sent", "Trash"}
    assert here.use("search", query="x") == {"total": 0, "mails": []}
    assert list(here.email.rows()) == []
    assert here.changes == []


def test_list_is_newest_first_in_pages(here: MailSite) -> None:
    for number in range(5):
        here.email.send(BOSS, ME, f"Mail {number}", "text")
        here.pass_time(1)
    page = here.use("list", limit=2, offset=1)
    assert [mail["subject"] for mail in page["mails"]] == ["Mail 3", "Mail 2"]
    assert (page["total"], page["unread"]) == (5, 5)
    here.use("read", id="INBOX/4")
    assert [mail["id"] for mail in here.use("list", unread_only=True)["mails"]] == [
        "INBOX/5",
        "INBOX/3",
        "INBOX/2",
        "INBOX/1",
    ]
    for wrong in ({"limit": 0}, {"limit": 201}, {"offset": -1}, {"limit": "many"}):
        with pytest.raises(Refused):
            here.use("list", **wrong)


def test_reading_marks_as_read_and_tells_nothing_of_the_task(here: MailSite) -> None:
    here.email.send(BOSS, ME, "Hi", "text", html="<b>text</b>", attachments=[("a.txt", b"abc")], bcc="eve@x")
    assert here.use("list")["mails"][0]["unread"]
    mail = here.use("read", id="INBOX/1")
    assert (mail["from"], mail["body"], mail["html"]) == (BOSS, "text", "<b>text</b>")
    assert mail["attachments"] == [{"filename": "a.txt", "size": 3}]
    assert not {"by", "bcc"} & set(mail)
    assert "task" not in show(mail)
    assert not here.use("list")["mails"][0]["unread"]
    assert here.email.flags(ME, last(here, ME)["message_id"]) == ["\\Seen"]


def test_the_sender_is_always_the_agents_own_address(tmp_path: Path) -> None:
    here = MailSite(tmp_path, config={"accounts": {"agent": "Ann <ann@corp.example>"}})
    sent = here.use("send", to=[BOSS, "Boss@corp.example"], subject="Hi", body="text", bcc=["eve@x"])
    assert sent == {"id": "Sent/1", "recipients": [BOSS, "eve@x"]}
    mail = here.email.get_message(BOSS, 0)
    assert (mail["from"], mail["by"], mail["flags"]) == ("Ann <ann@corp.example>", "agent", [])
    assert here.email.count_inbox(BOSS) == 1
    kept = here.email.sent("ann@corp.example")[0]
    assert (kept["flags"], kept["bcc"]) == (["\\Seen"], "eve@x")
    with pytest.raises(Refused, match="from_addr"):
        here.use("send", to=[BOSS], subject="Hi", body="text", from_addr=CAROL)


def test_the_name_of_a_mailbox_is_the_name_of_its_mails(here: MailSite) -> None:
    here.email.create_mailbox(ME, "Max Mustermann")
    here.use("send", to=[BOSS], subject="Hi", body="text")
    assert last(here, BOSS)["from"] == "Max Mustermann <agent@world.example>"


@pytest.mark.parametrize(
    "wrong",
    [
        {"to": []},
        {"to": ["nobody"]},
        {"to": BOSS},
        {"subject": "a\r\nBcc: eve@x"},
        {"cc": ["a@x\nX: y"]},
        {"attachments": [{"filename": "a"}]},
        {"attachments": [{"filename": "a", "content": "x", "base64": "eA=="}]},
        {"attachments": [{"filename": "a", "base64": "%%%"}]},
        {"attachments": [{"filename": "a", "content": "x", "path": "/etc/passwd"}]},
        {"attachments": [{"content": "x"}]},
        {"attachments": [{"filename": "a\nb", "content": "x"}]},
        {"attachments": [{"filename": "a", "content": "x" * (26 * 1024 * 1024)}]},
    ],
)
def test_a_bad_mail_is_refused_and_leaves_nothing(here: MailSite, wrong: dict[str, Any]) -> None:
    arguments = {"to": [BOSS], "subject": "Hi", "body": "text"} | wrong
    with pytest.raises(Refused):
        here.use("send", **arguments)
    assert list(here.email.rows()) == []


def test_attachments_both_ways(here: MailSite) -> None:
    binary = bytes(range(256))
    files = [
        {"filename": "ä.csv", "content": "größe\r\n1"},
        {"filename": "b.bin", "base64": base64.b64encode(binary).decode()},
        {"filename": "s.txt", "content": "\ud800"},
    ]
    here.use("send", to=[ME, BOSS], subject="Files", body="see", attachments=files)
    id = last(here, BOSS)["message_id"]
    assert here.email.attachment(BOSS, id, "ä.csv") == "größe\r\n1".encode()
    assert here.email.attachment(BOSS, id, "b.bin") == binary
    assert here.use("attachment", id="INBOX/1", filename="ä.csv")["content"] == "größe\r\n1"
    assert base64.b64decode(here.use("attachment", id="INBOX/1", filename="b.bin")["base64"]) == binary
    here.email.send(BOSS, ME, "Latin", "", attachments=[("l.txt", "größe".encode("latin-1"))])
    assert (
        base64.b64decode(here.use("attachment", id="INBOX/2", filename="l.txt")["base64"]).decode("latin-1") == "größe"
    )
    with pytest.raises(NotFound, match=r"ä\.csv, b\.bin"):
        here.use("attachment", id="INBOX/1", filename="../etc/passwd")


def test_a_reply_threads_and_marks(here: MailSite) -> None:
    first = here.email.send(
        "Boss <boss@corp.example>", [ME, CAROL], "Plan", "text", cc=["dan@x", "Agent@world.example"]
    )
    result = here.use("reply", id="INBOX/1", body="Done")
    assert result == {"id": "Sent/1", "recipients": [BOSS]}
    mail = last(here, BOSS)
    assert (mail["subject"], mail["in_reply_to"], mail["references"], mail["to"], mail["cc"]) == (
        "Re: Plan",
        first["message_id"],
        [first["message_id"]],
        "Boss <boss@corp.example>",
        "",
    )
    assert here.email.flags(ME, first["message_id"]) == ["\\Answered"]
    assert here.use("list")["mails"][0]["answered"]


def test_reply_all_leaves_oneself_out_and_nobody_twice(here: MailSite) -> None:
    here.email.send(BOSS, [ME, CAROL, "Boss@corp.example"], "RE: Plan", "text", cc=["dan@x", ME, "carol@corp.example"])
    assert here.use("reply", id="INBOX/1", body="Done", reply_all=True)["recipients"] == [BOSS, CAROL, "dan@x"]
    mail = last(here, "dan@x")
    assert (mail["subject"], mail["to"], mail["cc"]) == ("RE: Plan", f"{BOSS}, {CAROL}", "dan@x")
    assert here.email.count_inbox(ME) == 1


def test_a_reply_to_ones_own_mail_goes_to_its_recipients(here: MailSite) -> None:
    here.use("send", to=[CAROL], subject="Plan", body="text", cc=["dan@x"])
    assert here.use("reply", id="Sent/1", body="Any news?")["recipients"] == [CAROL]
    assert here.use("reply", id="Sent/1", body="Any news?", reply_all=True)["recipients"] == [CAROL, "dan@x"]
    here.use("send", to=[ME], subject="Note", body="text")
    assert here.use("reply", id="INBOX/1", body="Self", reply_all=True)["recipients"] == [ME]


def test_a_reply_goes_where_reply_to_says(here: MailSite) -> None:
    here.email.send(BOSS, ME, "Plan", "text", headers={"reply-to": "Desk <desk@corp.example>"})
    assert here.use("reply", id="INBOX/1", body="Done")["recipients"] == ["desk@corp.example"]


def test_forward_carries_text_and_attachments(here: MailSite) -> None:
    first = here.email.send("Böss <boss@corp.example>", ME, "Plan", "the text", attachments=[("a.bin", b"\x00\xff")])
    here.use("forward", id="INBOX/1", to=[CAROL], body="FYI")
    mail = last(here, CAROL)
    assert mail["subject"] == "Fwd: Plan"
    assert mail["body"].startswith("FYI\n\n---------- Forwarded")
    assert "From: Böss <boss@corp.example>" in mail["body"]
    assert mail["body"].endswith("\n\nthe text")
    assert here.email.attachment(CAROL, mail["message_id"], "a.bin") == b"\x00\xff"
    assert mail["in_reply_to"] is None
    assert mail["references"] == [first["message_id"]]
    assert here.email.flags(ME, first["message_id"]) == ["$Forwarded"]


def test_mark_move_and_delete(here: MailSite) -> None:
    here.email.send(BOSS, ME, "Plan", "text")
    assert here.use("mark", id="INBOX/1", seen=True, flagged=True)["flagged"]
    assert here.use("mark", id="INBOX/1", seen=False)["unread"]
    with pytest.raises(Refused, match="seen, flagged"):
        here.use("mark", id="INBOX/1")
    assert here.use("move", id="1", folder="archive") == {"id": "Archive/1"}
    with pytest.raises(NotFound, match="gets a new id"):
        here.use("read", id="INBOX/1")
    assert here.use("delete", id="Archive/1") == {"id": "Trash/1"}
    assert here.use("list", folder="Trash")["mails"][0]["flagged"]
    assert here.use("delete", id="Trash/1") == {"removed": "Trash/1"}
    assert here.use("list", folder="Trash")["total"] == 0
    here.email.send(BOSS, ME, "Next", "text")
    assert here.use("list")["mails"][0]["id"] == "INBOX/2"


def test_folders_of_the_task_are_the_agents_too(here: MailSite) -> None:
    here.email.send(BOSS, ME, "Plan", "text")
    here.email.create_folder(ME, "Clients/Acme")
    assert here.use("move", id="INBOX/1", folder="Clients/Acme") == {"id": "Clients/Acme/1"}
    assert here.use("read", id="Clients/Acme/1")["body"] == "text"
    with pytest.raises(NotFound, match="Clients/Acme"):
        here.use("move", id="Clients/Acme/1", folder="Nowhere")


@pytest.mark.parametrize(
    "id",
    [
        "", "INBOX", "INBOX/", "INBOX/x", "INBOX/-1", "INBOX/0", "INBOX/99", "Nowhere/1", "/1", "9" * 5000,
        "boss@corp.example/INBOX/1", "\ud800/1", "INBOX/1\n2", "INBOX/١",
    ],
)  # fmt: skip
def test_a_wrong_id_is_said(here: MailSite, id: str) -> None:
    here.email.send(BOSS, ME, "Plan", "text")
    before = list(here.email.rows())
    for verb in ("read", "delete", "mark"):
        with pytest.raises((NotFound, Refused)):
            here.use(verb, id=id, **({"seen": True} if verb == "mark" else {}))
    assert list(here.email.rows()) == before


def test_another_agents_mailbox_cannot_be_reached(tmp_path: Path) -> None:
    here = MailSite(tmp_path, agents=("buyer", "seller"))
    seller = here.email.address("seller")
    here.email.send(BOSS, seller, "Secret", "the reserve price is 7", attachments=[("price.txt", b"7")])
    here.email.create_folder(seller, "Deals")
    for folder in ("INBOX", seller, f"../{seller}/INBOX", f"{seller}/INBOX", "Deals"):
        for verb, arguments in (("list", {"folder": folder}), ("read", {"id": f"{folder}/1"})):
            try:
                shown = show(here.use(verb, agent="buyer", **arguments))
            except NotFound as error:
                shown = str(error)
            assert "Secret" not in shown
            assert "reserve" not in shown
            assert "Deals'" not in shown.replace(folder, "")
    assert here.use("search", agent="buyer", query="secret")["total"] == 0
    assert "Deals" not in show(here.use("folders", agent="buyer"))
    assert here.use("read", agent="seller", id="INBOX/1")["subject"] == "Secret"
    with pytest.raises(NotFound, match="buyer, seller"):
        here.email.tools("stranger")


def test_agents_write_to_one_another(tmp_path: Path) -> None:
    here = MailSite(tmp_path, agents=("buyer", "seller"), name="email:office")
    here.use("send", agent="buyer", to=["seller@world.example"], subject="Offer", body="5?")
    assert here.use("list", agent="seller")["mails"][0]["from"] == "buyer@world.example"
    here.use("reply", agent="seller", id="INBOX/1", body="7!")
    assert here.email.list_inbox("buyer@world.example")[0]["by"] == "seller"


def test_calls_and_results_can_be_written_to_a_journal(here: MailSite) -> None:
    here.email.send(BOSS, ME, "lone \ud800 surrogate", "\udfff", attachments=[("a\ud800.txt", "\ud800")])
    mail = here.use("read", id="INBOX/1")
    assert mail["subject"] == "lone \ufffd surrogate"
    assert show(mail).encode()
    call = ToolCall("email_send", {"attachments": [{"filename": "a", "content": "\ud800"}]})
    assert decode(json.loads(json.dumps(encode(call)))) == call
