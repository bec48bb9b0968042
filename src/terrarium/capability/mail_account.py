"""Whose mailbox an agent uses: what the configuration of `email` says."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from terrarium.capability.address import Address, parse_address
from terrarium.core.errors import ConfigError, Refused
from terrarium.core.values import Value

DOMAIN = "world.example"


def accounts_of(config: Mapping[str, Value], agents: Sequence[str]) -> dict[str, Address]:
    """The account of every agent: what `accounts` says, else `<agent>@<domain>`.

    Raises:
        ConfigError: An unknown key, an agent that is not there, an account that is not an address, or two agents with
            the same address where not both were given it explicitly.
    """
    _known("configuration key of email", config, ("accounts", "domain"))
    chosen, domain = config.get("accounts", {}), config.get("domain", DOMAIN)
    if not isinstance(chosen, Mapping):
        raise ConfigError("accounts must be a table of agents and addresses")
    if not isinstance(domain, str):
        raise ConfigError(f"domain must be text, not {domain!r}")
    _known("agent for accounts", chosen, agents)
    accounts: dict[str, Address] = {}
    for agent in agents:
        try:
            accounts[agent] = parse_address(chosen.get(agent, f"{agent}@{domain}"))
        except Refused as error:
            raise ConfigError(f"the account of agent {agent!r}: {error}; set it under accounts") from None
    for agent, account in accounts.items():
        for other, theirs in accounts.items():
            if agent != other and agent not in chosen and account.key == theirs.key:
                raise ConfigError(f"agents {agent!r} and {other!r} would share {account.key}; set both under accounts")
    return accounts


def _known(what: str, given: Mapping[str, Value], known: Sequence[str]) -> None:
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise ConfigError(f"there is no {what} called {key!r}{hint}; there are: {', '.join(known)}")
