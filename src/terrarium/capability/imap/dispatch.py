"""Which command does what, and when it may be given (RFC 3501, 3 and 6)."""

from __future__ import annotations

from functools import partial

from terrarium.capability.imap import folders, messages
from terrarium.capability.imap.request import Command, Login
from terrarium.capability.imap.scanner import BadCommand
from terrarium.capability.imap.session import Answer, Session
from terrarium.core.aside import aside
from terrarium.core.errors import NotFound, Refused

_ANYBODY = frozenset({"CAPABILITY", "NOOP", "LOGOUT", "ID"})
_STRANGER = frozenset({"STARTTLS", "AUTHENTICATE", "LOGIN"})
_SELECTED = frozenset(
    {"CHECK", "CLOSE", "UNSELECT", "EXPUNGE", "SEARCH", "FETCH", "STORE", "COPY", "MOVE", "SORT", "THREAD"}
)
_LONG = frozenset(
    {"SEARCH", "SORT", "THREAD"}
)  # they only read, but all of a mailbox: the event loop goes on meanwhile
_NUMBERED = frozenset({"FETCH", "STORE", "SEARCH", "SORT", "THREAD"})


async def answer(session: Session, command: Command) -> None:
    """Do a command and answer it."""
    try:
        _check(session, command)
        found = await _do(session, command)
    except BadCommand as error:
        found = Answer(text=str(error), status="BAD")
    except (Refused, NotFound) as error:
        found = Answer(text=str(error), code=error.code or "", status="NO")
    lines = [*found.lines]
    if command.name not in ("SELECT", "EXAMINE"):
        lines += session.news(expunge=command.uid or command.name not in _NUMBERED)
    await session.respond(command.tag, found.status, found.text, found.code, lines)


def _check(session: Session, command: Command) -> None:
    """Refuse what cannot be asked for before LOGIN, after it, or without a selected mailbox."""
    name = command.name
    if name in _ANYBODY:
        return
    if (name in _STRANGER) == bool(session.address):
        raise BadCommand("you have logged in already" if session.address else "log in first")
    if name in _SELECTED and session.view is None:
        raise BadCommand("select a mailbox first")


async def _do(session: Session, command: Command) -> Answer:
    match command.name:
        case "CAPABILITY":
            return Answer([b"* CAPABILITY " + session.capabilities.encode("ascii")])
        case "NOOP" | "CHECK":
            return Answer()
        case "ID":
            return Answer([b'* ID ("name" "Terrarium")'])
        case "ENABLE":
            return Answer([b"* ENABLED"])
        case "NAMESPACE":
            return Answer([b'* NAMESPACE (("" "/")) NIL NIL'])
        case "LOGOUT":
            session.ended = True
            return Answer([b"* BYE good bye"])
        case "LOGIN":
            assert isinstance(command.request, Login)
            return await session.login(command.request.user, command.request.password)
        case "UNSELECT":
            session.close()
            return Answer()
        case "APPEND":
            return await folders.append(session, command)
        case "FETCH":
            return await messages.fetch(session, command)
    handler = messages.HANDLERS.get(command.name) or folders.HANDLERS[command.name]
    async with session.request():
        if command.name in _LONG:
            return await aside(partial(handler, session, command))
        return handler(session, command)
