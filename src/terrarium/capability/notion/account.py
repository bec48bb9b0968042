"""Who is in the workspace: people, and the integrations (bots) through which agents and the task program act."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from terrarium.core.capability import Site
from terrarium.core.errors import ConfigError, unknown_key
from terrarium.core.network import Caller
from terrarium.core.person import DOMAIN, person_of
from terrarium.core.seeds import child_seed
from terrarium.core.values import Value

ACCESS = ("none", "read", "write")
_TOKEN_LENGTH = 46


@dataclass(frozen=True)
class Account:
    """An integration, in whose name requests are made.

    Attributes:
        agent: Whose it is; None: the task program's, which may do everything.
        bot: Its user id, which stands in `created_by`.
        person: The user id of the person behind it; None: nobody.
        name: What it is called.
        access: What it may do with pages that nobody has shared with it in particular: one of `ACCESS`.
    """

    agent: str | None
    bot: str
    person: str | None
    name: str
    access: str = "write"


class Accounts:
    """Everybody in the workspace. All of it follows from configuration and seed: nothing is stored.

    Args:
        site: Agents, people, configuration and seed.

    Raises:
        ConfigError: `tokens`, `access` or `bot_name` cannot be so.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self.users: dict[str, dict[str, Any]] = {}
        self.by_agent: dict[str, Account] = {}
        given = _table(site.config, "tokens", site)
        access = site.config.get("access", "write")
        chosen = _table(site.config, "access", site) if isinstance(access, Mapping) else {}
        for level in [*chosen.values(), *([] if isinstance(access, Mapping) else [access])]:
            if level not in ACCESS:
                raise ConfigError(f"{site.name}: access is one of {', '.join(ACCESS)}, not {level!r:.40}")
        default = "write" if isinstance(access, Mapping) else str(access)
        bot_name = site.config.get("bot_name", "Terrarium")
        if not isinstance(bot_name, str) or not 0 < len(bot_name) <= 200:
            raise ConfigError(f"{site.name}: bot_name must be a short text, not {bot_name!r:.40}")
        self.task = Account(None, self._id("bot", ""), None, bot_name)
        for id, person in site.people.items():
            self._person(id, person.name, person.address)
        for agent in site.agents:
            behind = person_of(site.people, agent)
            who = self._id("person", behind.id if behind else agent)
            if behind is None:
                self._person(agent, agent, f"{agent}@{DOMAIN}")
            name = f"{self.users[who]['name']} (integration)"
            self.by_agent[agent] = Account(agent, self._id("bot", agent), who, name, str(chosen.get(agent, default)))
        for account in [self.task, *self.by_agent.values()]:
            self.users[account.bot] = self._bot(account)
        self._fixed: dict[str, str] = {agent: str(token) for agent, token in given.items()}
        for agent, token in given.items():
            if (
                not isinstance(token, str)
                or not token.isascii()
                or not token.isprintable()
                or " " in token
                or not token
            ):
                raise ConfigError(f"{site.name}: the token of {agent!r} must be printable text without spaces")
        if len(set(self._fixed.values())) < len(self._fixed):
            raise ConfigError(f"{site.name}: two agents cannot have the same token")

    def token(self, agent: str) -> str:
        """The token of an agent's integration."""
        if agent in self._fixed:
            return self._fixed[agent]
        words = [child_seed(self._site.rng.seed, self._site.name, "token", agent, n) for n in range(3)]
        return ("ntn_" + "".join(f"{word:016x}" for word in words))[:_TOKEN_LENGTH]

    def login(self, token: str, caller: Caller) -> Account | None:
        """The account of a token; None where there is none.

        A token of the configuration is good from everywhere, as a password is; one that follows from the seed only
        from its agent's own connections, since another could work it out.
        """
        for agent, account in self.by_agent.items():
            if (agent in self._fixed or caller.agent == agent) and hmac.compare_digest(
                self.token(agent).encode(), token.encode("utf-8", "replace")
            ):
                return account
        return None

    def agent_of(self, user: str) -> str | None:
        """The agent behind a user, be it its person or its integration; None where there is none."""
        return next((agent for agent, a in self.by_agent.items() if user in (a.person, a.bot)), None)

    # -- inside ---------------------------------------------------------------------------------------------------

    def _id(self, kind: str, name: str) -> str:
        seed, site = self._site.rng.seed, self._site.name
        high, low = (child_seed(seed, site, kind, name, half) for half in ("high", "low"))
        return str(UUID(int=(high << 64) | low, version=4))

    def _person(self, id: str, name: str, address: str) -> None:
        user = self._id("person", id)
        self.users[user] = {
            "object": "user",
            "id": user,
            "name": name,
            "avatar_url": None,
            "type": "person",
            "person": {"email": address},
        }

    def _bot(self, account: Account) -> dict[str, Any]:
        owner: dict[str, Any] = {"type": "workspace", "workspace": True}
        if account.person is not None:
            owner = {"type": "user", "user": self.users[account.person]}
        workspace = {"workspace_id": self._id("workspace", ""), "workspace_name": "Terrarium"}
        limits = {"workspace_limits": {"max_file_upload_size_in_bytes": 20 * 1024 * 1024}}
        return {
            "object": "user",
            "id": account.bot,
            "name": account.name,
            "avatar_url": None,
            "type": "bot",
            "bot": {"owner": owner, **workspace, **limits},
        }


def _table(config: Mapping[str, Value], key: str, site: Site) -> Mapping[str, Value]:
    given = config.get(key) or {}
    if not isinstance(given, Mapping):
        raise ConfigError(f"{site.name}: {key} must be a table by agent, not {given!r:.60}")
    for agent in given:
        if agent not in site.agents:
            raise unknown_key(f"{site.name}: {key}", str(agent), site.agents)
    return given
