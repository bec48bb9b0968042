"""A session's view of the mailbox it has selected, and the watch that tells views what changes (RFC 3501, 7.3 to 7.4).

The numbers of messages are those of the view: they change only when the client is told. Changes are noted by whoever
makes them, on any thread; the session tells them when it may, without a look at the state.
"""

from __future__ import annotations

import asyncio
import bisect
from collections import deque
from collections.abc import Callable, Iterable

from terrarium.capability.mailbox import SYSTEM, Copy, folder_key, uidvalidity_of
from terrarium.core.rows import Change, Rows

_Note = tuple[int, tuple[str, ...] | None]  # a UID and its flags; None: it is gone


class View:
    """What one client knows of one mailbox.

    Args:
        address: Whose mailbox.
        folder: Which folder.
        uidvalidity: Of the folder.
        read_only: It was opened with EXAMINE.
    """

    def __init__(self, address: str, folder: str, uidvalidity: int, read_only: bool) -> None:
        self.address = address
        self.folder = folder
        self.uidvalidity = uidvalidity
        self.read_only = read_only
        self.uids: list[int] = []
        self.flags: dict[int, tuple[str, ...]] = {}
        self.recent: set[int] = set()
        self.lost = False
        """The folder has been deleted or renamed."""
        self.wake: Callable[[], None] | None = None
        """Called on the loop's own thread soon after a change, where somebody waits for it."""
        self._keywords: dict[str, str] = {}
        self._notes: deque[_Note] = deque()
        self._waiting: dict[int, tuple[str, ...] | None] = {}

    # -- noting ---------------------------------------------------------------------------------------------------

    def note(self, uid: int, flags: tuple[str, ...] | None) -> None:
        """A message came, changed or went. From any thread; touches nothing but a queue."""
        self._notes.append((uid, flags))

    def begin(self, copies: Iterable[Copy]) -> None:
        """Know the messages of a mailbox that has just been opened."""
        for copy in copies:
            self.uids.append(copy.uid)
            self.flags[copy.uid] = copy.flags
            self.learn(copy.flags)

    # -- telling --------------------------------------------------------------------------------------------------

    @property
    def changed(self) -> bool:
        """There may be something to tell."""
        return bool(self._notes or self._waiting)

    @property
    def keywords(self) -> list[str]:
        """The keywords that the client has been told of, sorted."""
        return sorted(self._keywords.values())

    def spelled(self, flag: str) -> str:
        """A flag as it is spelled in this mailbox already: keywords are the same in upper and lower case."""
        return self._keywords.get(flag.lower(), flag)

    def know(self, uid: int, flags: tuple[str, ...]) -> None:
        """The client knows these flags, or does not want to be told."""
        if uid in self.flags:
            self.flags[uid] = flags

    def tell(self, *, expunge: bool, claim: Callable[[int], bool]) -> list[bytes]:
        """What the client has to be told now, as responses without line ends.

        Args:
            expunge: It may be told that messages are gone, so that numbers change.
            claim: Says of a new UID whether it is recent, and that nobody else has been told of it.
        """
        while self._notes:
            uid, flags = self._notes.popleft()
            self._waiting[uid] = flags
        if not self._waiting:
            return []
        told = self._tell_gone() if expunge else []
        fresh = sorted(uid for uid, flags in self._waiting.items() if flags is not None and uid not in self.flags)
        for uid in fresh:
            self.uids.append(uid)
            self.flags[uid] = self._waiting.pop(uid) or ()
            if claim(uid):
                self.recent.add(uid)
        learnt = [self.learn(self.flags[uid]) for uid in fresh]
        changed = [uid for uid, flags in self._waiting.items() if flags is not None]
        shown: list[bytes] = []
        for uid in sorted(changed):
            flags = self._waiting.pop(uid) or ()
            if self.flags[uid] != flags:
                learnt.append(self.learn(flags))
                self.flags[uid] = flags
                shown.append(b"* %d FETCH (UID %d FLAGS %b)" % (self.number(uid), uid, self.shown_flags(uid)))
        if any(learnt):
            told.append(b"* FLAGS " + self.shown_keywords())
        if fresh:
            told += [b"* %d EXISTS" % len(self.uids), b"* %d RECENT" % len(self.recent)]
        return told + shown

    def _tell_gone(self) -> list[bytes]:
        gone = {uid for uid, flags in self._waiting.items() if flags is None}
        for uid in gone:
            del self._waiting[uid]
        gone &= self.flags.keys()
        if not gone:
            return []
        # From the last one down: no number told before is changed by those that follow.
        told = [b"* %d EXPUNGE" % (index + 1) for index, uid in enumerate(self.uids) if uid in gone][::-1]
        self.uids = [uid for uid in self.uids if uid not in gone]
        for uid in gone:
            del self.flags[uid]
            self.recent.discard(uid)
        return told

    def number(self, uid: int) -> int:
        """The number of a message that the client knows."""
        return bisect.bisect_left(self.uids, uid) + 1

    def shown_flags(self, uid: int) -> bytes:
        r"""The flags of a message, with `\Recent`."""
        flags = [*self.flags.get(uid, ()), *(["\\Recent"] if uid in self.recent else [])]
        return b"(" + " ".join(flags).encode("ascii") + b")"

    def shown_keywords(self) -> bytes:
        """All flags that are in use here."""
        return b"(" + " ".join([*SYSTEM, *self.keywords]).encode("ascii") + b")"

    def learn(self, flags: Iterable[str]) -> bool:
        """Whether there is a new keyword among these flags; from now on it is known."""
        fresh = [flag for flag in flags if flag not in SYSTEM and flag.lower() not in self._keywords]
        for flag in fresh:
            self._keywords[flag.lower()] = flag
        return bool(fresh)


