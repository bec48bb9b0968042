"""What tells one kind of database from another: its programs, scripts, names, and ways to talk to it."""

from __future__ import annotations

import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from terrarium.capability.database.binaries import Binaries
from terrarium.capability.database.link import Door
from terrarium.capability.database.role import Role
from terrarium.capability.database.session import Session
from terrarium.core.sandbox import Sandbox


class Reached(Protocol):
    """A server, as its clients in this process need it.

    Attributes:
        door: An address that leads to it.
    """

    door: Door

    async def dial(self) -> socket.socket:
        """A connection for the engine, which is trusted.

        Raises:
            NotFound: Nobody listens.
        """
        ...


class Wire(Protocol):
    """Reads along what client and server say after the log-in, in pieces of any size.

    Attributes:
        tags: What the server says was done, of what writes; who has told of it empties it.
        begins_idle: The log-in is over.
    """

    tags: list[str]
    begins_idle: ClassVar[bool]

    def sent(self, data: bytes) -> bool:
        """Whether the client waits for an answer now, having sent these bytes.

        Raises:
            OSError: It must not go on.
        """
        ...

    def feed(self, data: bytes) -> bool:
        """Whether an answer has ended in these bytes of the server: it is ready for the next request.

        Raises:
            OSError: It must not go on.
        """
        ...


Entered = tuple[socket.socket, Wire | None]
LetsIn = Callable[[str], bool]
Enter = Callable[[socket.socket, Callable[[], Awaitable[socket.socket]], bool, LetsIn], Awaitable[Entered | None]]
"""Log in a client: (its connection, what connects to the server, whether it has too many connections, as whom it may
log in at all) → the server's end and what reads along (None: no session, such as a cancel request, which has been
passed on); None: it has been told no. `TimeoutError`, `EOFError` and `OSError` are the client's fault."""


@dataclass(frozen=True)
class Kind:
    """One kind of database.

    Attributes:
        name: Of the capability.
        label: As people call it.
        user, password, database, port, suffix, scheme: The usual ones: who owns it, and where it is: `db.world`,
            `postgresql://`.
        dsn_secret: What an address looks like that holds a password.
        names: What names of users and databases may look like.
        reserved: Names that none can have.
        uid: As whom the server runs in its sandbox.
        folder, data, socket: Its folders in the sandbox, and the socket where the engine is trusted.
        door: How the engine's socket is called in this process, behind its name.
        variable: The environment variable that names the folder of its programs.
        version: Of the scripts and settings; another number makes new templates.
        settings: What the first script reads.
        make: A script that makes a data folder: `$BIN`, `$DATA`, `$ADMIN`, `$PASSWORD`, `$DATABASE`.
        start: A script that starts the server and prints its process number: the same variables, and `$MORE`.
        read_only: What `$MORE` is where nothing may be written.
        ready: Whether the server has come up, as its files tell.
        find: The installation on this machine.
        connect: A session of a role with a database of a server.
        connect_to: A session with somebody else's server.
        prepare: Make an untouched server what the task says: (the server, a session of the usual user, who owns the
            database, everybody else, the database).
        checkpoint: What is run before the files are copied, else sequences would go on behind what they have set aside,
            as after a crash; empty: nothing.
        system: The database that is always there.
        enter: Log in a client of the port.
        writes: Whether what the server says was done can have changed what others see.
    """

    name: str
    label: str
    user: str
    password: str
    database: str
    port: int
    suffix: str
    scheme: str
    dsn_secret: str
    names: re.Pattern[str]
    reserved: Callable[[str], bool]
    uid: int
    folder: str
    data: str
    socket: str
    door: str
    variable: str
    version: int
    settings: Callable[[Binaries], str]
    make: str
    start: str
    read_only: str
    ready: Callable[[Sandbox], Awaitable[bool]]
    find: Callable[[], Binaries]
    connect: Callable[[Reached, Role, str], Awaitable[Session]]
    connect_to: Callable[[str], Awaitable[Session]]
    prepare: Callable[[Reached, Session, Role, Sequence[Role], str], Awaitable[None]]
    checkpoint: str
    system: str
    enter: Enter
    writes: Callable[[str], bool]
