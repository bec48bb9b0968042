"""What a session of the engine with a database is: statements in, plain values out, every error typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from terrarium.core.errors import CapabilityFault, Refused
from terrarium.core.values import Value

Params = Sequence[Any] | Mapping[str, Any] | None
CONNECT_SECONDS = 15.0


@dataclass
class Result:
    """What a statement came to.

    Attributes:
        rows: By name of column; None where it gives none.
        tags: What the server says was done, one for each statement: `INSERT 0 1`.
        more: There are further rows, which were not fetched.
    """

    rows: list[dict[str, Value]] | None = None
    tags: list[str] = field(default_factory=list)
    more: bool = False


class Lost(CapabilityFault):
    """The server, or its connection, went away during a statement."""


class Session(Protocol):
    """One session; statements come one after the other.

    Every method but `responds` and `close` raises `Refused` where the server says no (with its code), or it takes too
    long, or too much comes back; and `Lost` where the server went away.
    """

    @property
    def alive(self) -> bool:
        """Whether it can still be used, as far as can be told without asking the server."""
        ...

    async def responds(self, seconds: float) -> bool:
        """Whether there is still a server at its other end; asked with a statement that does nothing. Never raises."""
        ...

    async def run(self, sql: str, params: Params = None, *, seconds: float, limit: int, largest: int) -> Result:
        """Run statements, separated by semicolons; the rows are those of the last one that gives any.

        Args:
            sql: With `%s` or `%(name)s` where parameters go, if there are any.
            params: Values.
            seconds: Of wall time, after which it is cancelled.
            limit: How many rows are given.
            largest: Bytes of the whole answer.
        """
        ...

    async def many(self, sql: str, rows: Sequence[Params], *, seconds: float, largest: int) -> Result:
        """Run one statement for each of `rows`; all of it is one transaction."""
        ...

    async def first(self, sql: str, *, seconds: float, limit: int, largest: int) -> Result:
        """Run one statement that only looks, in a transaction that cannot write, and give its first rows."""
        ...

    async def begin_anew(self, seconds: float) -> bool:
        """Undo what a call left open: a transaction (True where there was one), settings, temporary tables."""
        ...

    async def close(self) -> None:
        """End it; idempotent."""
        ...


def checked_text(sql: object) -> str:
    """A statement, as far as it can be one.

    Raises:
        Refused: It is no text, empty, or holds NUL, where the server would take it to end.
    """
    if not isinstance(sql, str) or not sql.strip():
        raise Refused(f"a statement is text and not empty, not {sql!r:.100}")
    if "\0" in sql:
        raise Refused("a statement cannot hold the character NUL")
    return sql
