"""Somebody who may log in to a database."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Role:
    """Its name and password, and whether it may do everything."""

    name: str
    password: str = field(repr=False)
    superuser: bool = False
    guessable: bool = False
    """Its password follows from the trial's seed, so another agent could work it out."""
