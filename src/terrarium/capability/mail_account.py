"""Who has an account: what the configuration of `email` says of agents and people, addresses and passwords."""

from __future__ import annotations

import difflib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from terrarium.capability.address import Address, parse_address
from terrarium.core.errors import ConfigError, Refused
from terrarium.core.network import Caller
from terrarium.core.person import DOMAIN, Person
from terrarium.core.values import Value

_PORTS = ("smtp_port", "submission_port", "imap_port", "pop3_port", "smtps_port", "imaps_port", "pop3s_port")
KEYS = ("accounts", "domain", "host", *_PORTS, "storage", "backend", "image")
_ACCOUNT_KEYS = ("address", "password", "name")


@dataclass(frozen=True)
class MailAccounts:
    """The accounts of one mail system.

    Attributes:
        agents: The address of every agent.
        people: That of everybody who has an account under another name than an agent's: the id of a person.
        domain: Where an address is that is given without one.
        passwords: By address in lower case. Where there are none, and nobody is declared, everybody may use every
            mailbox with any password.
        declared: Whether the task has declared people: then a connection acts for whom it comes from.
        own: The address, in lower case, of the agent that a connection comes from; None: it is nobody's.
    """

    agents: Mapping[str, Address]
    people: Mapping[str, Address] = field(default_factory=dict)
    domain: str = DOMAIN
    passwords: Mapping[str, str] = field(default_factory=dict, repr=False)
    declared: bool = False
    own: str | None = None

    @property
    def confined(self) -> bool:
        """Whether mail clients act only for their own address, and need its password where it has one."""
        return self.declared or bool(self.passwords)

    @property
    def present(self) -> str | None:
        """Who is there without a login: the agent that connects, where it has no password."""
        return None if self.own in self.passwords else self.own

    def to(self, caller: Caller) -> MailAccounts:
        """The accounts as one connection has them."""
        own = self.agents.get(caller.agent or "") if self.declared else None
        return self if own is None else replace(self, own=own.key)

    def held(self, address: str) -> bool:
        """Whether an address in lower case is somebody's whom a stranger cannot be."""
        accounts = [*self.agents.values(), *self.people.values()] if self.declared else []
        return address in self.passwords or any(account.key == address for account in accounts)

    def login(self, user: str, password: str) -> str:
        """The address, in lower case, that a mail client with this name and password may use.

        The name is an address, an agent's name, a person's id, or what stands before the `@` of its address.

        Raises:
            Refused: There is no such account, or the password is wrong.
        """
        known = {**self.agents, **self.people}
        found = known.get(user) or next((a for a in known.values() if a.key.partition("@")[0] == user.lower()), None)
        if found is None:
            found = parse_address(user if "@" in user else f"{user}@{self.domain}")
        if self.confined and found.key != self.present:
            expected = self.passwords.get(found.key)
            if expected is None or not hmac.compare_digest(expected.encode(), password.encode("utf-8", "replace")):
                raise Refused("there is no account of that name and password")
        return found.key


def accounts_of(
    config: Mapping[str, Value], agents: Sequence[str], declared: Mapping[str, Person] | None = None
) -> MailAccounts:
    """The accounts of agents and people: what `accounts` says, else what the task has declared, else the usual address.

    Raises:
        ConfigError: An unknown key, an agent that is not there, an account that is not an address, or two agents with
            the same address where not both were given it explicitly.
    """
    known("configuration key of email", config, KEYS)
    given, domain, declared = config.get("accounts", {}), config.get("domain", DOMAIN), declared or {}
    if not isinstance(given, Mapping):
        raise ConfigError("accounts must be a table of agents and addresses")
    if not isinstance(domain, str):
        raise ConfigError(f"domain must be text, not {domain!r}")
    known("agent for accounts", [name for name in given if not isinstance(given[name], Mapping)], [*agents, *declared])
    chosen = {_key(person): _table(person) for person in declared.values()}
    chosen.update({_key(declared[name]) if name in declared else name: account for name, account in given.items()})
    accounts: dict[str, Address] = {}
    passwords: dict[str, str] = {}
    for name in [*agents, *sorted(str(name) for name in chosen if name not in agents)]:
        account = chosen.get(name, f"{name}@{domain}")
        table = account if isinstance(account, Mapping) else {"address": account}
        accounts[name], password = _account(name, table, f"{name}@{domain}")
        key = accounts[name].key
        if password is not None and passwords.setdefault(key, password) != password:
            raise ConfigError(f"accounts gives {key} two passwords")
    for agent in agents:
        for other, theirs in accounts.items():
            if agent != other and agent not in chosen and accounts[agent].key == theirs.key:
                shared = accounts[agent].key
                raise ConfigError(f"agents {agent!r} and {other!r} would share {shared}; set both under accounts")
    people = {name: address for name, address in accounts.items() if name not in agents}
    people.update({person.id: accounts[_key(person)] for person in declared.values()})
    return MailAccounts({agent: accounts[agent] for agent in agents}, people, domain, passwords, bool(declared))


def _key(person: Person) -> str:
    """The name of a person's account: of whoever is an agent, the agent's."""
    return person.agent or person.id


def _table(person: Person) -> dict[str, Value]:
    return {"address": person.address, "name": person.name, "password": person.password}


def known(what: str, given: Mapping[str, Value] | Sequence[str], there: Sequence[str]) -> None:
    """Refuse a name that is not one of those there are.

    Raises:
        ConfigError: One is not; the message names the nearest.
    """
    for key in given:
        if key not in there:
            near = difflib.get_close_matches(str(key), there, n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise ConfigError(f"there is no {what} called {key!r}{hint}; there are: {', '.join(there)}")


def _account(name: str, table: Mapping[str, Value], usual: str) -> tuple[Address, str | None]:
    known(f"key of the account {name!r}", table, _ACCOUNT_KEYS)
    try:
        address = parse_address(table.get("address", usual))
        if "name" in table:
            address = parse_address(str(Address(str(table["name"]), address.spec)))
    except Refused as error:
        raise ConfigError(f"the account of agent {name!r}: {error}; set it under accounts") from None
    password = table.get("password")
    if password is not None and (not isinstance(password, str) or not password):
        raise ConfigError(f"the password of {name!r} must be text")
    return address, password
