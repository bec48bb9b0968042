"""Whose files there are: the accounts of agents and people, and what the configuration says of them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from terrarium.core.capability import EXTERNAL, Traits
from terrarium.core.errors import ConfigError, nearest, unknown_key
from terrarium.core.person import Person, person_of
from terrarium.core.seeds import child_seed
from terrarium.core.values import Value

ROLES = ("reader", "commenter", "writer", "owner")
KEYS = (
    "agents_role",
    "authorized_user_file",
    "backend",
    "credentials_file",
    "owner",
    "project",
    "requests_per_minute",
    "root_folder_name",
)
_ADDRESS = re.compile(r"[^\s@<>,;\"\\\x00-\x20\x7f]{1,100}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63}){0,8}")
_PROJECT = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]")


@dataclass(frozen=True)
class Account:
    """Somebody with files.

    Attributes:
        address: How files name them.
        name: What others call them.
        agent: The agent that acts as them.
        service: The address of the agent's service account; the same as `address` where the agent is no person.
    """

    address: str
    name: str
    agent: str | None = None
    service: str | None = None

    @property
    def permission(self) -> str:
        """The id of every permission they have."""
        return permission_id(self.address)


def permission_id(address: str) -> str:
    """Twenty digits that follow from an address."""
    digest = hashlib.sha256(address.lower().encode("utf-8", "replace")).digest()
    return f"1{int.from_bytes(digest[:8], 'big') % 10**19:019d}"


@dataclass(frozen=True)
class Accounts:
    """Everybody that the task and the configuration name.

    Attributes:
        agents: The account of each agent.
        people: Those of everybody else, by id.
        owner: Whose the files are that the task program makes.
        agents_role: What agents may do with those; None: nothing, before they are shared.
        project: The last part of the addresses of service accounts.
        folder: The id of the folder of the task program's files.
        folder_name: Its name.
        seed: What tokens are made from.
        requests_per_minute: Of one account, in world time; 0: no limit.
    """

    agents: Mapping[str, Account]
    people: Mapping[str, Account]
    owner: Account
    agents_role: str | None
    project: str
    folder: str
    folder_name: str
    seed: int
    requests_per_minute: int

    def named(self, who: str) -> Account | None:
        """An agent, a person by id, or whoever has an address; None where it is none of these."""
        if who in self.agents:
            return self.agents[who]
        if who in self.people:
            return self.people[who]
        wanted = who.strip().lower()
        for account in (*self.agents.values(), *self.people.values(), self.owner):
            if wanted in (account.address.lower(), (account.service or "").lower()):
                return account
        return Account(wanted, wanted.partition("@")[0]) if _ADDRESS.fullmatch(wanted) else None


def accounts_of(
    config: Mapping[str, Value], agents: Sequence[str], people: Mapping[str, Person], seed: int, name: str
) -> Accounts:
    """The accounts that a configuration gives.

    Raises:
        ConfigError: An unknown key, or a value that cannot be one.
    """
    for key in config:
        if key not in KEYS:
            raise unknown_key(name, str(key), KEYS)
    role = _text(config, "agents_role", "writer")
    if role not in (*ROLES[:3], "none"):
        raise ConfigError(f"agents_role is 'none', 'reader', 'commenter' or 'writer', not {role!r:.60}")
    project = _text(config, "project", "terrarium-world")
    if not _PROJECT.fullmatch(project):
        raise ConfigError(f"project must be 6 to 30 lower-case letters, digits and '-', not {project!r:.60}")
    rate = config.get("requests_per_minute", 0)
    if type(rate) is not int or rate < 0:
        raise ConfigError(f"requests_per_minute must be a whole number, 0 for no limit, not {rate!r:.60}")
    owner = _text(config, "owner", "admin@world.example")
    if not _ADDRESS.fullmatch(owner):
        raise ConfigError(f"owner must be a mail address, not {owner!r:.60}")
    behind: dict[str, Account] = {}
    for agent in agents:
        service = f"{re.sub('[^a-z0-9-]', '-', agent.lower())}@{project}.iam.gserviceaccount.com"
        if any(account.service == service for account in behind.values()):
            raise ConfigError(f"agents {agent!r} and another would share the service account {service}; rename one")
        person = person_of(people, agent)
        address = person.address if person else service
        behind[agent] = Account(address, person.name if person else agent, agent, service)
    others = {id: Account(person.address, person.name) for id, person in people.items() if person.agent is None}
    others |= {id: behind[person.agent] for id, person in people.items() if person.agent is not None}
    return Accounts(
        agents=behind,
        people=others,
        owner=next((one for one in (*behind.values(), *others.values()) if one.address == owner), None)
        or Account(owner, owner.partition("@")[0]),
        agents_role=None if role == "none" else role,
        project=project,
        folder="0" + hashlib.sha256(f"{child_seed(seed, name, 'folder')}".encode()).hexdigest()[:32],
        folder_name=_text(config, "root_folder_name", "Terrarium"),
        seed=child_seed(seed, name, "keys"),
        requests_per_minute=rate,
    )


def claims_of(config: Mapping[str, Value]) -> Traits:
    """What may be claimed: less, of somebody's real account, as which it is used where there are credentials, too.

    Raises:
        ConfigError: `backend` is neither of the two.
    """
    told = _text(config, "backend", "api" if "credentials_file" in config else "embedded")
    if told not in ("embedded", "api"):
        raise ConfigError(f"backend is 'embedded' or 'api', not {told!r:.60}{nearest(told, ('embedded', 'api'))}")
    return EXTERNAL if told == "api" else Traits()


def _text(config: Mapping[str, Value], key: str, usual: str) -> str:
    told = config.get(key, usual)
    if not isinstance(told, str) or not told or len(told) > 300 or not told.isprintable():
        raise ConfigError(f"{key} must be text of one line, not {told!r:.60}")
    return told
