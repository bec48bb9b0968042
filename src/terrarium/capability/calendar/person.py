"""Whose calendars there are: what the task, and the configuration of `calendar`, say of agents and people."""

from __future__ import annotations

import difflib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from terrarium.core.capability import instance_host
from terrarium.core.errors import ConfigError, Refused
from terrarium.core.person import DOMAIN, Person, person_of
from terrarium.core.values import Value

ADMIN = "admin"

_KEYS = ("accounts", "domain", "host", "image", "people", "port", "username")
_PERSON_KEYS = ("address", "name", "password", "person")
_MAILBOX = re.compile(r"\s*(?:(?P<name>[^<>]*?)\s*<)?(?P<address>[^\s<>@/]+@[^\s<>@/]+)>?\s*")
_ID = re.compile(r"[^\s/:\x00-\x20\x7f]{1,200}")


@dataclass(frozen=True)
class People:
    """Everybody the task and the configuration name.

    Attributes:
        agents: The person behind each agent.
        named: Every person, by id.
        domain: Where the address of everybody else is.
        shared: Whether the calendars of `username` are everybody's: nobody was declared, no account configured.
        username: Whose calendars the task program makes where it names nobody.
        confined: Whether one acts for oneself only, with one's password where one has one: somebody has, or the task
            has declared people.
        host: Where its server is.
        port: The same.
        declared: Whether the task has declared people: then a connection acts for whom it comes from.
    """

    agents: Mapping[str, Person]
    named: Mapping[str, Person]
    domain: str
    shared: bool
    username: str
    confined: bool
    host: str
    port: int
    declared: bool = False

    def person(self, id: str) -> Person:
        """The person of that id; one whom nobody configured has the address `<id>@<domain>`."""
        known = self.named.get(id)
        return known or Person(id, id.partition("@")[0], id if "@" in id else f"{id}@{self.domain}")

    def at(self, address: str) -> Person | None:
        """The configured person at a mail address, or at an address of the domain; None for the outside."""
        wanted = address.removeprefix("mailto:").removeprefix("MAILTO:").strip().lower()
        for person in self.named.values():
            if person.address.lower() == wanted or person.id.lower() == wanted:
                return person
        local, _, domain = wanted.partition("@")
        return self.person(local) if domain == self.domain and person_id(local, strict=False) else None

    def present(self, agent: str | None) -> Person | None:
        """Who is there without a login: the agent that connects, where people are declared and it has no password."""
        person = self.agents.get(agent or "") if self.declared else None
        return person if person is not None and person.password is None else None

    def login(self, user: str, password: str, agent: str | None = None) -> Person | None:
        """Who logs in, by id or address; None where the name or the password is wrong.

        Args:
            user: What they call themselves.
            password: What they give.
            agent: The agent that the connection comes from.
        """
        if not self.confined:
            return self.person(user) if person_id(user, strict=False) else None
        named = self.named.get(user)
        person = named or next((p for p in self.named.values() if p.address.lower() == user.lower()), None)
        if person is None or person == self.present(agent):
            return person
        if person.password is None:
            return None
        return person if hmac.compare_digest(person.password.encode(), password.encode()) else None


def people_of(
    config: Mapping[str, Value],
    agents: Sequence[str],
    instance: str,
    declared: Mapping[str, Person] | None = None,
    service: str = "calendar",
) -> People:
    """The people of a service: those that the task has declared, and what its configuration says, which wins.

    Args:
        config: `accounts`, `people`, `domain`, `username`, `host` and `port`; `image` is ignored.
        agents: Names of the agents; each is a person of that name where nothing says otherwise.
        instance: The name of the capability; another than the service's has a host of its own.
        declared: The people of the task, by id.
        service: What it is; its host is `<service>.world`.

    Raises:
        ConfigError: An unknown key or agent, or a value that cannot be one.
    """
    _known(f"configuration key of {service}", config, (*_KEYS, "backend") if service == "calendar" else _KEYS)
    domain, username = _text(config, "domain", DOMAIN).lower(), _text(config, "username", ADMIN)
    accounts, others, declared = _table(config, "accounts"), _table(config, "people"), declared or {}
    _known("agent for accounts", accounts, agents)
    behind: dict[str, Person] = {}
    for agent in agents:
        told, person = accounts.get(agent, agent), None
        if agent not in accounts:
            person = person_of(declared, agent)
        elif isinstance(told, str):
            person = declared.get(told)
        behind[agent] = person or _person(told, domain, f"the account of agent {agent!r}")
    named = {username: _person(username, domain, "username"), **declared}
    named |= {person.id: person for person in behind.values()}
    for id in sorted(others):
        named[id] = _person(others[id], domain, f"people: {id!r}", id)
    behind = {agent: named.get(person.id, person) for agent, person in behind.items()}
    port = config.get("port", 5232)
    if type(port) is not int or not 0 < port < 65536:
        raise ConfigError(f"port must be a whole number from 1 to 65535, not {port!r}")
    return People(
        agents=behind,
        named=named,
        domain=domain,
        shared=not accounts and not declared,
        username=username,
        confined=bool(declared) or any(person.password is not None for person in named.values()),
        host=_text(config, "host", instance_host(instance, f"{service}.world")),
        port=port,
        declared=bool(declared),
    )


def person_id(id: object, *, strict: bool = True) -> str:
    """An id that can be a person's, or nothing.

    Raises:
        Refused: It cannot, and `strict` is set.
    """
    if isinstance(id, str) and _ID.fullmatch(id) and id not in (".", "..") and id.isprintable():
        return id
    if strict:
        raise Refused(f"{str(id)[:80]!r} cannot be a person: use a name or an address without spaces, '/' and ':'")
    return ""


def _person(told: Value, domain: str, where: str, id: str | None = None) -> Person:
    if isinstance(told, str):
        mailbox = _MAILBOX.fullmatch(told)
        told = {"address": mailbox["address"], "name": mailbox["name"] or ""} if mailbox else {"person": told}
    if not isinstance(told, Mapping):
        raise ConfigError(f"{where} must be a person, 'Name <address>' or a table of {', '.join(_PERSON_KEYS)}")
    if id is not None:
        told = {"person": id, **told}
    _known(f"key of {where}", told, _PERSON_KEYS)
    for key, value in told.items():
        if not isinstance(value, str):
            raise ConfigError(f"{where}: {key} must be text, not {value!r}")
    address = told.get("address")
    try:
        id = person_id(told.get("person") or address)
    except Refused as error:
        raise ConfigError(f"{where}: {error}") from None
    address = address or (id if "@" in id else f"{id}@{domain}")
    if not _MAILBOX.fullmatch(address):
        raise ConfigError(f"{where}: {address!r} is not an address")
    return Person(id, told.get("name") or id.partition("@")[0], address, told.get("password"))


def _text(config: Mapping[str, Value], key: str, default: str) -> str:
    value = config.get(key, default)
    if not isinstance(value, str) or not value or not person_id(value, strict=False):
        raise ConfigError(f"{key} must be a name, not {value!r}")
    return value


def _table(config: Mapping[str, Value], key: str) -> Mapping[str, Value]:
    value = config.get(key, {})
    if not isinstance(value, Mapping):
        raise ConfigError(f"{key} must be a table, not {value!r}")
    return value


def _known(what: str, given: Mapping[str, Value], known: Sequence[str]) -> None:
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise ConfigError(f"there is no {what} called {key!r}{hint}; there are: {', '.join(known)}")
