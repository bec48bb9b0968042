"""The post office of a world: it posts letters into mailboxes, shows them, finds them and follows their threads.

Table `message` holds every letter that ever came, under its Message-ID; what mailboxes hold are copies that name it.
A letter that comes with the Message-ID of another one does not replace it: its key is `<id>/digest`.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo

from terrarium.capability.address import Address, plain_text
from terrarium.capability.letter import Letter, answering, content, fields_of, id_domain, message_id, text_of
from terrarium.capability.mail_quota import MailQuota
from terrarium.capability.mailbox import SEEN, Copy, Mailboxes, flag_named, id_of, ordered
from terrarium.capability.mime import Message, completed, fields_of_message, parse, render
from terrarium.core.capability import Site
from terrarium.core.errors import NotFound, Refused
from terrarium.core.rows import Fields, Row, Rows
from terrarium.core.values import Value


@dataclass(frozen=True)
class Posted:
    """What became of a letter: its id, the sender's own copy and the mailboxes it went to."""

    message_id: str
    copy: Copy | None
    """None where no copy was filed: the letter came from outside."""
    recipients: list[str]


@dataclass(frozen=True)
class Wanted:
    """What a search asks for; None asks for nothing. Texts are compared without case, `words` must all occur."""

    words: tuple[str, ...] = ()
    sender: str | None = None
    subject: str | None = None
    unread: bool | None = None
    since: datetime | None = None
    before: datetime | None = None
    has_attachment: bool | None = None


RENDERED_LIMIT = 4 * 1024 * 1024  # bytes of rendered letters that are remembered


