import asyncio
import json
import shutil
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from mail_site import MailSite

from terrarium.capability.email import Email
from terrarium.core.capability import admin_methods
from terrarium.core.errors import ConfigError, NotFound, Refused, TerrariumError
from terrarium.core.registry import find
from terrarium.core.values import encode

ME, BOSS, CAROL = "agent@world.example", "boss@corp.example", "carol@corp.example"


@pytest.fixture
def here(tmp_path: Path) -> MailSite:
    return MailSite(tmp_path)


@pytest.fixture
def email(here: MailSite) -> Email:
    return here.email


def busy(here: MailSite) -> None:
    """Some of everything."""
    email = here.email
    first = email.send("Böss <boss@corp.example>", [ME, CAROL], "Plan ✓", "x" * 70_000, html="<b>x</b>", bcc="eve@x")
    here.pass_time(90)
    email.send(CAROL, ME, "Re: Plan", "ok", in_reply_to=first["message_id"], attachments=[("a.bin", bytes(range(256)))])
    email.create_folder(ME, "Clients/Acme")
    here.use("reply", id="INBOX/1", body="Done", reply_all=True)
    here.use("move", id="INBOX/2", folder="Clients/Acme")
    here.use("delete", id="Sent/1")
    email.create_mailbox("Zoe <zoe@x>")
    email.delete_message(CAROL, 0)


def test_it_is_registered_and_its_face_is_marked() -> None:
    assert find("capability", "email") is Email
    faces = admin_methods(Email())
    public = {name for name in vars(Email) if not name.startswith("_")}
    assert public - set(faces) == {
        *("traits", "letters", "open", "tools", "equipment", "rows", "save", "close", "deeds", "claims", "peopled")
    }
    writing = {name for name, access in faces.items() if access.mode == "write"}
    assert writing == {"send", "create_mailbox", "set_flags", "create_folder", "move", "delete_message"}
    assert faces["send"].notifies == "agents"


def test_a_mail_and_what_it_looks_like(here: MailSite, email: Email) -> None:
    sent = email.send(BOSS, ME, "Q3", "Numbers?")
    assert sent == {"message_id": sent["message_id"], "recipients": [ME], "agents": ["agent"]}
    assert email.list_inbox(ME) == [
        {
            "from": BOSS,
            "to": ME,
            "cc": "",
            "subject": "Q3",
            "date": "Mon, 07 Jan 2030 09:00:00 +0000",
            "body": "Numbers?",
            "message_id": sent["message_id"],
            "in_reply_to": None,
            "references": [],
            "folder": "INBOX",
            "uid": 1,
            "flags": [],
            "received": here.clock.now,
            "size": 46,
            "by": "task",
        }
    ]
    assert email.get_message("AGENT@World.Example", 0)["subject"] == "Q3"
    assert email.sent(BOSS)[0]["message_id"] == sent["message_id"]
    assert email.mailboxes() == [ME, BOSS]


def test_everything_a_mail_can_hold(email: Email) -> None:
    date = datetime(2029, 12, 24, 18, 30, tzinfo=timezone(timedelta(hours=1)))
    id = email.send(
        '"Boss, The" <boss@corp.example>',
        f"Agent <{ME}>, {CAROL}",
        "Grüße ✓ \U0001f600",
        "größe\r\nsecond\rthird",
        html="<p>größe</p>",
        cc=["dan@x"],
        bcc=["eve@x"],
        attachments=[("ä.csv", b"a,b"), ("b.bin", b"\xff\x00")],
        date=date,
        in_reply_to="<unknown@x>",
        headers={"X-Priority": "1"},
    )["message_id"]
    mail = email.get_message(ME, 0)
    assert mail["from"] == '"Boss, The" <boss@corp.example>'
    assert mail["to"] == f"Agent <{ME}>, {CAROL}"
    assert (mail["cc"], mail["subject"], mail["html"]) == ("dan@x", "Grüße ✓ \U0001f600", "<p>größe</p>")
    assert (mail["body"], mail["date"]) == ("größe\nsecond\nthird", "Mon, 24 Dec 2029 18:30:00 +0100")
    assert mail["attachments"] == [{"filename": "ä.csv", "size": 3}, {"filename": "b.bin", "size": 2}]
    assert (mail["in_reply_to"], mail["references"], mail["headers"]) == (
        "<unknown@x>",
        ["<unknown@x>"],
        {"X-Priority": "1"},
    )
    assert mail["received"] == datetime(2030, 1, 7, 9, tzinfo=UTC)
    assert email.attachment(ME, id, "b.bin") == b"\xff\x00"
    for address in (ME, CAROL, "dan@x", "eve@x"):
        assert email.count_inbox(address) == 1
        assert "eve" not in str(email.list_inbox(address))
    assert email.sent(BOSS)[0]["bcc"] == "eve@x"


