"""The people of a world, declared once by its task: mailbox, calendar and shell user of each follow from it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from terrarium.core.errors import ConfigError, nearest, unknown_key
from terrarium.core.values import Value

DOMAIN = "world.example"

_KEYS = ("address", "agent", "name", "password", "simulated")
_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}")
_TAKEN = ("nobody", "root")  # users of every sandbox
_ACTORS = ("operator", "task", "world")  # who else stands in journals
_ADDRESS = re.compile(r"[\w+'-]+(?:\.[\w+'-]+)*@[\w-]+(?:\.[\w-]+)*")
_WRITTEN = re.compile(r"(?P<name>[^<>\"]*?)\s*<(?P<address>[^<>]*)>")
_UNFIT = re.compile(r"[\s\"\\#]")  # what programs read from a .netrc in different ways


@dataclass(frozen=True)
class Person:
    """Somebody in a world.

    Attributes:
        id: What they log in as, everywhere.
        name: What others call them.
        address: Their mail address.
        password: The one password of their mailbox, calendar and so on; None: they have none.
        agent: The agent that acts as them; None: nobody does but the task program. A simulated person is their own.
        simulated: Whether they act by themselves: what they are like, the program says with `env.user`.
    """

    id: str
    name: str
    address: str
    password: str | None = field(default=None, repr=False)
    agent: str | None = None
    simulated: bool = False

    @property
    def environment(self) -> dict[str, str]:
        """The variables that tell programs in a sandbox whose it is."""
        return {"USER": self.id, "LOGNAME": self.id, "EMAIL": self.address}


def declared(told: Mapping[str, Value], agents: Sequence[str]) -> dict[str, Person]:
    """The people that a task declares, by id.

    Args:
        told: By id, `Ann Lee <ann@corp.example>` or a table of `name`, `address`, `password`, `agent`. An agent that is
            called like a person is that person.
        agents: Names of the task's agents.

    Raises:
        ConfigError: A key or an agent that is not there, a value that cannot be one, two people of one address, or an
            agent that is two people.
    """
    if not isinstance(told, Mapping):
        raise ConfigError(f"people must be a table of people by id, not {told!r:.100}")
    found: dict[str, Person] = {}
    addresses: dict[str, str] = {}
    behind: dict[str, str] = {}
    for id, about in told.items():
        person = _person(id, about, agents)
        other = addresses.setdefault(person.address.lower(), person.id)
        if other != person.id:
            raise ConfigError(f"people {other!r} and {person.id!r} have the same address, {person.address}")
        if person.agent is not None and behind.setdefault(person.agent, person.id) != person.id:
            raise ConfigError(f"agent {person.agent!r} cannot be both {behind[person.agent]!r} and {person.id!r}")
        found[person.id] = person
    return found


def person_of(people: Mapping[str, Person], agent: str | None) -> Person | None:
    """The person that an agent acts as; None where nobody was declared for it."""
    return next((person for person in people.values() if agent is not None and person.agent == agent), None)


def can_be_user(name: object, agents: Sequence[str]) -> bool:
    """Whether somebody whom the program makes up can have that name."""
    return isinstance(name, str) and bool(_ID.fullmatch(name)) and name not in (*_TAKEN, *_ACTORS, *agents)


def _person(id: object, about: Value, agents: Sequence[str]) -> Person:
    if not isinstance(id, str) or not _ID.fullmatch(id) or id in _TAKEN:
        raise ConfigError(
            f"people: {id!r:.80} cannot be an id: use a letter, then letters, digits, '.', '-' and '_', 32 at most; "
            f"{' and '.join(_TAKEN)} are taken"
        )
    where = f"people: {id!r}"
    if isinstance(about, str):
        written = _WRITTEN.fullmatch(about.strip())
        about = written.groupdict() if written else {"address": about}
    if not isinstance(about, Mapping):
        raise ConfigError(f"{where} must be 'Name <address>' or a table of {', '.join(_KEYS)}, not {about!r:.100}")
    for key, value in about.items():
        if key not in _KEYS:
            raise unknown_key(where, str(key), _KEYS)
        if key == "simulated":
            if not isinstance(value, bool):
                raise ConfigError(f"{where}: simulated must be true or false, not {value!r:.100}")
        elif not isinstance(value, str) and value is not None:
            raise ConfigError(f"{where}: {key} must be text, not {type(value).__name__}")
    name, address, password = about.get("name") or id, about.get("address"), about.get("password")
    if address is None:
        address = f"{id}@{DOMAIN}"
    if not name.isprintable() or len(name) > 200:
        raise ConfigError(f"{where}: the name must be one line of at most 200 characters, not {name!r:.100}")
    if len(address) > 254 or not _ADDRESS.fullmatch(address):
        raise ConfigError(f"{where}: {address!r:.100} is not a mail address; write 'ann@corp.example'")
    if password is not None and (not password or not password.isprintable() or _UNFIT.search(password)):
        raise ConfigError(f"{where}: the password must be printable text without spaces, quotes, '\\' and '#'")
    simulated = bool(about.get("simulated"))
    if simulated and (id in agents or about.get("agent") is not None or id in _ACTORS):
        raise ConfigError(f"{where} acts by itself, so it cannot be an agent, nor be called {' or '.join(_ACTORS)}")
    return Person(id, name, address, password, id if simulated else _agent(id, about, agents), simulated)


def _agent(id: str, about: Mapping[str, Value], agents: Sequence[str]) -> str | None:
    agent: str | None = about.get("agent")
    if agent is None:
        return id if id in agents else None
    if agent not in agents:
        raise ConfigError(
            f"people: {id!r}: there is no agent {agent!r}{nearest(agent, agents)}; there are: {', '.join(agents)}"
        )
    if id in agents and agent != id:
        raise ConfigError(f"people: {id!r} is called like an agent, so it cannot be the agent {agent!r}")
    return agent
