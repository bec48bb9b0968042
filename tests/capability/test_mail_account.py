import imaplib
import poplib
import smtplib
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from loopback import LiveMail

from terrarium.capability.mail_account import accounts_of
from terrarium.core.errors import ConfigError, Refused
from terrarium.core.network import Caller
from terrarium.core.person import declared


def accounts(config: dict[str, Any], *agents: str) -> dict[str, str]:
    return {agent: str(account) for agent, account in accounts_of(config, agents or ("agent",)).agents.items()}


def test_defaults_and_choices() -> None:
    assert accounts({}) == {"agent": "agent@world.example"}
    assert accounts({"domain": "corp.example"}, "a", "b") == {"a": "a@corp.example", "b": "b@corp.example"}
    assert accounts({"accounts": {"a": "Ann <ann@x>"}}, "a", "b") == {"a": "Ann <ann@x>", "b": "b@world.example"}


def test_a_shared_mailbox_is_said_for_both() -> None:
    assert set(accounts({"accounts": {"a": "team@x", "b": "Team@X"}}, "a", "b")) == {"a", "b"}
    for config in ({"accounts": {"a": "b@world.example"}}, {"accounts": {"b": "A@world.example"}}):
        with pytest.raises(ConfigError, match="would share"):
            accounts(config, "a", "b")
    with pytest.raises(ConfigError, match="would share"):
        accounts({}, "Bob", "bob")


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"acounts": {}}, "did you mean 'accounts'"),
        ({"port": 25}, "there are: accounts, domain, host"),
        ({"accounts": ["a"]}, "table"),
        ({"accounts": {"agnet": "a@x"}}, "did you mean 'agent'"),
        ({"accounts": {"agent": "rubbish"}}, "not a mail address"),
        ({"accounts": {"agent": None}}, "one mail address"),
        ({"domain": "no domain"}, "accounts"),
        ({"domain": 5}, "must be text"),
        ({"accounts": {"ann": {"adress": "a@x"}}}, "did you mean 'address'"),
        ({"accounts": {"ann": {"address": "a@x", "password": 5}}}, "must be text"),
        ({"accounts": {"ann": {"address": "a@x", "password": ""}}}, "must be text"),
        ({"accounts": {"ann": {"address": "a@x", "name": "A\nB"}}}, "account"),
        ({"accounts": {"a": {"address": "t@x", "password": "1"}, "b": {"address": "T@x", "password": "2"}}}, "two"),
        ({"accounts": {"ann": {"address": "agent@world.example"}}}, "would share"),
    ],
)
def test_says_what_is_wrong(config: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        accounts(config)


def test_an_agent_whose_name_cannot_be_an_address_needs_an_account() -> None:
    with pytest.raises(ConfigError, match="set it under accounts"):
        accounts({}, "claude code")
    assert accounts({"accounts": {"claude code": "claude@x"}}, "claude code") == {"claude code": "claude@x"}


PEOPLE = {
    "agent": {"address": "agent@corp.example", "password": "s3cret", "name": "The Agent"},
    "ann": {"address": "Ann Lee <ann.lee@corp.example>", "password": "hunter2"},
    "bot": {"address": "bot@corp.example"},
}


def test_an_account_may_have_a_password_and_a_name_and_be_a_persons() -> None:
    found = accounts_of({"accounts": PEOPLE}, ("agent", "other"))
    assert {name: str(address) for name, address in found.agents.items()} == {
        "agent": "The Agent <agent@corp.example>",
        "other": "other@world.example",
    }
    assert {name: str(address) for name, address in found.people.items()} == {
        "ann": "Ann Lee <ann.lee@corp.example>",
        "bot": "bot@corp.example",
    }
    assert "hunter2" not in repr(found)


def test_with_passwords_only_who_has_one_may_log_in() -> None:
    found = accounts_of({"accounts": PEOPLE}, ("agent",))
    for user in ("ann", "ann.lee", "ANN.LEE@corp.example"):
        assert found.login(user, "hunter2") == "ann.lee@corp.example"
    for user, password in (
        ("ann", "hunter"), ("ann", ""), ("ann", "s3cret"), ("bot", ""), ("bot@corp.example", "x"), ("eve@x", "x"),
        ("", ""), ("\ud800", "\ud800"), ("ann", "hünter2"),
    ):  # fmt: skip
        with pytest.raises(Refused):
            found.login(user, password)


def test_without_passwords_everybody_may_be_everybody() -> None:
    found = accounts_of({"accounts": {"agent": "Ann <ann@corp.example>"}, "domain": "corp.example"}, ("agent",))
    for user in ("agent", "ann", "Ann@CORP.example", "ann@corp.example"):
        assert found.login(user, "whatever") == "ann@corp.example"
    assert found.login("bob", "") == "bob@corp.example"
    with pytest.raises(Refused):
        found.login("two words", "")


# -- people that the task declares ------------------------------------------------------------------------------------

AGENTS = ("first", "second", "third")
TOLD = {
    "ann": {"name": "Ann Lee", "address": "ann.lee@corp.example", "password": "lavender", "agent": "first"},
    "bob": {"address": "bob@corp.example", "agent": "second"},
    "boss": "The Boss <boss@corp.example>",
}
DECLARED = declared(TOLD, AGENTS)
BOSS = "boss@corp.example"


def test_declared_people_have_accounts_and_others_the_usual_ones() -> None:
    found = accounts_of({}, AGENTS, DECLARED)
    assert [str(found.agents[agent]) for agent in AGENTS] == [
        "Ann Lee <ann.lee@corp.example>", "bob <bob@corp.example>", "third@world.example",
    ]  # fmt: skip
    for user in ("ann", "first", "ann.lee", "ann.lee@corp.example"):
        assert found.login(user, "lavender") == "ann.lee@corp.example"
    assert [found.held(who) for who in ("boss@corp.example", "third@world.example", "eve@x")] == [True, True, False]


def test_a_connection_acts_for_whom_it_comes_from() -> None:
    found = accounts_of({}, AGENTS, DECLARED)
    bob, ann, third = (found.to(Caller(agent, "box")) for agent in ("second", "first", "third"))
    assert (bob.present, ann.present, third.present) == ("bob@corp.example", None, "third@world.example")
    assert bob.login("bob", "whatever") == "bob@corp.example"
    assert bob.login("ann", "lavender") == "ann.lee@corp.example"  # whoever knows the password
    for accounts, user, password in (
        (bob, "ann", "whatever"), (bob, "boss", ""), (bob, "third", ""), (bob, "eve", ""), (ann, "ann", "wrong"),
        (ann, "bob", ""), (found.to(Caller(None, "box")), "bob", ""), (found, "bob", ""),
    ):  # fmt: skip
        with pytest.raises(Refused):
            accounts.login(user, password)


def test_what_the_configuration_says_wins() -> None:
    for name in ("ann", "first"):  # by the person or by its agent
        config = {"accounts": {name: {"address": "ann@home.example", "password": "thistle"}}}
        found = accounts_of(config, AGENTS, DECLARED)
        assert str(found.agents["first"]) == "ann@home.example"
        assert found.login("ann", "thistle") == "ann@home.example"
        assert not found.held("ann.lee@corp.example")
    found = accounts_of({"accounts": {"second": "robert@home.example", "eve": {"address": "eve@x"}}}, AGENTS, DECLARED)
    assert found.agents["second"].key == found.people["bob"].key == "robert@home.example"
    assert found.agents["first"].key == "ann.lee@corp.example"
    assert found.people["eve"].key == "eve@x"
    with pytest.raises(ConfigError, match="did you mean 'bob'"):
        accounts_of({"accounts": {"bobb": "x@y"}}, AGENTS, DECLARED)
    with pytest.raises(ConfigError, match="would share"):
        accounts_of({}, ("agent",), declared({"ann": "agent@world.example"}, ("agent",)))


# -- from programs ----------------------------------------------------------------------------------------------------


def letter(sender: str) -> EmailMessage:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = sender, BOSS, "Hi"
    made.set_content("text\n")
    return made


def test_declared_people_send_as_themselves_only(tmp_path: Path) -> None:
    with LiveMail(tmp_path, agents=AGENTS, people=TOLD) as live:
        for port in (25, 587):
            with live.smtp("second", port) as bob:  # has no password: where he comes from says who he is
                bob.send_message(letter("bob@corp.example"))
                for forged in (BOSS, "ann.lee@corp.example", "stranger@outside"):
                    with pytest.raises(smtplib.SMTPSenderRefused, match="You may send as bob"):
                        bob.send_message(letter(forged))
                    with pytest.raises(smtplib.SMTPDataError, match="may not send"):
                        bob.send_message(letter(forged), "bob@corp.example", [BOSS])
                for user, password in (("ann", ""), ("ann", "guess"), ("boss", ""), ("stranger", "")):
                    with pytest.raises(smtplib.SMTPAuthenticationError):
                        bob.login(user, password)
                bob.login("bob", "anything")
                bob.send_message(letter("bob@corp.example"))
            with live.smtp("first", port) as ann:  # has one, and has to say it
                for sender in ("ann.lee@corp.example", "bob@corp.example", BOSS, "stranger@outside"):
                    with pytest.raises(smtplib.SMTPSenderRefused, match="Authentication required"):
                        ann.send_message(letter(sender))
                ann.login("ann", "lavender")
                ann.send_message(letter("ann.lee@corp.example"))
                with pytest.raises(smtplib.SMTPSenderRefused, match="You may send as ann"):
                    ann.send_message(letter("bob@corp.example"))
        assert [mail["from"] for mail in live.ask(live.email.list_inbox, BOSS)] == [
            "bob@corp.example",
            "bob@corp.example",
            "ann.lee@corp.example",
        ] * 2
        assert not live.failures


def test_declared_people_read_their_own_mail_only(tmp_path: Path) -> None:
    with LiveMail(tmp_path, agents=AGENTS, people=TOLD) as live:
        live.ask(live.email.send, BOSS, "ann.lee@corp.example, bob@corp.example", "To both", "text")
        with live.pop3("second", "bob@corp.example", "") as client:
            assert client.stat()[0] == 1
        with live.pop3("first", "ann", "lavender") as client:
            assert client.stat()[0] == 1
        for agent, user, password in (
            ("second", "ann", ""), ("second", "boss", ""), ("first", "ann", "wrong"), ("first", "bob", ""),
        ):  # fmt: skip
            with pytest.raises(poplib.error_proto), live.pop3(agent, user, password):
                pass
            with pytest.raises(imaplib.IMAP4.error), live.imap(agent) as imap:
                imap.login(user, password or "-")
        with live.imap("second") as imap:
            imap.login("bob", "-")
            assert imap.select("INBOX")[1] == [b"1"]
        with live.imap("first") as imap:
            imap.login("ann.lee@corp.example", "lavender")
            assert imap.select("INBOX")[1] == [b"1"]
        assert not live.failures
