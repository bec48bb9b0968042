"""What a mail sets going when it arrives: agents are told, and an invitation or answer in it reaches the calendar.

Such a mail carries an iCalendar object (iMIP, RFC 6047).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from terrarium.capability.letter import readable
from terrarium.capability.mail_account import MailAccounts
from terrarium.capability.mailbox import Copy
from terrarium.core.baton import PROGRAM
from terrarium.core.capability import Site
from terrarium.core.errors import CapabilityFault
from terrarium.core.rows import Fields
from terrarium.core.values import Blobs

RECIPIENTS_LIMIT = 100
"""To how many of its recipients, the first ones, a letter can be an invitation: as many as an event may have."""
SIZE_LIMIT = 256 * 1024
"""Bytes of an iCalendar object that is looked into; one of a thousand guests has about 100 KiB."""


class Arrivals:
    """The arrivals of one mail system.

    Args:
        site: Where it stands: its agents, and whom it hands letters on to.
        accounts: Whose address is whose.
        blobs: Where the files of letters are.
    """

    def __init__(self, site: Site, accounts: MailAccounts, blobs: Blobs) -> None:
        self._site = site
        self._accounts = accounts
        self._blobs = blobs
        self._known = False

    def arrived(self, copy: Copy, letter: Fields) -> None:
        """A copy of a letter has come into an INBOX: tell the agents whose it is, but not the one who wrote it."""
        for agent in self._site.agents:
            if self._accounts.agents[agent].key == copy.address and agent != self._site.actor():
                self._site.notify(agent, f"New mail ({copy.id}) from {letter['from']}: {letter['subject']}")
        first = copy.address in letter["recipients"][:RECIPIENTS_LIMIT]
        message = self._carried(letter) if first and not self._known else None
        sender = self._word_of(letter) if message is not None else None
        if sender is not None:
            with contextlib.suppress(CapabilityFault):  # what means nothing there is a file like any other
                self._site.post("calendar", {"to": copy.address, "message": message, "from_addr": sender})

    @contextlib.contextmanager
    def known(self) -> Iterator[None]:
        """While the calendar itself writes: what arrives now is nothing new to it."""
        self._known = True
        try:
            yield
        finally:
            self._known = False

    def _carried(self, letter: Fields) -> str | None:
        """The iCalendar object in a letter: its first file called `*.ics`, or part of type `text/calendar`.

        Mail programs send the same one twice, as an alternative text and as a file.
        """
        for entry in letter.get("attachments", ()):
            if entry["filename"].lower().endswith(".ics"):
                data = self._blobs.get(entry["blob"]) if entry["size"] <= SIZE_LIMIT else b""
                with contextlib.suppress(UnicodeDecodeError):
                    return data.decode("utf-8-sig") or None
                return None
        return None

    def _word_of(self, letter: Fields) -> str | None:
        """The address, in small letters, whose word a letter is; None where anybody may have written it.

        From and envelope must agree, and the one who acted must be known to speak for that address: the task program
        does for all, an agent for its own, and for those that need a password (SMTP has asked for it).
        """
        sender, by = str(letter["sender"]), letter["by"]
        if not sender or [author.key for author in readable(letter["from"])] != [sender]:
            return None
        own = self._accounts.agents.get(by)
        known = by == PROGRAM or sender in self._accounts.passwords or (own is not None and own.key == sender)
        return sender if known else None