class PostOffice:
    """All the mail of one world.

    Args:
        site: Where it stands.
        store: The rows it is kept in.
        arrived: Told of every copy that comes into somebody's INBOX, with its letter.
    """

    def __init__(
        self, site: Site, store: Rows, arrived: Callable[[Copy, Fields], None] = lambda copy, letter: None
    ) -> None:
        self.site = site
        self._arrived = arrived
        self.store = store
        self.mailboxes = Mailboxes(site, store)
        self.quota = MailQuota(site, store)
        self._rendered = OrderedDict[tuple[str, bool], bytes]()
        self._sizes: dict[tuple[str, bool], int] = {}
        self._remembered = 0

    def rows(self) -> Iterator[Row]:
        """All that there is."""
        return self.store.all()

    # -- letters that come ----------------------------------------------------------------------------------------

    def post(self, letter: Letter) -> Posted:
        """Put a letter into the INBOX of every recipient, once each, and into the sender's Sent, as read.

        Raises:
            Refused: Agents have no room left for it.
        """
        self.quota.check(letter.size, 1 + len(letter.to) + len(letter.cc) + len(letter.bcc))
        id = self._fresh_id(letter.sender)
        references = letter.references
        if letter.in_reply_to is not None:
            references = answering(letter.in_reply_to, self.store.get("message", letter.in_reply_to))
        actor, now = self.site.actor(), self.site.clock.now
        fields = fields_of(
            letter,
            self.store.blobs,
            number=self.store.count("message") + 1,
            by=actor,
            now=now,
            references=references,
        )
        self.store.insert(actor, "message", id, fields)
        self._put_into_inboxes(fields["recipients"], id)
        copy = self.mailboxes.put(letter.sender.key, "Sent", id, (SEEN,))
        return Posted(id, copy, fields["recipients"])

    def receive(
        self,
        sender: Address | None,
        recipients: Sequence[Address],
        raw: bytes,
        *,
        submitted: bool = True,
        message: Message | None = None,
    ) -> Posted:
        """Put a letter that came as bytes (SMTP) into the INBOX of every recipient, once each.

        A letter without Message-ID or Date gets one, in front of what came; nothing else in it is touched. One that is
        submitted is filed in the sender's Sent, as read, like any other mail that is sent here; it takes the place of a
        copy of the same mail that the client has put there itself.

        Args:
            sender: From whom, as the envelope says; None for a bounce.
            recipients: To whom, as the envelope says.
            raw: The message.
            submitted: Whether the sender sent it here; False for mail from outside.
            message: What `parse` makes of `raw`, where that is known already.

        Raises:
            Refused: Agents have no room left for it.
        """
        self.quota.check(len(raw), len(recipients) + submitted)
        message = message or parse(raw)
        id = message.message_id or self._fresh_id(sender or message.author)
        raw = completed(raw, id, self.site.clock.now)
        known = self.store.get("message", id) is not None
        keys = list(dict.fromkeys(address.key for address in recipients))
        author = sender.key if sender is not None else ""
        key = self._written(id, message, raw, author, keys)
        self._put_into_inboxes(keys, key)
        copy = None
        if submitted and author:
            for same in list(self._filed(author, key, sent=False)) if known else ():
                self.mailboxes.remove(same)
            copy = self.mailboxes.put(author, "Sent", key, (SEEN,))
        return Posted(id, copy, keys)

    def _put_into_inboxes(self, addresses: Sequence[str], key: str) -> None:
        for address in addresses:
            copy = self.mailboxes.put(address, "INBOX", key)
            self._arrived(copy, self.letter(copy))

    def append(
        self,
        address: str,
        folder: str,
        raw: bytes,
        flags: Iterable[str] = (),
        received: datetime | None = None,
        *,
        message: Message | None = None,
    ) -> Copy:
        """Put a message into a folder of a mailbox (IMAP APPEND); it is not sent to anybody, and not touched.

        Where the folder is Sent and holds this mail as it was sent, that copy stays the only one and gets the flags.
        `message` is what `parse` makes of `raw`, where that is known already.

        Raises:
            Refused: A flag cannot be one, there are too many, or agents have no room left for it.
        """
        self.quota.check(len(raw), 1)
        message = message or parse(raw)
        named = ordered(map(flag_named, flags))
        id = message.message_id or self._fresh_id(message.author)
        author = message.author.key if message.author is not None else address
        known = self.store.get("message", id) is not None
        key = self._written(id, message, raw, author, [])
        if folder == "Sent" and known:
            for same in self._filed(address, key, sent=True):
                return self.mailboxes.flag(same, add=named)
        return self.mailboxes.put(address, folder, key, named, received)

    # -- letters that are there -----------------------------------------------------------------------------------

    def raw(self, copy: Copy) -> bytes:
        """The letter as a message: the bytes that came, or the same rendering each time; a Bcc for its sender alone."""
        letter = self.letter(copy)
        shown = copy.message, bool(letter["bcc"]) and letter["sender"] == copy.address
        raw = self._rendered.get(shown)
        if raw is None:
            raw = render(copy.message_id, letter, self.store.blobs, bcc=shown[1])
            self._sizes[shown] = len(raw)
            self._rendered[shown] = raw
            self._remembered += len(raw)
            while self._remembered > RENDERED_LIMIT:
                self._remembered -= len(self._rendered.popitem(last=False)[1])
        return raw

    def size(self, copy: Copy) -> int:
        """Bytes of `raw(copy)`; a letter is rendered for it once at most."""
        letter = self.letter(copy)
        if "raw" in letter:
            return int(letter["raw"]["size"])
        shown = copy.message, bool(letter["bcc"]) and letter["sender"] == copy.address
        return self._sizes[shown] if shown in self._sizes else len(self.raw(copy))

    def was_sent(self, copy: Copy) -> bool:
        """Whether its owner sent this letter to somebody, rather than put it there."""
        letter = self.letter(copy)
        return bool(letter["recipients"]) and bool(letter["sender"] == copy.address)

    def letter(self, copy: Copy) -> Fields:
        """The row of the letter that a copy is of."""
        fields = self.store.get("message", copy.message)
        assert fields is not None  # letters are never removed
        return fields

    def content(self, copy: Copy) -> dict[str, Value]:
        """What its owner sees of a copy; the `bcc` only of a letter the owner sent."""
        letter = self.letter(copy)
        parts = content(letter, self.store.blobs)
        if letter["bcc"] and letter["sender"] == copy.address:
            parts["bcc"] = letter["bcc"]
        return parts

    def view(self, copy: Copy) -> dict[str, Value]:
        """What the task program sees of a copy: the shape `mail` of `Email`."""
        letter = self.letter(copy)
        return self.content(copy) | {
            "message_id": copy.message_id,
            "in_reply_to": letter["in_reply_to"],
            "references": list(letter["references"]),
            "folder": copy.folder,
            "uid": copy.uid,
            "flags": list(copy.flags),
            "received": copy.received,
            "size": letter["size"],
            "by": letter["by"],
        }

    def find(self, address: str, id: object, folder: str | None = None) -> Copy:
        """The copy of a letter that `address` has, the one in the INBOX first. Linear in the size of the mailbox.

        Raises:
            NotFound: It has none, or no such folder.
            Refused: `id` is not a message id.
        """
        wanted = message_id(id)
        within = None if folder is None else self.mailboxes.folder(address, folder)
        for copy in self.mailboxes.copies(address, within):
            if copy.message_id == wanted:
                return copy
        raise NotFound(f"{address} has no mail {wanted}" + (f" in {within}" if within else ""))

    def search(self, address: str, wanted: Wanted, folder: str | None = None) -> Iterator[Copy]:
        """The copies that fit, in one folder or in all of them.

        Raises:
            NotFound: There is no such folder.
        """
        within = None if folder is None else self.mailboxes.folder(address, folder)
        return (copy for copy in self.mailboxes.copies(address, within) if self._fits(copy, wanted))

    def thread(self, address: str, id: object) -> list[Copy]:
        """The conversation around a letter, as far as `address` has it, in order of arrival; one copy of each letter.

        Raises:
            NotFound: `address` has no such mail.
            Refused: `id` is not a message id.
        """
        found = self.find(address, id)
        copies: dict[str, Copy] = {}
        for copy in self.mailboxes.copies(address):
            copies.setdefault(copy.message, copy)
        links: dict[str, list[str]] = {}
        for message, copy in copies.items():
            letter = self.letter(copy)
            for other in (id_of(message), letter["in_reply_to"] or message, *letter["references"]):
                links.setdefault(message, []).append(other)
                links.setdefault(other, []).append(message)
        reached, waiting = {found.message}, deque([found.message])
        while waiting:
            for message in links.get(waiting.popleft(), ()):
                if message not in reached:
                    reached.add(message)
                    waiting.append(message)
        return self.by_arrival(copies[message] for message in reached & copies.keys())

    def by_arrival(self, copies: Iterable[Copy], *, newest_first: bool = False) -> list[Copy]:
        """Copies in order of arrival; those of one moment in the order in which their letters were posted."""
        return sorted(copies, key=lambda copy: (copy.received, self.letter(copy)["number"]), reverse=newest_first)

    def wanted(
        self,
        query: Value,
        from_addr: Value,
        subject: Value,
        unread: bool | None,
        since: Value,
        before: Value,
        has_attachment: bool | None,
    ) -> Wanted:
        """A search from its arguments, checked. Moments without an offset are in the world's zone.

        Raises:
            Refused: A text is no text, or a moment is not understood.
        """
        zone = self.site.clock.zone
        return Wanted(
            () if query is None else tuple(plain_text("the query", query).casefold().split()),
            None if from_addr is None else plain_text("from_addr", from_addr).casefold(),
            None if subject is None else plain_text("the subject", subject).casefold(),
            unread,
            _moment(since, zone),
            _moment(before, zone),
            has_attachment,
        )

    def _fresh_id(self, sender: Address | None) -> str:
        while True:
            id = f"<{self.site.rng.token(f'{self.site.name}/message-id', 16)}@{id_domain(sender)}>"
            if self.store.get("message", id) is None:
                return id

    def _written(self, id: str, message: Message, raw: bytes, sender: str, recipients: list[str]) -> str:
        """The key of the letter that these bytes are, written where it is new; the same from the same is one letter."""
        actor, blobs = self.site.actor(), self.store.blobs
        number, now, before = self.store.count("message") + 1, self.site.clock.now, None
        blob = hashlib.sha256(raw).hexdigest()
        for key in (id, f"{id}/{hashlib.sha256(f'{actor} {sender} {blob}'.encode()).hexdigest()[:16]}"):
            before = self.store.get("message", key)
            if before is None:
                break
            if (before["by"], before.get("raw", {}).get("blob")) == (actor, blob) and (
                not recipients or before["sender"] == sender
            ):
                if not recipients:
                    return key
                number, now = before["number"], before["sent"] if before["recipients"] else now
                recipients = list(dict.fromkeys([*before["recipients"], *recipients]))
                break
        fields = fields_of_message(
            message, raw, blobs, number=number, by=actor, now=now, sender=sender, recipients=recipients
        )
        if fields != before:
            self.store.change(actor, "message", key, before, fields)
        return key

    def _filed(self, address: str, message: str, *, sent: bool) -> Iterator[Copy]:
        """The copies in Sent that say the same as a letter, under the same Message-ID, sent from there or not."""
        letter = self._said(message)
        for copy in self.mailboxes.copies(address, "Sent"):
            if (
                copy.message_id == id_of(message)
                and self.was_sent(copy) == sent
                and (copy.message == message or self._said(copy.message) == letter)
            ):
                yield copy

    def _said(self, message: str) -> Mapping[str, Value]:
        fields = self.store.get("message", message) or {}
        return {name: fields.get(name) for name in ("from", "to", "cc", "subject", "body", "html", "attachments")}

    def _fits(self, copy: Copy, wanted: Wanted) -> bool:
        letter = self.letter(copy)
        if wanted.unread is not None and copy.unread != wanted.unread:
            return False
        if wanted.has_attachment is not None and ("attachments" in letter) != wanted.has_attachment:
            return False
        if wanted.since is not None and letter["date"] < wanted.since:
            return False
        if wanted.before is not None and letter["date"] >= wanted.before:
            return False
        if wanted.sender is not None and wanted.sender not in letter["from"].casefold():
            return False
        if wanted.subject is not None and wanted.subject not in letter["subject"].casefold():
            return False
        if not wanted.words:
            return True
        blobs = self.store.blobs
        texts = [letter["from"], letter["to"], letter["cc"], letter["subject"], text_of(letter["body"], blobs)]
        texts += [text_of(letter["html"], blobs)] if "html" in letter else []
        texts += [entry["filename"] for entry in letter.get("attachments", ())]
        text = "\n".join(texts).casefold()
        return all(word in text for word in wanted.words)


def _moment(value: Value, zone: tzinfo) -> datetime | None:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            pass
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=zone, fold=0)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=zone)
    if value is not None:
        raise Refused(f"{value!r} is not a moment; write for example '2030-01-07' or '2030-01-07T09:30'"[:200])
    return None
