"""What a command of the memory sandbox sees: its words, its streams and the files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from terrarium.core.errors import NotFound, Refused
from terrarium.sandbox.tinyshell.tree import HOME, REASONS, Kind, Tree, WorkSpent, fault, parent, resolve

STREAM_LIMIT = 16 * 1024 * 1024  # bytes of one output stream or pipe
LINE_WORK = 16  # what looking at a line costs on top of its bytes
NULL = "/dev/null"

Options = Mapping[str, str]


class Fault(Exception):
    """Ends a command with a message and an exit code; never leaves the sandbox."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


class Stream:
    """Bytes that a command has written."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes) -> None:
        """Add bytes.

        Raises:
            WorkSpent: It would hold more than 16 MiB.
        """
        if len(self.data) + len(data) > STREAM_LIMIT:
            raise WorkSpent
        self.data += data


@dataclass
class Session:
    """What the commands of one line share."""

    tree: Tree
    cwd: str
    env: dict[str, str]
    status: int = 0
    truncated: set[str] = field(default_factory=set)
    """Files that the present pipeline writes anew: empty, to those who read them in it."""

    def value(self, name: str) -> str:
        """The value of a variable; `?` is the exit code of the pipeline before."""
        return str(self.status) if name == "?" else self.env.get(name, "")


@dataclass
class Process:
    """One command that runs."""

    name: str
    session: Session
    stdin: bytes
    out: Stream
    err: Stream
    status: int = 0

    @property
    def tree(self) -> Tree:
        """The files."""
        return self.session.tree

    def path(self, word: str) -> str:
        """The absolute path of a word.

        Raises:
            Refused: It is no path.
        """
        if not word:
            raise fault("ENOENT", "''")
        return resolve(word, self.session.cwd)

    def kind(self, word: str) -> Kind | None:
        """Whether there is a file or a folder at the path of a word."""
        return self.tree.kind(self.path(word))

    def read(self, word: str) -> bytes:
        """The content of a file; `-` is the standard input.

        Raises:
            NotFound, Refused: It cannot be read.
        """
        if word == "-":
            self.tree.spend(len(self.stdin))
            return self.stdin
        path = self.path(word)
        if path == NULL:
            return b""
        return b"" if path in self.session.truncated else self.tree.read(path)

    def write(self, word: str, data: bytes, *, append: bool = False) -> None:
        """Write a file whose folder is there.

        Raises:
            NotFound, Refused: It cannot be written.
        """
        path = self.path(word)
        if path == NULL:
            return
        self.need_folder(path)
        self.tree.spend(len(data))
        old = self.tree.read(path) if append and self.tree.kind(path) == "file" else b""
        self.tree.write(path, old + data)

    def need_folder(self, path: str) -> None:
        """Check that an absolute path could be made.

        Raises:
            NotFound: Its folder is not there.
        """
        if self.tree.kind(parent(path)) is None:
            raise fault("ENOENT", path)

    def inputs(self, words: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """(word, content) of every file named, or of the standard input; files that cannot be read are reported."""
        for word in words or ["-"]:
            data: bytes | None = None
            with self.tolerate(word):
                data = self.read(word)
            if data is not None:
                yield word, data

    def texts(self, words: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
        """(word, lines without their newlines) like `inputs`; bytes that are not UTF-8 come back unharmed."""
        for word, data in self.inputs(words):
            yield word, self.lines(data)

    def lines(self, data: bytes) -> list[str]:
        """The lines of a text; a last one without newline counts."""
        self.tree.spend(LINE_WORK * data.count(b"\n"))
        lines = data.decode("utf-8", "surrogateescape").split("\n")
        return lines if lines[-1] else lines[:-1]

    def say(self, text: str) -> None:
        """Write to the standard output."""
        self.out.write(text.encode("utf-8", "surrogateescape"))

    def complain(self, text: str, status: int = 1) -> None:
        """Write a message to the standard error, and fail in the end."""
        self.err.write(f"{self.name}: {text}\n".encode("utf-8", "surrogateescape"))
        self.status = max(self.status, status)

    @contextmanager
    def tolerate(self, word: str) -> Iterator[None]:
        """Report what goes wrong with one word, and go on."""
        try:
            yield
        except (NotFound, Refused) as error:
            self.complain(f"{word}: {reason(error)}")


def reason(error: NotFound | Refused) -> str:
    """Why a file operation failed, as a Unix command says it."""
    return REASONS.get(error.code or "", str(error)) if error.code != "EINVAL" else str(error)


Run = Callable[[Process, Options, list[str]], int]


@dataclass(frozen=True)
class Builtin:
    """A command: what runs, and its options: single letters, `values` those with a value."""

    run: Run
    flags: str
    values: str
    raw: bool
    counts: bool

    def __call__(self, process: Process, words: Sequence[str]) -> int:
        """Run it; the exit code."""
        options, rest = ({}, list(words)) if self.raw else self._options(words)
        return max(self.run(process, options, rest), process.status)

    def _options(self, words: Sequence[str]) -> tuple[dict[str, str], list[str]]:
        options: dict[str, str] = {}
        rest: list[str] = []
        pending = list(reversed(words))
        while pending:
            word = pending.pop()
            if word == "--":
                rest.extend(reversed(pending))
                break
            if len(word) < 2 or not word.startswith("-"):
                rest.append(word)
                continue
            if self.counts and word[1:].isdecimal():
                options["n"] = word[1:]
                continue
            letters = word[1:]
            while letters:
                letter, letters = letters[0], letters[1:]
                if letter in self.values:
                    if not letters and not pending:
                        raise Fault(f"option -{letter} needs a value", 2)
                    value = letters or pending.pop()
                    # A repeated option, as in `grep -e a -e b`, keeps all of its values, a line each.
                    options[letter] = f"{options[letter]}\n{value}" if letter == "e" and "e" in options else value
                    break
                if letter not in self.flags:
                    known = " ".join(f"-{known}" for known in self.flags + self.values) or "no options"
                    raise Fault(f"unknown option {word!r}; in the memory sandbox it knows: {known}", 2)
                options[letter] = ""
        return options, rest


COMMANDS: dict[str, Builtin] = {}


def command(
    name: str, flags: str = "", values: str = "", *, raw: bool = False, counts: bool = False
) -> Callable[[Run], Run]:
    """Register a command.

    Args:
        name: As it is called.
        flags: Letters of its options without a value.
        values: Letters of its options with one.
        raw: It reads its words itself.
        counts: `-5` stands for `-n 5`.
    """

    def register(run: Run) -> Run:
        COMMANDS[name] = Builtin(run, flags, values, raw, counts)
        return run

    return register


def home(env: Mapping[str, str]) -> str:
    """Where `~` and `cd` lead."""
    return env.get("HOME") or HOME
