"""A plain IMAP client for tests: says what it is told to say, and gives back every line of the answer."""

from __future__ import annotations

import re
import socket
from types import TracebackType


class Talk:
    """One connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = connection.makefile("rb")
        self._count = 0
        self.greeting = self.line()

    def __enter__(self) -> Talk:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def line(self) -> bytes:
        """One line without its end, with the literals in it."""
        found = self._file.readline()
        if not found.endswith(b"\r\n"):
            raise EOFError(found)
        literal = re.search(rb"\{(\d+)\}\r\n\Z", found)
        if literal is None:
            return found[:-2]
        return found + self._file.read(int(literal[1])) + self.line()

    def say(self, command: str | bytes, *literals: bytes) -> list[bytes]:
        """Everything that is answered, the last line with its tag taken off; each literal is sent when it is wanted."""
        self._count += 1
        tag = f"t{self._count}"
        self.send(tag.encode() + b" " + (command if isinstance(command, bytes) else command.encode()))
        for literal in literals:
            self.send(b" {%d}\r\n" % len(literal))
            begun = self.line()
            if not begun.startswith(b"+"):
                return [begun.removeprefix(tag.encode() + b" ")]
            self.send(literal)
        self.send(b"\r\n")
        return self.answer(tag)

    def answer(self, tag: str) -> list[bytes]:
        """The lines up to the one with a tag, which is taken off."""
        lines = []
        while True:
            line = self.line()
            if line.startswith(tag.encode() + b" "):
                return [*lines, line[len(tag) + 1 :]]
            lines.append(line)

    def ok(self, command: str | bytes, *literals: bytes) -> list[bytes]:
        """The same of a command that must succeed; without the last line."""
        lines = self.say(command, *literals)
        assert lines[-1].startswith(b"OK"), lines
        return lines[:-1]

    def login(self, user: str = "agent@world.example", folder: str = "INBOX") -> Talk:
        self.ok(f"LOGIN {user} any")
        if folder:
            self.ok(f'SELECT "{folder}"')
        return self


def code(lines: list[bytes]) -> str:
    """The status and the code of an answer: `NO NONEXISTENT`."""
    found = re.match(rb"(OK|NO|BAD) (?:\[([A-Z-]+))?", lines[-1])
    assert found is not None
    return (found[1] + b" " + (found[2] or b"")).decode().strip()


def listed(talk: Talk, command: str) -> dict[str, str]:
    """Names and attributes."""
    found = {}
    for line in talk.ok(command):
        parts = re.fullmatch(rb'\* (?:LIST|LSUB) \((.*)\) "/" "(.*)"', line)
        assert parts is not None
        found[parts[2].decode()] = parts[1].decode()
    return found


def number(lines: list[bytes], word: str) -> int:
    found = re.search(rf"{word} (\d+)".encode(), b"\n".join(lines))
    assert found is not None
    return int(found[1])
