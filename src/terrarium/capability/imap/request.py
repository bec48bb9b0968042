"""What a client can ask for: one record for each form of command."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from terrarium.capability.imap.criteria import All
from terrarium.capability.imap.section import Items
from terrarium.capability.imap.sequence import SequenceSet


@dataclass(frozen=True, slots=True)
class Bare:
    """A command without arguments, or one whose arguments do not matter."""


@dataclass(frozen=True, slots=True)
class Login:
    """LOGIN."""

    user: bytes
    password: bytes


@dataclass(frozen=True, slots=True)
class Authenticate:
    """AUTHENTICATE; `initial` is the client's first answer where it was sent along, in base64."""

    mechanism: str
    initial: bytes | None


@dataclass(frozen=True, slots=True)
class Named:
    """A command with the name of a mailbox."""

    name: str


@dataclass(frozen=True, slots=True)
class Rename:
    """RENAME."""

    name: str
    to: str


@dataclass(frozen=True, slots=True)
class Listing:
    """LIST and LSUB."""

    reference: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Status:
    """STATUS."""

    name: str
    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Append:
    """APPEND."""

    name: str
    flags: tuple[str, ...]
    received: datetime | None
    raw: bytes


@dataclass(frozen=True, slots=True)
class Fetch:
    """FETCH."""

    numbers: SequenceSet
    items: Items


@dataclass(frozen=True, slots=True)
class Store:
    """STORE."""

    numbers: SequenceSet
    mode: Literal["add", "remove", "replace"]
    silent: bool
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Transfer:
    """COPY and MOVE."""

    numbers: SequenceSet
    name: str


@dataclass(frozen=True, slots=True)
class Expunge:
    """EXPUNGE; of certain UIDs only, or of all."""

    numbers: SequenceSet | None


@dataclass(frozen=True, slots=True)
class Search:
    """SEARCH and SORT; `returns` are the options of RETURN, None without it, `keys` those of SORT."""

    criteria: All
    returns: tuple[str, ...] | None = None
    keys: tuple[tuple[str, bool], ...] = ()


@dataclass(frozen=True, slots=True)
class Thread:
    """THREAD."""

    algorithm: str
    criteria: All


Request = (
    Bare
    | Login
    | Authenticate
    | Named
    | Rename
    | Listing
    | Status
    | Append
    | Fetch
    | Store
    | Transfer
    | Expunge
    | Search
    | Thread
)


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a client.

    Attributes:
        tag: What its answer begins with.
        name: In upper case.
        request: Its arguments.
        uid: It counts in UIDs.
    """

    tag: str
    name: str
    request: Request
    uid: bool = False
