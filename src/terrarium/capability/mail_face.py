"""The part of the task program's face that is about what lies in mailboxes."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from terrarium.capability.address import parse_address
from terrarium.capability.letter import attachment
from terrarium.capability.mailbox import Copy, Mailboxes
from terrarium.capability.post_office import PostOffice
from terrarium.core.capability import reads, writes
from terrarium.core.errors import NotFound, Refused
from terrarium.core.values import Value


class MailFace:
    """What `Email` offers for mailboxes, folders and the mails in them."""

    _office: PostOffice
    _mailboxes: Mailboxes

    # -- looking --------------------------------------------------------------------------------------------------

    @reads
    def mailboxes(self) -> list[str]:
        """The addresses that have a mailbox, sorted."""
        return self._mailboxes.addresses()

    @reads
    def count_inbox(self, address: str) -> int:
        """How many mails are in the INBOX of `address`; 0 where it has no mailbox.

        Raises:
            Refused: `address` is not one.
        """
        return self._mailboxes.count(_key(address), "INBOX")

    @reads
    def list_inbox(self, address: str) -> list[dict[str, Value]]:
        """The mails in the INBOX of `address`, each a `mail`, oldest first.

        Raises:
            Refused: `address` is not one.
        """
        return self._views(self._mailboxes.copies(_key(address), "INBOX"))

    @reads
    def get_message(self, address: str, index: int) -> dict[str, Value]:
        """The mail at `index` of `list_inbox(address)`, counted from 0.

        Raises:
            NotFound: `index` is negative or past the end.
            Refused: `address` is not one, or `index` not a whole number.
        """
        return self._office.view(self._at(address, index))

    @reads
    def list_folder(self, address: str, folder: str) -> list[dict[str, Value]]:
        """The mails in a folder of `address`, in the order in which they came there.

        Raises:
            NotFound: There is no such folder.
            Refused: `address` is not one.
        """
        key = _key(address)
        return self._views(self._mailboxes.copies(key, self._mailboxes.folder(key, folder)))

    @reads
    def folders(self, address: str) -> list[str]:
        """The names of the folders of `address`; none where it has no mailbox.

        Raises:
            Refused: `address` is not one.
        """
        key = _key(address)
        return self._mailboxes.folders(key) if self._mailboxes.exists(key) else []

    @reads
    def sent(self, address: str) -> list[dict[str, Value]]:
        """The mails in the Sent folder of `address` that it sent, with whatever client, oldest first.

        Raises:
            Refused: `address` is not one.
        """
        copies = self._mailboxes.copies(_key(address), "Sent")
        return self._views(copy for copy in copies if self._office.was_sent(copy))

    @reads
    def lost(self, address: str) -> list[str]:
        """The message ids of the mails that came to `address` and are in none of its folders any more, oldest first.

        Raises:
            Refused: `address` is not one.
        """
        return self._mailboxes.lost(_key(address))

    @reads
    def search(
        self,
        address: str,
        query: str | None = None,
        from_addr: str | None = None,
        subject: str | None = None,
        unread: bool | None = None,
        since: Value = None,
        before: Value = None,
        has_attachment: bool | None = None,
        folder: str | None = None,
    ) -> list[dict[str, Value]]:
        """The mails of `address` that fit every argument given, oldest first.

        Args:
            address: Whose mailbox.
            query: Words that must all occur in addresses, subject, texts or names of attachments; case is ignored.
            from_addr: Part of the From header.
            subject: Part of the subject.
            unread: True: only unread ones; False: only read ones.
            since: Date header at or after this datetime, date or ISO text.
            before: Date header before this.
            has_attachment: Whether it has any.
            folder: Only there; default: in all folders.

        Raises:
            NotFound: There is no such folder.
            Refused: `address` is not one, or a moment is not understood.
        """
        wanted = self._office.wanted(query, from_addr, subject, unread, since, before, has_attachment)
        return self._views(self._office.by_arrival(self._office.search(_key(address), wanted, folder)))

    @reads
    def thread(self, address: str, message_id: str) -> list[dict[str, Value]]:
        """The conversation around a mail, as far as `address` has it in any folder, in order of arrival.

        Raises:
            NotFound: `address` has no such mail.
            Refused: `address` or `message_id` is not one.
        """
        return self._views(self._office.thread(_key(address), message_id))

    @reads
    def attachment(self, address: str, message_id: str, filename: str) -> bytes:
        """The bytes of an attachment; of the first one where several have that name.

        Raises:
            NotFound: There is no such mail or attachment.
            Refused: `address` or `message_id` is not one.
        """
        copy = self._office.find(_key(address), message_id)
        return attachment(self._office.letter(copy), filename, self._office.store.blobs)

    @reads
    def flags(self, address: str, message_id: str, folder: str | None = None) -> list[str]:
        r"""The flags of a mail (`\Seen`, `\Answered`, `\Flagged`, `\Deleted`, `\Draft`, keywords), sorted.

        Where the mail lies in several folders and none is named, it is the one in the INBOX.

        Raises:
            NotFound: There is no such mail or folder.
            Refused: `address` or `message_id` is not one.
        """
        return list(self._office.find(_key(address), message_id, folder).flags)

    # -- arranging ------------------------------------------------------------------------------------------------

    @writes(silent=True)
    def set_flags(
        self,
        address: str,
        message_id: str,
        add: list[str] | None = None,
        remove: list[str] | None = None,
        folder: str | None = None,
    ) -> list[str]:
        """Set and clear flags of a mail and return all that are set.

        Raises:
            NotFound: There is no such mail or folder.
            Refused: `address` or `message_id` is not one, or a flag cannot be one.
        """
        copy = self._office.find(_key(address), message_id, folder)
        return list(self._mailboxes.flag(copy, _flags(add), _flags(remove)).flags)

    @writes(silent=True)
    def create_folder(self, address: str, folder: str) -> str:
        """Make a folder in the mailbox of `address` and return its name; `a/b` is a folder in a folder.

        Raises:
            Refused: `address` is not one, or the name is taken or cannot be one.
        """
        return self._mailboxes.create_folder(_key(address), folder)

    @writes(silent=True)
    def move(self, address: str, message_id: str, folder: str) -> dict[str, Value]:
        """Move a mail into another folder; gives its `folder` and new `uid`.

        Raises:
            NotFound: There is no such mail or folder.
            Refused: `address` or `message_id` is not one.
        """
        copy = self._office.find(_key(address), message_id)
        moved = self._mailboxes.move(copy, self._mailboxes.folder(copy.address, folder))
        return {"folder": moved.folder, "uid": moved.uid}

    @writes(silent=True)
    def delete_message(self, address: str, index: int) -> None:
        """Remove the mail at `index` of `list_inbox(address)` for good.

        Raises:
            NotFound: `index` is negative or past the end.
            Refused: `address` is not one, or `index` not a whole number.
        """
        self._mailboxes.remove(self._at(address, index))

    # -- inside ---------------------------------------------------------------------------------------------------

    def _at(self, address: str, index: int) -> Copy:
        if type(index) is not int:
            raise Refused(f"the index must be a whole number, not {index!r}")
        count = self.count_inbox(address)
        if not 0 <= index < count:
            raise NotFound(f"the INBOX of {address} has {count} mails; there is none at {index}")
        return next(islice(self._mailboxes.copies(_key(address), "INBOX"), index, None))

    def _views(self, copies: Iterable[Copy]) -> list[dict[str, Value]]:
        return [self._office.view(copy) for copy in copies]


def _key(address: object) -> str:
    return parse_address(address).key


def _flags(flags: object) -> list[str]:
    """Flags as somebody gave them; None is none.

    Raises:
        Refused: They are not in a list.
    """
    if flags is None:
        return []
    if not isinstance(flags, (list, tuple)):
        raise Refused("flags must be a list, such as ['\\\\Seen']")
    return list(flags)
