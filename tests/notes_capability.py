"""A capability for tests: a list of notes, with ways to go wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from terrarium.core.capability import Site, Traits, instance_tool, reads, writes
from terrarium.core.errors import CapabilityFault, Refused
from terrarium.core.rows import Row
from terrarium.core.tool import Tool


class Notes:
    traits: ClassVar[Traits] = Traits()

    async def open(self, site: Site) -> None:
        self._site = site
        self._rows = site.rows()

    def tools(self, agent: str) -> Sequence[Tool]:
        name = self._site.name
        return [
            Tool.of(self._add, instance_tool(name, "add")),
            Tool.of(self._list, instance_tool(name, "list"), writes=False),
            Tool.of(self._collapse, instance_tool(name, "collapse")),
        ]

    def rows(self) -> Iterator[Row]:
        return self._rows.all()

    async def save(self, to: Path) -> None:
        self._rows.save(to)

    async def close(self) -> None:
        self._rows.close()

    @writes(silent=True)
    def add(self, text: str) -> str:
        """Keep a note and return its id."""
        id = f"{self._rows.count('note'):04d}-{self._site.rng.token(self._site.name, 6)}"
        fields = {"text": text, "by": self._site.actor(), "at": self._site.clock.now}
        self._rows.insert(self._site.actor(), "note", id, fields)
        return id

    @writes(notifies="agent")
    def leave(self, agent: str, text: str) -> str:
        """Keep a note for an agent, and tell it."""
        self._site.notify(agent, f"a note for you: {text}")
        return self.add(text)

    @reads
    def count(self) -> int:
        """How many notes there are."""
        return self._rows.count("note")

    @reads
    def texts(self) -> list[str]:
        """All notes, first to last."""
        return [row.fields["text"] for row in self._rows.table("note")]

    @reads
    def refuse(self) -> None:
        """Say no."""
        raise Refused("the notes say no", code="N0")

    @reads
    def collapse(self) -> None:
        """Fail as machinery does."""
        raise CapabilityFault("the notes are on fire")

    @reads
    def stumble(self) -> None:
        """Fail as code does."""
        raise ZeroDivisionError("a bug in the notes")

    def _add(self, text: str) -> str:
        """Add a note.

        Args:
            text: What to note.
        """
        return self.add(text)

    def _list(self) -> list[str]:
        """List the notes."""
        return self.texts()

    def _collapse(self) -> None:
        """Fail as machinery does."""
        self.collapse()
