"""Notices: what agents are told without asking.

A capability says whom a change concerns; the task says of which capabilities its agents want to know. A notice waits
until its agent's next step, or ends the agent's waiting.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from terrarium.core.agent import Notice

ALL = "all"
LIMIT = 1000  # notices that wait for one agent; of more, the oldest are forgotten
LONGEST = 500  # characters of one notice


class Notices:
    """The notices of one world that have not been seen yet.

    Args:
        policy: Capabilities of which agents are told, by type (`email`) or name (`email:work`); `all` for every one.
        residents: Simulated people, who are told of everything.
    """

    def __init__(self, policy: Sequence[str] = (), residents: Sequence[str] = ()) -> None:
        self._policy, self._residents = frozenset(policy), frozenset(residents)
        self._waiting: dict[str, list[Notice]] = {}

    def wanted(self, source: str) -> bool:
        """Whether agents are told of what happens in the capability of that name."""
        return bool(self._policy & {ALL, source, source.partition(":")[0]})

    @property
    def any_wanted(self) -> bool:
        """Whether agents are told of anything at all."""
        return bool(self._policy)

    def put(self, agent: str, source: str, text: str) -> None:
        """Keep a notice for an agent, where the task wants it told of `source`."""
        if self.wanted(source) or agent in self._residents:
            waiting = self._waiting.setdefault(agent, [])
            waiting.append(Notice(text if len(text) <= LONGEST else text[: LONGEST - 1] + "…", source))
            del waiting[:-LIMIT]

    def waiting(self, agent: str) -> list[Notice]:
        """The notices that an agent has not been told yet, oldest first."""
        return list(self._waiting.get(agent, ()))

    def take(self, agent: str) -> list[Notice]:
        """The notices for an agent, oldest first; they are gone then."""
        return self._waiting.pop(agent, [])

    def save(self) -> dict[str, Any]:
        """All that wait, as plain data."""
        return {agent: [[n.text, n.source] for n in self._waiting[agent]] for agent in sorted(self._waiting)}

    def load(self, saved: Mapping[str, Any]) -> None:
        """Continue from what `save` returned."""
        self._waiting = {agent: [Notice(text, source) for text, source in rows] for agent, rows in saved.items()}
