"""Mail for a world: every address is a mailbox, agents write from their own, the task program sees them all."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from terrarium.capability.address import Address, header_text, parse_address
from terrarium.capability.letter import compose
from terrarium.capability.mail_account import accounts_of
from terrarium.capability.mail_arrival import Arrivals
from terrarium.capability.mail_face import MailFace
from terrarium.capability.mail_host import MailHost
from terrarium.capability.mail_tools import MailTools
from terrarium.capability.post_office import PostOffice
from terrarium.core.capability import EXTERNAL, Equipment, Site, Traits, reads, writes
from terrarium.core.diff import RowChange
from terrarium.core.errors import NotFound, Unsupported
from terrarium.core.rows import Row
from terrarium.core.tool import Tool
from terrarium.core.values import Value

if TYPE_CHECKING:
    from terrarium.capability.mail_external import ExternalOffice

Addresses = str | list[str]


class Email(MailFace):
    """Mail: every address is a mailbox. Reading through the admin face never sets a flag.

    Configuration:
        accounts (table, default {}): Which address each agent uses, `{"agent": "Ann <ann@corp.example>"}`; two agents
            may share one. An account may be a table with `address`, `password` and `name`; such ones may also be of
            further people. Where one has a password, mail clients have to log in, and send as themselves only. Wins
            over the people of the task.
        domain (text, default "world.example"): Where the address of every other agent is, `<agent>@<domain>`.
        host (text, default "mail.world"): Where its servers are; of an instance, `<instance>.mail.world`.
        smtp_port (port, default 25): Where mail is taken in.
        submission_port (port, default 587): Where people hand in their own.
        imap_port (port, default 143): Where IMAP is spoken.
        pop3_port (port, default 110): Where POP3 is spoken.
        smtps_port (port, default 465): Where people hand in their own, encrypted from the first byte. The ports above
            offer STARTTLS.
        imaps_port (port, default 993): The same of IMAP.
        pop3s_port (port, default 995): The same of POP3.
        storage (size, default "512m"): What the mails that agents send and store may take together, in bytes, or as
            text such as `512m` and `2g`. The task program has no such limit.
        backend (table): A server that is not ours, in place of the emulated one: `imap` and `smtp` (`host:port`), `tls`
            (`tls`, `starttls` or `none`), `user` and `password_env`, the name of the environment variable with the
            password; for several mailboxes `logins`, address to `user` and `password_env`.
        image (anything, ignored): Configurations written for containers have it.

    Shapes:
        mail: `from`, `to`, `cc`, `subject`, `date` (RFC 5322) and `body`, texts; `message_id`, `in_reply_to` (or None),
            `references`; `folder`, `uid`, `flags`, `received` (datetime), `size` (bytes); `by`, who sent it: `task`, an
            agent, or a sandbox. Where they are: `html`, `attachments` (each `filename`, `size`), `headers`, and `bcc`,
            which only the sender's mailbox shows.
    """

    traits: ClassVar[Traits] = Traits()
    peopled: ClassVar[bool] = True
    letters: ClassVar[dict[str, str]] = {"mail": "_carry"}

    async def open(self, site: Site) -> None:
        """Begin, or continue with what the site's folder holds.

        Raises:
            ConfigError: An unknown key, an agent that is not there, an account that is not an address, or a host,
                port or size that cannot be one.
            CapabilityFault: The state cannot be read.
        """
        accounts = accounts_of(site.config, site.agents, site.people)
        self._accounts = accounts.agents
        self._site = site
        self._external: ExternalOffice | None = None
        self._host: MailHost | ExternalOffice
        if "backend" in site.config:
            self._open_external(site)
            return
        store = site.rows()
        self._arrivals = Arrivals(site, accounts, store.blobs)
        self._office = PostOffice(site, store, self._arrivals.arrived)
        self._mailboxes = self._office.mailboxes
        self._host = MailHost(site, self._office, accounts)
        await self._host.open()

    def claims(self, config: Mapping[str, Value]) -> Traits:
        """Less, on a server that is not ours."""
        return EXTERNAL if "backend" in config else self.traits

    def tools(self, agent: str) -> Sequence[Tool]:
        """What the agent may do with the mailbox of its account, and with no other.

        Raises:
            NotFound: There is no such agent.
        """
        tools = MailTools(self._office, self._account(agent)).tools(self._site.name)
        return tools if self._external is None else self._external.threaded(tools)

    def rows(self) -> Iterator[Row]:
        """The state.

        Tables:
            copy: `address/folder/uid`: a mail in a folder, its flags and time of arrival.
            mailbox: `address`: the owner's name, and UIDVALIDITY and next UID of each folder.
            message: The message id: a mail, once for all who have it; never removed.
        """
        return self._office.rows()

    def deeds(self, changes: Sequence[RowChange]) -> list[RowChange]:
        r"""The changes without copies of new mails, new mailboxes, UIDs and the flags of reading and answering."""
        new = {change.key for change in changes if change.table == "message" and change.before is None}
        return [change for change in changes if not _follows(change, new)]

    def equipment(self, agent: str) -> Equipment:
        """Where the agent's person logs in."""
        return Equipment(logins=() if self._external is not None else (str(self.connection_info["imap_host"]).lower(),))

    async def save(self, to: Path) -> None:
        """Copy the state into the folder `to`.

        Raises:
            Unsupported: It is on a server that is not ours.
        """
        if self._external is not None:
            raise Unsupported(f"{self._site.name} is on a server that is not ours: it cannot be saved")
        self._office.store.save(to)

    async def close(self) -> None:
        """Close the servers and the file; idempotent."""
        if hasattr(self, "_host"):
            await self._host.close()
        if hasattr(self, "_office"):
            self._office.store.close()

    # -- sending --------------------------------------------------------------------------------------------------

    @writes(notifies="agents")
    def send(
        self,
        from_addr: str,
        to: Addresses,
        subject: str,
        body: str,
        html: str | None = None,
        cc: Addresses | None = None,
        bcc: Addresses | None = None,
        attachments: list[tuple[str, bytes]] | None = None,
        date: datetime | None = None,
        in_reply_to: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> dict[str, Value]:
        """Send a mail: into the INBOX of every recipient, once each, and the sender's Sent folder.

        Args:
            from_addr: The sender, `ann@corp.example` or `Ann <ann@corp.example>`.
            to: One text of addresses separated by commas, or a list.
            subject: One line.
            body: The text; line ends become LF.
            html: The same as HTML.
            cc: Further recipients.
            bcc: Recipients whom the others do not see.
            attachments: Pairs of filename and bytes.
            date: What the Date header says, in the world's zone; default: now. The time of arrival is always now.
            in_reply_to: The message id that this answers; `References` follow from it.
            headers: Further headers. A `Reply-To` is where answers go.

        Returns:
            `message_id`, `recipients` (addresses) and `agents`, the names of the agents among them.

        Raises:
            Refused: A bad address, a line break in a header, no recipient, over 25 MB, or an argument of a wrong type.
        """
        letter = compose(
            parse_address(from_addr),
            to,
            subject,
            body,
            html=html,
            cc=cc,
            bcc=bcc,
            attachments=attachments,
            date=self._site.clock.in_zone(date),
            in_reply_to=in_reply_to,
            headers=headers,
        )
        posted = self._office.post(letter)
        agents = sorted(agent for agent, account in self._accounts.items() if account.key in posted.recipients)
        return {"message_id": posted.message_id, "recipients": list(posted.recipients), "agents": agents}

    @writes(silent=True)
    def create_mailbox(self, address: str, name: str | None = None) -> str:
        """Make a mailbox before its first mail, or name the owner of one that is there; gives its address.

        An agent's mail says `name` in its From header, unless its account in the configuration has a name.

        Raises:
            Refused: A bad address, or a line break in the name.
        """
        parsed = parse_address(address)
        named = parsed.name or None if name is None else header_text("the name", name).strip()
        self._mailboxes.ensure(parsed.key, named)
        return parsed.key

    # -- accounts -------------------------------------------------------------------------------------------------

    @property
    @reads
    def connection_info(self) -> dict[str, Value]:
        """Where mail clients find the servers."""
        return self._host.connection_info

    @reads
    def address(self, agent: str = "agent") -> str:
        """The address that an agent uses.

        Raises:
            NotFound: There is no such agent.
        """
        return self._account(agent).spec

    # -- inside ---------------------------------------------------------------------------------------------------

    def _open_external(self, site: Site) -> None:
        """Mail on somebody else's server; the libraries for it are loaded here."""
        from terrarium.capability.mail_external import ExternalOffice
        from terrarium.capability.mail_login import server_of

        self.traits = EXTERNAL  # type: ignore[misc]
        self._external = ExternalOffice(site, server_of(site.config["backend"], self._accounts))
        self._office = self._host = self._external
        self._mailboxes = self._office.mailboxes

    def _carry(self, **letter: Value) -> None:
        """Send a letter of another capability, as `send` does."""
        with contextlib.nullcontext() if self._external is not None else self._arrivals.known():
            self.send(**letter)

    def _account(self, agent: str) -> Address:
        try:
            return self._accounts[agent]
        except (KeyError, TypeError):
            raise NotFound(f"there is no agent {agent!r}; the agents are: {', '.join(self._accounts)}") from None


_READING = {"\\Seen", "\\Answered", "$Forwarded"}


def _follows(change: RowChange, new: Collection[str]) -> bool:
    """Whether a change says no more than that one of the `new` mails was sent, or that a mail was read or answered."""
    before, after = change.before, change.after
    if change.table == "mailbox":
        if after is None or before is None:
            return before is None
        return bool(before["name"] == after["name"] and before["folders"].keys() == after["folders"].keys())
    if change.table != "copy" or after is None:
        return False
    if before is None:
        return after["message"] in new
    return {*before["flags"]} ^ {*after["flags"]} <= _READING