def test_nobody_gets_a_mail_twice(email: Email) -> None:
    sent = email.send(BOSS, [ME, "Agent@WORLD.example", BOSS], "Hi", "text", cc=ME, bcc=[ME, BOSS])
    assert sent["recipients"] == [ME, BOSS]
    assert email.count_inbox(ME) == email.count_inbox(BOSS) == len(email.sent(BOSS)) == 1
    assert [mail["folder"] for mail in email.search(BOSS, "hi")] == ["INBOX", "Sent"]


def test_unknown_addresses_are_empty(email: Email) -> None:
    assert email.count_inbox("nobody@x") == 0
    assert email.list_inbox("nobody@x") == email.folders("nobody@x") == email.sent("nobody@x") == []
    assert email.search("nobody@x", "x") == email.list_folder("nobody@x", "Trash") == []
    assert list(email.rows()) == []
    for missing in (
        lambda: email.get_message("nobody@x", 0),
        lambda: email.delete_message("nobody@x", 0),
        lambda: email.flags("nobody@x", "<a@x>"),
        lambda: email.thread("nobody@x", "<a@x>"),
        lambda: email.list_folder("nobody@x", "Clients"),
        lambda: email.address("stranger"),
    ):
        with pytest.raises(NotFound):
            missing()
    for method in (email.count_inbox, email.list_inbox, email.folders, email.sent, email.create_mailbox):
        for rubbish in ("rubbish", "", None, "a@x, b@x", "a@x/INBOX"):
            with pytest.raises(Refused):
                method(rubbish)  # type: ignore[operator]


def test_indices(email: Email) -> None:
    for number in range(3):
        email.send(BOSS, ME, str(number), "text")
    email.delete_message(ME, 1)
    assert [email.get_message(ME, index)["subject"] for index in range(2)] == ["0", "2"]
    for index in (-1, 2, 10**30):
        with pytest.raises(NotFound, match="has 2 mails"):
            email.get_message(ME, index)
        with pytest.raises(NotFound):
            email.delete_message(ME, index)
    for index in (True, 1.0, "1", None):
        with pytest.raises(Refused):
            email.get_message(ME, index)  # type: ignore[arg-type]
    email.delete_message(ME, 1)
    email.send(BOSS, ME, "3", "text")
    assert [mail["uid"] for mail in email.list_inbox(ME)] == [1, 4]


@pytest.mark.parametrize(
    "wrong",
    [
        {"from_addr": "rubbish"},
        {"from_addr": f"{BOSS}, {CAROL}"},
        {"from_addr": "Boss\r\nBcc: eve@x <boss@x>"},
        {"to": "rubbish"},
        {"to": []},
        {"to": [ME, "a@x\nBcc: eve@x"]},
        {"subject": "Hi\r\nBcc: eve@x"},
        {"headers": {"X-A": "1\n2"}},
        {"body": None},
        {"attachments": [("big.bin", bytes(26 * 1024 * 1024))]},
    ],
)
def test_a_bad_mail_is_refused_and_leaves_nothing(here: MailSite, wrong: dict[str, Any]) -> None:
    arguments = {"from_addr": BOSS, "to": ME, "subject": "Hi", "body": "text"} | wrong
    with pytest.raises(Refused):
        here.email.send(**arguments)
    assert list(here.email.rows()) == []
    assert not here.site.folder.exists()


def test_lone_surrogates_reach_no_row(here: MailSite, email: Email) -> None:
    email.send("A\ud800 <boss@x>", ME, "lone \ud800", "body \udfff", html="\ud800", headers={"X": "\ud800"})
    email.create_folder(ME, "f\ud800")
    mail = email.get_message(ME, 0)
    assert (mail["from"], mail["subject"], mail["body"]) == ("A\ufffd <boss@x>", "lone \ufffd", "body \ufffd")
    for change in here.changes:
        assert json.dumps(encode(change.after)).isascii()
    for row in email.rows():
        str(row.fields).encode()


