"""Real mail clients against a mail system in this process: its ports are on the machine's own loopback."""

from __future__ import annotations

import contextlib
import imaplib
import poplib
import smtplib
import socket
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from live import Live

from terrarium.capability.email import Email


class LiveMail(Live):
    """An open `Email`, with a sandbox called after each agent."""

    def __init__(
        self,
        folder: Path,
        *,
        seed: int = 7,
        agents: tuple[str, ...] = ("agent",),
        config: Mapping[str, Any] | None = None,
        name: str = "email",
        people: Mapping[str, Any] | None = None,
    ) -> None:
        self.email = Email()
        super().__init__(self.email, folder, name, seed=seed, agents=agents, config=config, people=people)

    def port(self, port: int, agent: str = "agent", host: str = "mail.world") -> int:
        """Where on the machine a port of the mail host is for an agent."""
        return super().port(port, agent, host)

    def connect(self, port: int, agent: str = "agent") -> socket.socket:
        """A plain connection."""
        return socket.create_connection(("127.0.0.1", self.port(port, agent)), timeout=30)

    def say(self, port: int, *words: bytes, agent: str = "agent") -> bytes:
        """Send all of this at once, send no more, and give everything that comes back."""
        with self.connect(port, agent) as connection:
            answer = threading.Thread(target=self._send, args=(connection, b"".join(words)), daemon=True)
            answer.start()
            said = b""
            with contextlib.suppress(ConnectionError):
                while more := connection.recv(65536):
                    said += more
            answer.join()
            return said

    def _send(self, connection: socket.socket, words: bytes) -> None:
        with contextlib.suppress(OSError):
            connection.sendall(words)
            connection.shutdown(socket.SHUT_WR)

    def smtp(self, agent: str = "agent", port: int = 25) -> smtplib.SMTP:
        """A client that sends."""
        return smtplib.SMTP("127.0.0.1", self.port(port, agent), local_hostname="client.world", timeout=30)

    def raw(self, address: str, number: int = 1) -> bytes:
        """A mail as a mail client fetches it."""
        with self.pop3(next(iter(self.boxes)), user=address) as client:
            return b"".join(line + b"\r\n" for line in client.retr(number)[1])

    @contextlib.contextmanager
    def pop3(self, agent: str = "agent", user: str | None = None, password: str = "any") -> Iterator[poplib.POP3]:
        """A client that fetches; it hangs up without a word, unless it says QUIT before."""
        client = poplib.POP3("127.0.0.1", self.port(110, agent), timeout=30)
        try:
            if user is not None:
                client.user(user)
                client.pass_(password)
            yield client
        finally:
            client.close()

    def imap(self, agent: str = "agent") -> imaplib.IMAP4:
        """A client that keeps mail on the server."""
        return imaplib.IMAP4("127.0.0.1", self.port(143, agent), timeout=30)