class Watch:
    """Tells the views of one mail system what changes.

    It remembers up to which UID somebody was told that a message is new, as RECENT demands. That is forgotten with the
    server, and then everything is new again, as RFC 3501 (2.3.2) has it.

    Args:
        store: The rows that change.
        loop: Where sessions wait.
    """

    def __init__(self, store: Rows, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._views: dict[str, tuple[View, ...]] = {}
        self._told: dict[tuple[str, int], int] = {}
        self._end = store.subscribe(self._changed)

    def close(self) -> None:
        """Watch no longer."""
        self._end()
        self._views.clear()

    def add(self, view: View) -> None:
        """Tell a view what changes from now on."""
        key = folder_key(view.address, view.folder)
        self._views[key] = (*self._views.get(key, ()), view)

    def remove(self, view: View) -> None:
        """Tell a view no longer; idempotent."""
        key = folder_key(view.address, view.folder)
        left = tuple(other for other in self._views.get(key, ()) if other is not view)
        if left:
            self._views[key] = left
        else:
            self._views.pop(key, None)

    def claim(self, view: View, uid: int) -> bool:
        """Whether nobody has been told of a message yet; from now on somebody has, unless the view only reads."""
        if uid < self.first_new(view.address, view.folder, view.uidvalidity):
            return False
        if not view.read_only:
            self._told[folder_key(view.address, view.folder), view.uidvalidity] = uid
        return True

    def first_new(self, address: str, folder: str, uidvalidity: int) -> int:
        """The first UID of a folder that nobody has been told of."""
        return self._told.get((folder_key(address, folder), uidvalidity), 0) + 1

    def _changed(self, change: Change) -> None:
        """On whatever thread the change is made: note it, and wake those who wait."""
        if change.table == "copy":
            folder, _, uid = change.key.rpartition("/")
            flags = None if change.after is None else tuple(change.after["flags"])
            for view in self._views.get(folder, ()):
                if not view.lost:
                    view.note(int(uid), flags)
                    self._wake(view)
        elif change.table == "mailbox" and change.after is not None:
            for views in tuple(self._views.values()):
                for view in views:
                    if view.address == change.key:
                        view.lost |= uidvalidity_of(change.after, view.folder) != view.uidvalidity

    def _wake(self, view: View) -> None:
        if view.wake is not None:
            try:
                self._loop.call_soon_threadsafe(view.wake)
            except RuntimeError:
                pass  # the loop has ended, and the session with it