def test_looking_changes_nothing(here: MailSite, email: Email) -> None:
    busy(here)
    rows, changes = list(email.rows()), len(here.changes)
    id = email.list_inbox(ME)[0]["message_id"]
    email.get_message(ME, 0)
    email.search(ME, "plan")
    email.thread(ME, id)
    email.folders(ME)
    email.attachment(ME, email.list_folder(ME, "clients/acme")[0]["message_id"], "a.bin")
    assert "\\Seen" not in email.flags(ME, id)
    email.list_inbox(ME)[0]["flags"].append("\\Seen")
    email.search(ME, has_attachment=True)[0]["attachments"].clear()
    assert list(email.rows()) == rows
    assert len(here.changes) == changes


def test_who_did_what(here: MailSite, email: Email) -> None:
    email.send(ME, BOSS, "Forged", "by the task")
    here.use("send", to=[BOSS], subject="Real", body="by the agent")
    assert [(mail["subject"], mail["by"]) for mail in email.list_inbox(BOSS)] == [("Forged", "task"), ("Real", "agent")]
    assert [mail["by"] for mail in email.sent(ME)] == ["task", "agent"]
    assert {change.actor for change in here.changes} == {"task", "agent"}


def test_flags_and_folders(email: Email) -> None:
    id = email.send(BOSS, [ME, BOSS], "Hi", "text")["message_id"]
    assert email.set_flags(ME, id, add=["\\seen", "$Work"]) == ["$Work", "\\Seen"]
    assert email.set_flags(ME, id, add=["\\Draft"], remove=["\\Seen", "\\Deleted"]) == ["$Work", "\\Draft"]
    assert email.flags(BOSS, id) == []
    assert email.flags(BOSS, id, folder="Sent") == ["\\Seen"]
    assert email.create_folder(ME, "Work") == "Work"
    assert email.move(ME, id, "work") == {"folder": "Work", "uid": 1}
    assert email.count_inbox(ME) == 0
    assert email.list_folder(ME, "Work")[0]["flags"] == ["$Work", "\\Draft"]
    assert email.folders(ME) == ["INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash", "Work"]
    for wrong in (
        lambda: email.set_flags(ME, id, add=["\\Bogus"]),
        lambda: email.set_flags(ME, id, add="\\Seen"),  # type: ignore[arg-type]
        lambda: email.flags(ME, "no id"),
        lambda: email.flags(ME, id, folder="Nowhere"),
        lambda: email.flags(ME, id, folder="INBOX"),
        lambda: email.move(ME, id, "Nowhere"),
        lambda: email.create_folder(ME, "WORK"),
        lambda: email.attachment(ME, id, "a"),
    ):
        with pytest.raises((Refused, NotFound)):
            wrong()


def test_a_mail_is_lost_when_its_owner_has_no_copy_of_it(here: MailSite, email: Email) -> None:
    ids = [email.send(BOSS, [ME, CAROL], subject, "")["message_id"] for subject in ("one", "two", "three")]
    here.use("move", id="INBOX/1", folder="Archive")
    here.use("delete", id="INBOX/2")
    assert email.lost(ME) == email.lost("Nobody@x.example") == []
    here.use("delete", id="Trash/1")
    email.delete_message(ME, 0)
    assert email.lost(ME.upper()) == ids[1:]
    assert email.lost(CAROL) == email.lost(BOSS) == []
    with pytest.raises(Refused):
        email.lost("no address")


def test_mailboxes_can_be_made_and_named(email: Email) -> None:
    assert email.create_mailbox("Ann Lee <Ann@X.example>") == "ann@x.example"
    email.create_mailbox("ann@x.example")
    assert [dict(row.fields)["name"] for row in email.rows()] == ["Ann Lee"]
    email.create_mailbox("ann@x.example", "")
    assert [dict(row.fields)["name"] for row in email.rows()] == [""]
    with pytest.raises(Refused):
        email.create_mailbox("ann@x.example", "Ann\r\nBcc: eve@x")


def test_equal_seeds_give_equal_rows(tmp_path: Path) -> None:
    sites = [MailSite(tmp_path / str(n), seed=seed) for n, seed in enumerate((3, 3, 4))]
    for here in sites:
        busy(here)
    rows = [list(here.email.rows()) for here in sites]
    assert rows[0] == rows[1] != rows[2]
    assert sites[0].changes == sites[1].changes
    assert [(row.table, row.key) for row in rows[0]] == sorted((row.table, row.key) for row in rows[0])


