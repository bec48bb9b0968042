"""Commands about the messages of the selected mailbox (RFC 3501, 6.4; RFC 4315, 4731, 5256, 6851)."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Sequence

from terrarium.capability.imap.criteria import All
from terrarium.capability.imap.fetch import fetched
from terrarium.capability.imap.folders import find, stored_flags
from terrarium.capability.imap.request import Command, Expunge, Fetch, Store, Thread, Transfer
from terrarium.capability.imap.request import Search as SearchRequest
from terrarium.capability.imap.scanner import BadCommand
from terrarium.capability.imap.search import Entry, Search
from terrarium.capability.imap.section import Item
from terrarium.capability.imap.sequence import SequenceSet, compact
from terrarium.capability.imap.session import Answer, Session
from terrarium.capability.imap.sort import in_order
from terrarium.capability.imap.thread import by_references, by_subject, told
from terrarium.capability.imap.view import View
from terrarium.capability.mailbox import DELETED, SEEN, Copy
from terrarium.core.errors import Refused

BATCH_BYTES = 128 * 1024  # of an answer that is put together in one go, while the world waits
BATCH_MESSAGES = 100
LARGE = 1024 * 1024  # bytes of a message that is sent only to few at a time
_READ = frozenset({"ENVELOPE", "BODY", "BODYSTRUCTURE"})
_GONE = "some of the messages are gone"


async def fetch(session: Session, command: Command) -> Answer:
    """FETCH: in batches, so that neither the world nor the memory waits for a client that reads slowly."""
    request, view = command.request, session.selected
    assert isinstance(request, Fetch)
    uids = _chosen(view, request.numbers, command.uid)
    items = list(request.items.items)
    if command.uid and Item("UID") not in items:
        items = [Item("UID"), *items]
    seen = request.items.seen and not view.read_only
    heavy = any(item.section is not None or item.name in _READ for item in items)
    gone, waiting = False, deque(uids)
    while waiting:
        async with contextlib.AsyncExitStack() as held:
            if heavy and await _large(session, view, waiting[0]):
                await held.enter_async_context(session.slots)
            pieces: list[bytes] = []
            size = count = 0
            async with session.request():
                while waiting and size < BATCH_BYTES and count < BATCH_MESSAGES:
                    copy = _get(session, view, waiting[0])
                    if count and heavy and copy is not None and session.desk.readings.size(copy) > BATCH_BYTES:
                        break
                    uid, count = waiting.popleft(), count + 1
                    if copy is None:
                        gone = True
                        continue
                    asked = items
                    if seen and copy.unread:
                        copy = session.desk.office.mailboxes.flag(copy, add=[SEEN])
                        asked = [*items, *([] if Item("FLAGS") in items else [Item("FLAGS")])]
                    if Item("FLAGS") in asked:
                        view.know(uid, copy.flags)
                    answer = fetched(copy, view.number(uid), asked, session.desk.readings, view)
                    pieces += [*answer, b"\r\n"]
                    size += sum(map(len, answer))
            await session.send(pieces)
    if gone and not command.uid:
        raise Refused(_GONE, code="EXPUNGEISSUED")
    return Answer()


async def _large(session: Session, view: View, uid: int) -> bool:
    """Whether a message is so large that only a few may be on their way to one caller."""
    async with session.request():
        copy = _get(session, view, uid)
        return copy is not None and session.desk.readings.size(copy) > LARGE


def store(session: Session, command: Command) -> Answer:
    """STORE."""
    request, view = command.request, _writable(session)
    assert isinstance(request, Store)
    flags = [view.spelled(flag) for flag in stored_flags(request.flags)]
    lines, gone = [], False
    for uid in _chosen(view, request.numbers, command.uid):
        copy = _get(session, view, uid)
        if copy is None:
            gone = True
            continue
        removed = [flag for flag in copy.flags if flag not in flags] if request.mode == "replace" else flags
        copy = session.desk.office.mailboxes.flag(
            copy,
            add=flags if request.mode != "remove" else (),
            remove=removed if request.mode != "add" else (),
        )
        view.know(uid, copy.flags)
        if not request.silent:
            shown = (b"UID %d " % uid if command.uid else b"") + b"FLAGS " + view.shown_flags(uid)
            lines.append(b"* %d FETCH (%b)" % (view.number(uid), shown))
    keywords = view.learn(flags)
    lines = [*([b"* FLAGS " + view.shown_keywords()] if keywords else []), *lines]
    if gone and not command.uid:
        return Answer(lines, _GONE, "EXPUNGEISSUED", "NO")
    return Answer(lines)


def transfer(session: Session, command: Command) -> Answer:
    """COPY and MOVE."""
    request, moves = command.request, command.name == "MOVE"
    assert isinstance(request, Transfer)
    view = _writable(session) if moves else session.selected
    folder = find(session, request.name, "TRYCREATE")
    mailboxes = session.desk.office.mailboxes
    copies = [_get(session, view, uid) for uid in _chosen(view, request.numbers, command.uid)]
    found = [copy for copy in copies if copy is not None]
    if len(found) < len(copies) and not command.uid:
        raise Refused(_GONE, code="EXPUNGEISSUED")
    if not moves:
        session.desk.office.quota.check(0, len(found))
    made = []
    for copy in found:
        made.append(mailboxes.put(session.address, folder, copy.message, copy.flags, copy.received))
        if moves:
            mailboxes.remove(copy)
    if not made:
        return Answer(text="nothing to do")
    uidvalidity = mailboxes.state(session.address, folder).uidvalidity
    code = f"COPYUID {uidvalidity} {compact(c.uid for c in found)} {compact(c.uid for c in made)}"
    return Answer([f"* OK [{code}] moved".encode("ascii")]) if moves else Answer(code=code)


def expunge(session: Session, command: Command) -> Answer:
    """EXPUNGE and CLOSE."""
    request = command.request
    mailboxes = session.desk.office.mailboxes
    closing = command.name == "CLOSE"
    if closing and (session.view is None or session.view.lost or session.view.read_only):
        session.close()
        return Answer()
    view = _writable(session)
    copies = [copy for copy in mailboxes.copies(session.address, view.folder) if DELETED in copy.flags]
    if isinstance(request, Expunge) and request.numbers is not None:
        uids = [copy.uid for copy in mailboxes.copies(session.address, view.folder)]
        chosen = {uids[index] for index in request.numbers.pick(uids)}
        copies = [copy for copy in copies if copy.uid in chosen]
    for copy in copies:
        mailboxes.remove(copy)
    if closing:
        session.close()
    return Answer()


def search(session: Session, command: Command) -> Answer:
    """SEARCH and SORT."""
    request, view = command.request, session.selected
    assert isinstance(request, SearchRequest)
    entries = _fitting(session, view, request.criteria)
    if command.name == "SORT":
        entries = in_order(entries, request.keys, session.desk.readings)
    numbers = [entry.copy.uid if command.uid else entry.number for entry in entries]
    if request.returns is None:
        return Answer([" ".join([f"* {command.name}", *map(str, numbers)]).encode("ascii")])
    told = [f'* ESEARCH (TAG "{command.tag}")', *(["UID"] if command.uid else [])]
    if numbers:
        first, last = (numbers[0], numbers[-1]) if command.name == "SORT" else (min(numbers), max(numbers))
        told += [f"MIN {first}"] if "MIN" in request.returns else []
        told += [f"MAX {last}"] if "MAX" in request.returns else []
        told += [f"ALL {compact(numbers)}"] if "ALL" in request.returns else []
    told += [f"COUNT {len(numbers)}"] if "COUNT" in request.returns else []
    return Answer([" ".join(told).encode("ascii")])


def thread(session: Session, command: Command) -> Answer:
    """THREAD."""
    request, view = command.request, session.selected
    assert isinstance(request, Thread)
    entries = _fitting(session, view, request.criteria)
    arranged = (by_references if request.algorithm == "REFERENCES" else by_subject)(entries, session.desk.readings)
    shown = told(arranged, uid=command.uid)
    return Answer([f"* THREAD {shown}".rstrip().encode("ascii")])


def _fitting(session: Session, view: View, criteria: All) -> list[Entry]:
    """The messages that fit, of those that the client knows and that are still there."""
    search = Search(session.desk.readings, view.uids, session.desk.office.site.clock.now)
    numbers = {uid: number for number, uid in enumerate(view.uids, 1)}
    entries = (
        Entry(numbers[copy.uid], copy, copy.uid in view.recent)
        for copy in session.desk.office.mailboxes.copies(session.address, view.folder)
        if copy.uid in numbers
    )
    return search.fitting(criteria, entries)


def _chosen(view: View, numbers: SequenceSet, uid: bool) -> Sequence[int]:
    """The UIDs that a command means.

    Raises:
        BadCommand: It names a number that no message has.
    """
    if uid:
        return [view.uids[index] for index in numbers.pick(view.uids)]
    count = len(view.uids)
    for low, high in map(sorted, numbers.ranges):
        if low > count and not low == 1 < high:  # `1:9` is fine also where there is nothing
            raise BadCommand(f"there is no message {low}: the mailbox has {count}")
    return [view.uids[index] for index in numbers.pick(range(1, count + 1))]


def _get(session: Session, view: View, uid: int) -> Copy | None:
    return session.desk.office.mailboxes.get(session.address, view.folder, uid)


def _writable(session: Session) -> View:
    view = session.selected
    if view.read_only:
        raise Refused("the mailbox was opened with EXAMINE, so nothing in it can be changed", code="READ-ONLY")
    return view


HANDLERS: dict[str, Callable[[Session, Command], Answer]] = {
    "CLOSE": expunge,
    "COPY": transfer,
    "EXPUNGE": expunge,
    "MOVE": transfer,
    "SEARCH": search,
    "SORT": search,
    "STORE": store,
    "THREAD": thread,
}
