from typing import Any

import pytest

from terrarium.capability.mail_account import accounts_of
from terrarium.core.errors import ConfigError


def accounts(config: dict[str, Any], *agents: str) -> dict[str, str]:
    return {agent: str(account) for agent, account in accounts_of(config, agents or ("agent",)).items()}


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
        ({"port": 25}, "there are: accounts, domain"),
        ({"accounts": ["a"]}, "table"),
        ({"accounts": {"agnet": "a@x"}}, "did you mean 'agent'"),
        ({"accounts": {"agent": "rubbish"}}, "not a mail address"),
        ({"accounts": {"agent": None}}, "one mail address"),
        ({"domain": "no domain"}, "accounts"),
        ({"domain": 5}, "must be text"),
    ],
)
def test_says_what_is_wrong(config: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        accounts(config)


def test_an_agent_whose_name_cannot_be_an_address_needs_an_account() -> None:
    with pytest.raises(ConfigError, match="set it under accounts"):
        accounts({}, "claude code")
    assert accounts({"accounts": {"claude code": "claude@x"}}, "claude code") == {"claude code": "claude@x"}