def test_a_copy_of_the_state_goes_on_alike(here: MailSite, tmp_path: Path) -> None:
    busy(here)
    asyncio.run(here.email.save(tmp_path / "saved"))
    shutil.copytree(tmp_path / "saved", tmp_path / "fork" / "email")
    fork = MailSite(tmp_path / "fork", seed=99)
    assert list(fork.email.rows()) == list(here.email.rows())
    fork.site.rng.load(here.site.rng.save())
    fork.clock.move(here.clock.micros)
    for site in (here, fork):
        site.email.send(BOSS, ME, "After", "text")
        assert site.use("read", id="INBOX/1")["body"] == "x" * 70_000
    assert list(fork.email.rows()) == list(here.email.rows())
    fork.email.send(BOSS, ME, "Only there", "text")
    assert here.email.count_inbox(ME) == 2
    assert fork.email.count_inbox(ME) == 3


def test_reopening_the_same_folder_goes_on(tmp_path: Path) -> None:
    here = MailSite(tmp_path)
    busy(here)
    rows = list(here.email.rows())
    asyncio.run(here.email.close())
    asyncio.run(here.email.close())
    again = MailSite(tmp_path)
    assert list(again.email.rows()) == rows
    assert again.email.list_inbox(ME)[0]["body"] == "x" * 70_000


def test_an_unused_capability_writes_no_file(here: MailSite, tmp_path: Path) -> None:
    here.email.count_inbox(ME)
    asyncio.run(here.email.save(tmp_path / "saved"))
    asyncio.run(here.email.close())
    assert not here.site.folder.exists()
    assert not (tmp_path / "saved").exists()


def test_configuration(tmp_path: Path) -> None:
    here = MailSite(tmp_path, config={"domain": "corp.example"})
    assert here.email.address() == "agent@corp.example"
    with pytest.raises(ConfigError, match="did you mean 'accounts'"):
        MailSite(tmp_path, config={"account": {}})


def test_only_errors_of_ours_come_out(email: Email) -> None:
    odd: list[Any] = [None, 5, True, b"x", [], {}, object(), "\ud800", "a@x", "<a@x>", ["a@x", None], datetime.min]
    for name, arguments in {
        "send": 4, "count_inbox": 1, "get_message": 2, "search": 2, "thread": 2, "attachment": 3, "flags": 2,
        "set_flags": 3, "move": 3, "create_folder": 2, "create_mailbox": 2, "list_folder": 2, "delete_message": 2,
        "address": 1,
    }.items():  # fmt: skip
        for value in odd:
            for other in odd:
                try:
                    getattr(email, name)(*([value] + [other] * (arguments - 1)))
                except TerrariumError:
                    pass


def test_ten_thousand_mails_are_listed_at_once(here: MailSite, email: Email) -> None:
    for number in range(10_000):
        email.send(BOSS, ME, f"Mail {number}", "text")
    assert [mail["subject"] for mail in here.use("list", limit=1)["mails"]] == ["Mail 9999"]
    assert email.get_message(ME, 9_999)["uid"] == 10_000
    assert len(email.list_inbox(ME)) == email.count_inbox(ME) == 10_000


def test_agents_are_told_of_mail_for_them_but_not_of_their_own(tmp_path):
    here = MailSite(tmp_path, agents=("buyer", "seller"))
    told: list[tuple[str, str]] = []
    here.site.notify = lambda agent, text: told.append((agent, text))
    here.email.send("ann@x.example", ["buyer@world.example", "other@x.example"], "Offer", "b")
    here.use("send", "buyer", to=["seller@world.example", "buyer@world.example"], subject="Re: Offer", body="b")
    assert told == [
        ("buyer", "New mail (INBOX/1) from ann@x.example: Offer"),
        ("seller", "New mail (INBOX/1) from buyer@world.example: Re: Offer"),
    ]


def test_moments_without_an_offset_are_in_the_zone_of_the_world(here: MailSite) -> None:
    here.clock.zone = ZoneInfo("Europe/Berlin")
    me = here.email.address()
    for date in (datetime(2030, 1, 7, 0, 30), datetime(2030, 10, 27, 2, 30, fold=1)):
        here.email.send("ann@corp.example", me, "a", "", date=date)
    first, second = here.email.list_inbox(me)
    assert first["date"] == "Mon, 07 Jan 2030 00:30:00 +0100"
    assert second["date"] == "Sun, 27 Oct 2030 02:30:00 +0200", "of a time that comes twice, the first"
    assert here.email.search(me, since="2030-01-07", before="2030-01-07T01:00") == [first]
    assert here.use("search", since="2030-01-07T01:00", before="2030-02-01")["total"] == 0
    [search] = [tool for tool in here.email.tools("agent") if tool.name == "email_search"]
    assert "(Europe/Berlin)" in str(search.parameters)
