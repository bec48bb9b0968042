"""Commands about mailboxes as wholes (RFC 3501, 6.3)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from terrarium.capability.imap.mailbox_name import encode_name, matches
from terrarium.capability.imap.request import Append, Command, Listing, Named, Rename, Status
from terrarium.capability.imap.session import Answer, Session
from terrarium.capability.imap.structure import string
from terrarium.capability.imap.view import View
from terrarium.capability.mailbox import SEEN, SYSTEM, flag_named
from terrarium.capability.mime import parse
from terrarium.core.errors import NotFound, Refused

LARGE = 256 * 1024  # bytes from which a message is read in a thread

_USES = {"Archive", "Drafts", "Junk", "Sent", "Trash"}  # RFC 6154


def select(session: Session, command: Command) -> Answer:
    """SELECT and EXAMINE."""
    request, read_only = command.request, command.name == "EXAMINE"
    assert isinstance(request, Named)
    session.close()
    folder = find(session, request.name)
    mailboxes, watch = session.desk.office.mailboxes, session.desk.watch
    state = mailboxes.state(session.address, folder)
    view = View(session.address, folder, state.uidvalidity, read_only)
    view.begin(mailboxes.copies(session.address, folder))
    watch.add(view)
    first = watch.first_new(session.address, folder, state.uidvalidity)
    view.recent.update(uid for uid in view.uids if uid >= first)
    if view.recent:
        watch.claim(view, view.uids[-1])
    session.view = view
    unseen = next((n for n, uid in enumerate(view.uids, 1) if SEEN not in view.flags[uid]), None)
    kept = b"()" if read_only else b"(" + " ".join([*SYSTEM, *view.keywords, "\\*"]).encode("ascii") + b")"
    lines = [
        b"* FLAGS " + view.shown_keywords(),
        b"* %d EXISTS" % len(view.uids),
        b"* %d RECENT" % len(view.recent),
        *([b"* OK [UNSEEN %d] first unseen" % unseen] if unseen else []),
        b"* OK [UIDVALIDITY %d] UIDs are valid" % state.uidvalidity,
        b"* OK [UIDNEXT %d] next UID" % state.uidnext,
        b"* OK [PERMANENTFLAGS %b] flags that are kept" % kept,
    ]
    return Answer(lines, "selected", "READ-ONLY" if read_only else "READ-WRITE")


def create(session: Session, command: Command) -> Answer:
    """CREATE."""
    assert isinstance(command.request, Named)
    try:
        session.desk.office.mailboxes.create_folder(session.address, command.request.name)
    except Refused as error:
        raise _explained(session, error, command.request.name) from None
    return Answer()


def delete(session: Session, command: Command) -> Answer:
    """DELETE."""
    assert isinstance(command.request, Named)
    try:
        session.desk.office.mailboxes.delete_folder(session.address, command.request.name)
    except NotFound as error:
        raise Refused(str(error), code="NONEXISTENT") from None
    except Refused as error:
        raise Refused(str(error), code="CANNOT") from None
    return Answer()


def rename(session: Session, command: Command) -> Answer:
    """RENAME."""
    assert isinstance(command.request, Rename)
    try:
        session.desk.office.mailboxes.rename_folder(session.address, command.request.name, command.request.to)
    except NotFound as error:
        raise Refused(str(error), code="NONEXISTENT") from None
    except Refused as error:
        raise _explained(session, error, command.request.to) from None
    return Answer()


def subscribe(session: Session, command: Command) -> Answer:
    """SUBSCRIBE and UNSUBSCRIBE."""
    assert isinstance(command.request, Named)
    mailboxes, name, end = session.desk.office.mailboxes, command.request.name, command.name == "UNSUBSCRIBE"
    try:
        name = mailboxes.folder(session.address, name)
    except NotFound as error:
        if not end:
            raise Refused(str(error), code="NONEXISTENT") from None
    mailboxes.subscribe(session.address, name, end=end)
    return Answer()


def listing(session: Session, command: Command) -> Answer:
    """LIST and LSUB."""
    request, mailboxes = command.request, session.desk.office.mailboxes
    assert isinstance(request, Listing)
    if not request.pattern and command.name == "LIST":
        return Answer([b'* LIST (\\Noselect) "/" ""'])
    if command.name == "LSUB":
        names = set(mailboxes.subscribed(session.address))
    else:
        names = set(mailboxes.folders(session.address))
    shown = []
    for name in sorted(names | _above(names), key=lambda name: (name != "INBOX", name)):
        if matches(request.pattern, request.reference, name):
            attributes = _attributes(name, names) if command.name == "LIST" else _subscribed(name, names)
            if attributes is not None:
                told = f"* {command.name} ({attributes}) ".encode("ascii")
                shown.append(told + b'"/" ' + _wired(name))
    return Answer(shown)


def status(session: Session, command: Command) -> Answer:
    """STATUS."""
    request, office, watch = command.request, session.desk.office, session.desk.watch
    assert isinstance(request, Status)
    folder = find(session, request.name)
    state = office.mailboxes.state(session.address, folder)
    copies = list(office.mailboxes.copies(session.address, folder))
    first = watch.first_new(session.address, folder, state.uidvalidity)
    values: dict[str, Callable[[], int]] = {
        "MESSAGES": lambda: len(copies),
        "RECENT": lambda: sum(copy.uid >= first for copy in copies),
        "UIDNEXT": lambda: state.uidnext,
        "UIDVALIDITY": lambda: state.uidvalidity,
        "UNSEEN": lambda: sum(copy.unread for copy in copies),
        "SIZE": lambda: sum(map(session.desk.readings.size, copies)),
    }
    told = " ".join(f"{item} {values[item]()}" for item in request.items).encode("ascii")
    return Answer([b"* STATUS " + _wired(folder) + b" (" + told + b")"])


async def append(session: Session, command: Command) -> Answer:
    """APPEND."""
    request, office = command.request, session.desk.office
    assert isinstance(request, Append)
    message = None if len(request.raw) < LARGE else await asyncio.to_thread(parse, request.raw)
    async with session.request():
        folder = find(session, request.name, "TRYCREATE")
        flags = stored_flags(request.flags)
        copy = office.append(session.address, folder, request.raw, flags, request.received, message=message)
        uidvalidity = office.mailboxes.state(session.address, folder).uidvalidity
        return Answer(code=f"APPENDUID {uidvalidity} {copy.uid}")


def find(session: Session, name: str, code: str = "NONEXISTENT") -> str:
    """The folder of that name.

    Raises:
        Refused: There is none; `code` says what a client may do about it.
    """
    try:
        return session.desk.office.mailboxes.folder(session.address, name)
    except NotFound as error:
        raise Refused(str(error), code=code) from None


def stored_flags(flags: Iterable[str]) -> list[str]:
    r"""The flags that can be stored; `\Recent`, which only the server sets, is left out.

    Raises:
        Refused: One is no flag.
    """
    return [flag_named(flag) for flag in flags if flag.lower() != "\\recent"]


def _explained(session: Session, error: Refused, name: str) -> Refused:
    """Why a folder cannot be called so, with a code."""
    if error.code is not None:
        return error
    there = [folder.lower() for folder in session.desk.office.mailboxes.folders(session.address)]
    return Refused(str(error), code="ALREADYEXISTS" if name.lower() in there else "CANNOT")


def _above(names: set[str]) -> set[str]:
    """The names above others, which need not be folders themselves."""
    return {name[:at] for name in names for at, letter in enumerate(name) if letter == "/"}


def _attributes(name: str, names: set[str]) -> str:
    inside = any(other.startswith(f"{name}/") for other in names)
    words = [] if name in names else ["\\Noselect"]
    words.append("\\HasChildren" if inside else "\\HasNoChildren")
    return " ".join([*words, *([f"\\{name}"] if name in _USES else [])])


def _subscribed(name: str, names: set[str]) -> str | None:
    return "" if name in names else "\\Noselect"


def _wired(name: str) -> bytes:
    return string(encode_name(name))


HANDLERS: dict[str, Callable[[Session, Command], Answer]] = {
    "CREATE": create,
    "DELETE": delete,
    "EXAMINE": select,
    "LIST": listing,
    "LSUB": listing,
    "RENAME": rename,
    "SELECT": select,
    "STATUS": status,
    "SUBSCRIBE": subscribe,
    "UNSUBSCRIBE": subscribe,
}
