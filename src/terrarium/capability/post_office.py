"""The post office of a world: it posts letters into mailboxes, shows them, finds them and follows their threads.

Table `message` holds every letter ever posted, under its Message-ID; what mailboxes hold are copies that name it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

from terrarium.capability.address import Address, plain_text
from terrarium.capability.letter import Letter, answering, content, fields_of, message_id, text_of
from terrarium.capability.mailbox import SEEN, Copy, Mailboxes
from terrarium.core.capability import Site
from terrarium.core.errors import NotFound, Refused
from terrarium.core.rows import Fields, Rows
from terrarium.core.values import Value


@dataclass(frozen=True)
class Posted:
    """What became of a letter: its id, the sender's own copy and the mailboxes it went to."""

    message_id: str
    copy: Copy
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


class PostOffice:
    """All the mail of one world.

    Args:
        site: Where it stands.
        store: The rows it is kept in.
    """

    def __init__(self, site: Site, store: Rows) -> None:
        self.site = site
        self.store = store
        self.mailboxes = Mailboxes(site, store)

    def post(self, letter: Letter) -> Posted:
        """Put a letter into the INBOX of every recipient, once each, and into the sender's Sent, as read."""
        id = f"<{self.site.rng.token(f'{self.site.name}/message-id', 16)}@{_domain(letter.sender)}>"
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
        for address in fields["recipients"]:
            self.mailboxes.put(address, "INBOX", id)
        copy = self.mailboxes.put(letter.sender.key, "Sent", id, (SEEN,))
        return Posted(id, copy, fields["recipients"])

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

    def find(self, address: str, id: object, folder: str | None = None) -> Copy:
        """The copy of a letter that `address` has, the one in the INBOX first. Linear in the size of the mailbox.

        Raises:
            NotFound: It has none, or no such folder.
            Refused: `id` is not a message id.
        """
        wanted = message_id(id)
        within = None if folder is None else self.mailboxes.folder(address, folder)
        for copy in self.mailboxes.copies(address, within):
            if copy.message == wanted:
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
            for other in (letter["in_reply_to"] or message, *letter["references"]):
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
        """A search from its arguments, checked.

        Raises:
            Refused: A text is no text, or a moment is not understood.
        """
        return Wanted(
            () if query is None else tuple(plain_text("the query", query).casefold().split()),
            None if from_addr is None else plain_text("from_addr", from_addr).casefold(),
            None if subject is None else plain_text("the subject", subject).casefold(),
            unread,
            _moment(since),
            _moment(before),
            has_attachment,
        )

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


def _moment(value: Value) -> datetime | None:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            pass
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    if value is not None:
        raise Refused(f"{value!r} is not a moment; write for example '2030-01-07' or '2030-01-07T09:30'"[:200])
    return None


def _domain(sender: Address) -> str:
    """The sender's domain as it may stand in a Message-ID, which is ascii."""
    domain = sender.key.rpartition("@")[2]
    return domain if domain.isascii() else domain.encode("punycode").decode("ascii")
