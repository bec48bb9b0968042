"""Where somebody else's mail server is and who may log in there: the setting `backend` of `email`."""

from __future__ import annotations

import imaplib
import os
import smtplib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from terrarium.capability.address import Address, parse_address
from terrarium.capability.mail_account import known
from terrarium.core.errors import CapabilityFault, ConfigError, Refused
from terrarium.core.values import Value

Tls = Literal["tls", "starttls", "none"]

TIMEOUT = 30.0  # seconds for one answer of the server

_KEYS = ("imap", "smtp", "tls", "user", "password_env", "logins")
_LOGIN_KEYS = ("user", "password_env")


@dataclass(frozen=True)
class Login:
    """How to get at one mailbox."""

    address: str
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class MailServer:
    """A mail server that is not ours.

    Attributes:
        imap_at: Host and port.
        smtp_at: Host and port.
        tls: From the beginning, after STARTTLS, or never.
        logins: By address in lower case.
    """

    imap_at: tuple[str, int]
    smtp_at: tuple[str, int]
    tls: Tls
    logins: Mapping[str, Login]

    @property
    def connection_info(self) -> dict[str, Value]:
        """Where mail clients find it."""
        (imap, imap_port), (smtp, smtp_port) = self.imap_at, self.smtp_at
        return {"smtp_host": smtp, "smtp_port": smtp_port, "imap_host": imap, "imap_port": imap_port}

    def imap(self, login: Login, timeout: float) -> imaplib.IMAP4:
        """A client that is logged in.

        Raises:
            OSError, imaplib.IMAP4.error: It cannot be reached, or does not let us in.
        """
        host, port = self.imap_at
        if self.tls == "tls":
            client: imaplib.IMAP4 = imaplib.IMAP4_SSL(host, port, ssl_context=_context(), timeout=timeout)
        else:
            client = imaplib.IMAP4(host, port, timeout=timeout)
        try:
            if self.tls == "starttls":
                client.starttls(_context())
            client.login(login.user, login.password)
            told = client.capability()[1][-1]  # often there is more of it after the login
            client.capabilities = tuple((told or b"").decode("ascii", "replace").upper().split())
        except BaseException:
            client.shutdown()
            raise
        return client

    def submit(self, login: Login, recipients: list[str], raw: bytes, timeout: float) -> None:
        """Hand in a message.

        Raises:
            Refused: The server does not take it.
            CapabilityFault: It cannot be reached, or does not let us in.
        """
        host, port = self.smtp_at
        kind = smtplib.SMTP_SSL if self.tls == "tls" else smtplib.SMTP
        try:
            with kind(host, port, timeout=timeout) as client:
                if self.tls == "starttls":
                    client.starttls(context=_context())
                client.ehlo_or_helo_if_needed()
                if client.has_extn("auth"):
                    client.login(login.user, login.password)
                options = ["SMTPUTF8"] if client.has_extn("smtputf8") and not _ascii(recipients) else []
                client.sendmail(login.address, recipients, raw, mail_options=options)
        except smtplib.SMTPRecipientsRefused as error:
            told = "; ".join(f"{who}: {code} {text!r}" for who, (code, text) in sorted(error.recipients.items()))
            raise Refused(f"the mail server takes none of the recipients: {told[:500]}") from None
        except (smtplib.SMTPDataError, smtplib.SMTPSenderRefused) as error:
            raise Refused(f"the mail server does not take the mail: {error.smtp_code} {error.smtp_error!r}") from None
        except (smtplib.SMTPException, OSError) as error:
            raise CapabilityFault(f"SMTP of {login.address} at {host}:{port}: {error}") from None


def server_of(given: object, agents: Mapping[str, Address]) -> MailServer:
    """The setting `backend`; passwords are read from the environment, and stand nowhere else.

    Raises:
        ConfigError: A key or value cannot be that, an agent has no login, or a variable is not set.
    """
    if not isinstance(given, Mapping):
        raise ConfigError('backend must be a table, such as {imap = "host:993", smtp = "host:465", user = "…", …}')
    known("key of backend", given, _KEYS)
    tls = given.get("tls", "tls")
    if tls not in ("tls", "starttls", "none"):
        raise ConfigError(f"backend.tls is 'tls', 'starttls' or 'none', not {str(tls)[:40]!r}")
    named = given.get("logins", {})
    if not isinstance(named, Mapping):
        raise ConfigError("backend.logins must be a table of addresses")
    logins: dict[str, Login] = {}
    for address, table in named.items():
        if not isinstance(table, Mapping):
            raise ConfigError(f"backend.logins: {str(address)[:80]!r} needs a table of user and password_env")
        known(f"key of the login {address!r}", table, _LOGIN_KEYS)
        try:
            key = parse_address(address).key
        except Refused as error:
            raise ConfigError(f"backend.logins: {error}") from None
        logins[key] = _login(key, table)
    if "user" in given or "password_env" in given:
        if len(agents) != 1:
            raise ConfigError("backend.user is for a task of one agent; with several, say it under backend.logins")
        [own] = agents.values()
        logins[own.key] = _login(own.key, given)
    for agent, account in agents.items():
        if account.key not in logins:
            raise ConfigError(f"backend has no login for {account.key}, the address of {agent!r}: add it to logins")
    return MailServer(_place("imap", given), _place("smtp", given), tls, logins)


def _login(address: str, table: Mapping[str, Value]) -> Login:
    user, variable = table.get("user", address), table.get("password_env")
    if not isinstance(user, str) or not isinstance(variable, str) or not variable:
        raise ConfigError(f"the login of {address} needs password_env, the name of the variable with its password")
    password = os.environ.get(variable)
    if not password:
        raise ConfigError(f"the variable {variable}, the password of {address}, is not set")
    return Login(address, user, password)


def _place(key: str, table: Mapping[str, Value]) -> tuple[str, int]:
    host, colon, port = str(table.get(key, "")).rpartition(":")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ConfigError(f"backend.{key} must be 'host:port', not {str(table.get(key))[:80]!r}")
    return host, int(port)


def _context() -> ssl.SSLContext:
    return ssl.create_default_context()


def _ascii(recipients: list[str]) -> bool:
    return all(address.isascii() for address in recipients)
