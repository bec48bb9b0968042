"""What one agent can do with its mail: tools over its own mailbox and no other."""

from __future__ import annotations

import base64 as base64_codec
import binascii
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from terrarium.capability.address import Address, distinct
from terrarium.capability.letter import Letter, answer_to, answering, attachment, compose, readable
from terrarium.capability.mailbox import ANSWERED, FLAGGED, SEEN, Copy
from terrarium.capability.post_office import PostOffice
from terrarium.core.capability import instance_tool
from terrarium.core.errors import NotFound, Refused
from terrarium.core.rows import Fields
from terrarium.core.tool import Tool
from terrarium.core.values import Value, record

PAGE_LIMIT = 200  # mails in one list

_ID = re.compile(r"(?:(.+)/)?([0-9]{1,10})")
_REPLY = re.compile(r"re\s*:", re.IGNORECASE)
_FORWARD = re.compile(r"fwd?\s*:", re.IGNORECASE)


@record
@dataclass(frozen=True)
class AttachedFile:
    """A file to send: `content` for text, or `base64` for anything else."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    filename: str
    content: str | None = None
    base64: str | None = None


class MailTools:
    """The tools of one agent.

    Args:
        office: The post office of its world.
        account: The address it writes from and the name it goes by.
    """

    def __init__(self, office: PostOffice, account: Address) -> None:
        self._office = office
        self._mailboxes = office.mailboxes
        self._account = account

    def tools(self, site_name: str) -> list[Tool]:
        """The tools, named after the site."""
        looking: dict[str, Callable[..., Value]] = {
            "list": self.list_mail,
            "search": self.search,
            "attachment": self.attachment,
            "folders": self.folders,
        }
        acting: dict[str, Callable[..., Value]] = {
            "read": self.read,
            "send": self.send,
            "reply": self.reply,
            "forward": self.forward,
            "mark": self.mark,
            "move": self.move,
            "delete": self.delete,
        }
        made = [Tool.of(method, instance_tool(site_name, verb), writes=False) for verb, method in looking.items()]
        made += [Tool.of(method, instance_tool(site_name, verb)) for verb, method in acting.items()]
        zone = self._office.site.clock.chosen_zone
        return sorted((tool.in_zone(zone) for tool in made), key=lambda tool: tool.name)

    # -- looking --------------------------------------------------------------------------------------------------

    def list_mail(
        self, folder: str = "INBOX", limit: int = 20, offset: int = 0, unread_only: bool = False
    ) -> dict[str, Value]:
        """List the mails in a folder of your mailbox, newest first.

        Args:
            folder: The folder, for example INBOX, Sent, Archive, Trash.
            limit: How many to list, 1 to 200.
            offset: How many of the newest to skip.
            unread_only: Whether to list only mails you have not read.

        Returns:
            `folder`, how many mails are in it (`total`, `unread`), and `mails`, each `id`, `from`, `to`, `subject`,
            `date`, `unread`, `flagged`, `answered` and `attachments` (names).
        """
        within = self._mailboxes.folder(self._account.key, folder)
        copies = list(self._mailboxes.copies(self._account.key, within))
        unread = [copy for copy in copies if copy.unread]
        shown = self._page(unread if unread_only else copies, limit, offset)
        return {"folder": within, "total": len(copies), "unread": len(unread), "mails": shown}

    def search(
        self,
        query: str = "",
        from_addr: str | None = None,
        subject: str | None = None,
        unread_only: bool = False,
        since: str | None = None,
        before: str | None = None,
        has_attachment: bool | None = None,
        folder: str | None = None,
        limit: int = 20,
        offset: int = 0,
    ) -> dict[str, Value]:
        """Search your mailbox; a mail must fit everything you give. Newest first.

        Args:
            query: Words that must all occur in its addresses, subject, text or names of attachments.
            from_addr: Part of the sender's name or address.
            subject: Part of the subject.
            unread_only: Whether to find only mails you have not read.
            since: Sent at or after this, for example 2030-01-07 or 2030-01-07T09:30 (UTC).
            before: Sent before this.
            has_attachment: Whether it has attachments.
            folder: Only in this folder; default is everywhere.
            limit: How many to list, 1 to 200.
            offset: How many of the newest to skip.

        Returns:
            `total` and `mails`, as a list gives them.
        """
        wanted = self._office.wanted(query, from_addr, subject, unread_only or None, since, before, has_attachment)
        found = list(self._office.search(self._account.key, wanted, folder))
        return {"total": len(found), "mails": self._page(found, limit, offset)}

    def attachment(self, id: str, filename: str) -> dict[str, Value]:
        """Get an attachment of a mail: `content` where it is text in UTF-8, else `base64`.

        Args:
            id: The id of the mail, for example INBOX/12.
            filename: The name of the attachment.

        Returns:
            `filename`, `size` (bytes), and `content` or `base64`.
        """
        data = attachment(self._office.letter(self._find(id)), filename, self._office.store.blobs)
        result: dict[str, Value] = {"filename": filename, "size": len(data)}
        try:
            return result | {"content": data.decode()}
        except UnicodeDecodeError:
            return result | {"base64": base64_codec.b64encode(data).decode()}

    def folders(self) -> list[dict[str, Value]]:
        """List the folders of your mailbox with how many mails and unread mails they hold.

        Returns:
            For each `folder`, `total`, `unread`.
        """
        found: list[dict[str, Value]] = []
        for folder in self._mailboxes.folders(self._account.key):
            copies = list(self._mailboxes.copies(self._account.key, folder))
            found.append({"folder": folder, "total": len(copies), "unread": sum(copy.unread for copy in copies)})
        return found

    def read(self, id: str) -> dict[str, Value]:
        """Read a mail in full and mark it as read.

        Args:
            id: The id of the mail, for example INBOX/12.

        Returns:
            `id`, `from`, `to`, `cc`, `subject`, `date`, `body`, `flagged`, and where there are any `html`,
            `attachments`, `headers`, `bcc`.
        """
        copy = self._mailboxes.flag(self._find(id), add=[SEEN])
        return {"id": copy.id} | self._office.content(copy) | {"flagged": FLAGGED in copy.flags}

    # -- writing --------------------------------------------------------------------------------------------------

    def send(
        self,
        to: list[str],
        subject: str,
        body: str,
        cc: list[str] | None = None,
        bcc: list[str] | None = None,
        attachments: list[AttachedFile] | None = None,
    ) -> dict[str, Value]:
        """Send a mail from your address.

        Args:
            to: The addresses of the recipients.
            subject: The subject, one line.
            body: The text.
            cc: Further recipients.
            bcc: Recipients whom the others do not see.
            attachments: Files to attach, each with filename and either content (text) or base64.

        Returns:
            `id`, of the copy in Sent, and `recipients`.
        """
        return self._post(compose(self._sender(), to, subject, body, cc=cc, bcc=bcc, attachments=_files(attachments)))

    def reply(
        self, id: str, body: str, reply_all: bool = False, attachments: list[AttachedFile] | None = None
    ) -> dict[str, Value]:
        """Answer a mail; the recipients, the subject and the thread follow from it.

        Args:
            id: The id of the mail to answer, for example INBOX/12.
            body: The text of the answer.
            reply_all: Whether everybody who got the mail gets the answer too.
            attachments: Files to attach, each with filename and either content (text) or base64.

        Returns:
            `id`, of the copy in Sent, and `recipients`.
        """
        copy = self._find(id)
        letter = self._office.letter(copy)
        own, everybody = self._account.key, readable(letter["to"])
        to = everybody if letter["sender"] == own else answer_to(letter)
        if reply_all:
            to = distinct([*to, *everybody], besides=[own]) or to
        to = distinct(to)
        kept = [own, *(address.key for address in to)]
        cc = distinct(readable(letter["cc"]), besides=kept) if reply_all else []
        subject = letter["subject"] if _REPLY.match(letter["subject"]) else f"Re: {letter['subject']}"
        answer = compose(
            self._sender(),
            [str(address) for address in to],
            subject,
            body,
            cc=[str(address) for address in cc],
            attachments=_files(attachments),
            in_reply_to=copy.message_id,
        )
        result = self._post(answer)
        self._mailboxes.flag(copy, add=[ANSWERED])
        return result

    def forward(self, id: str, to: list[str], body: str = "") -> dict[str, Value]:
        """Forward a mail with its attachments to others.

        Args:
            id: The id of the mail to forward, for example INBOX/12.
            to: The addresses of the recipients.
            body: Your own text, put before the forwarded one.

        Returns:
            `id`, of the copy in Sent, and `recipients`.
        """
        copy = self._find(id)
        letter, parts, blobs = self._office.letter(copy), self._office.content(copy), self._office.store.blobs
        named = [f"{label}: {parts[part]}" for label, part in _FORWARDED if parts[part]]
        quoted = "\n".join(
            ["---------- Forwarded message ----------", *named, "", parts["body"] or parts.get("html", "")]
        )
        subject = parts["subject"] if _FORWARD.match(parts["subject"]) else f"Fwd: {parts['subject']}"
        forwarded = compose(
            self._sender(),
            to,
            subject,
            f"{body}\n\n{quoted}" if body else quoted,
            attachments=[(entry["filename"], blobs.get(entry["blob"])) for entry in letter.get("attachments", ())],
            references=answering(copy.message_id, letter),
        )
        result = self._post(forwarded)
        self._mailboxes.flag(copy, add=["$Forwarded"])
        return result

    # -- arranging ------------------------------------------------------------------------------------------------

    def mark(self, id: str, seen: bool | None = None, flagged: bool | None = None) -> dict[str, Value]:
        """Mark a mail as read or unread, or set or clear its flag.

        Args:
            id: The id of the mail, for example INBOX/12.
            seen: True for read, False for unread.
            flagged: True to flag it, False to clear the flag.

        Returns:
            The mail, as a list gives it.
        """
        if seen is None and flagged is None:
            raise Refused("say what to mark: give seen, flagged or both")
        wish = {SEEN: seen, FLAGGED: flagged}
        add = [flag for flag, value in wish.items() if value is True]
        remove = [flag for flag, value in wish.items() if value is False]
        return self._summary(self._mailboxes.flag(self._find(id), add, remove))

    def move(self, id: str, folder: str) -> dict[str, Value]:
        """Move a mail into another folder of your mailbox; it gets a new id.

        Args:
            id: The id of the mail, for example INBOX/12.
            folder: The folder to move it into, for example Archive.

        Returns:
            `id`, the new one.
        """
        copy = self._find(id)
        return {"id": self._mailboxes.move(copy, self._mailboxes.folder(self._account.key, folder)).id}

    def delete(self, id: str) -> dict[str, Value]:
        """Delete a mail: it moves to Trash; a mail that is in Trash is removed for good.

        Args:
            id: The id of the mail, for example INBOX/12.

        Returns:
            `id` in Trash, or `removed`: the id it had.
        """
        copy = self._find(id)
        if copy.folder == "Trash":
            self._mailboxes.remove(copy)
            return {"removed": copy.id}
        return {"id": self._mailboxes.move(copy, "Trash").id}

    # -- inside ---------------------------------------------------------------------------------------------------

    def _sender(self) -> Address:
        return Address(self._account.name or self._mailboxes.name(self._account.key), self._account.spec)

    def _post(self, letter: Letter) -> dict[str, Value]:
        posted = self._office.post(letter)
        assert posted.copy is not None
        return {"id": posted.copy.id, "recipients": list(posted.recipients)}

    def _find(self, id: str) -> Copy:
        parts = _ID.fullmatch(id.strip())
        if parts is None:
            raise NotFound(
                f"{id[:80]!r} is not the id of a mail; ids look like 'INBOX/12', lists and searches give them"
            )
        folder = self._mailboxes.folder(self._account.key, parts[1] or "INBOX")
        copy = self._mailboxes.get(self._account.key, folder, int(parts[2]))
        if copy is None:
            raise NotFound(f"there is no mail {folder}/{int(parts[2])} (any more); a mail that moves gets a new id")
        return copy

    def _page(self, copies: Sequence[Copy], limit: int, offset: int) -> list[dict[str, Value]]:
        if not 1 <= limit <= PAGE_LIMIT or offset < 0:
            raise Refused(f"limit must be 1 to {PAGE_LIMIT} and offset 0 or more")
        ordered = self._office.by_arrival(copies, newest_first=True)
        return [self._summary(copy) for copy in ordered[offset : offset + limit]]

    def _summary(self, copy: Copy) -> dict[str, Value]:
        letter: Fields = self._office.letter(copy)
        return {
            "id": copy.id,
            "from": letter["from"],
            "to": letter["to"],
            "subject": letter["subject"],
            "date": letter["date"].isoformat(timespec="seconds"),
            "unread": copy.unread,
            "flagged": FLAGGED in copy.flags,
            "answered": ANSWERED in copy.flags,
            "attachments": [entry["filename"] for entry in letter.get("attachments", ())],
        }


_FORWARDED = (("From", "from"), ("Date", "date"), ("Subject", "subject"), ("To", "to"), ("Cc", "cc"))


def _files(files: Sequence[AttachedFile] | None) -> list[tuple[str, bytes]]:
    found = []
    for file in files or ():
        if (file.content is None) == (file.base64 is None):
            raise Refused(f"attachment {file.filename[:80]!r}: give either content or base64")
        if file.base64 is not None:
            try:
                data = base64_codec.b64decode("".join(file.base64.split()), validate=True)
            except (binascii.Error, ValueError):
                raise Refused(f"attachment {file.filename[:80]!r}: that is not base64") from None
        else:
            data = (file.content or "").encode("utf-8", "replace")
        found.append((file.filename, data))
    return found
