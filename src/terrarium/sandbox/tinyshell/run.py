"""Runs a line: words become fields, pipelines run command by command, streams go where they are sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from terrarium.core.errors import NotFound, Refused
from terrarium.sandbox.tinyshell import file_commands, text_commands  # noqa: F401  importing them fills COMMANDS
from terrarium.sandbox.tinyshell.patterns import BadPattern, Wild, wild_match
from terrarium.sandbox.tinyshell.process import (
    COMMANDS,
    NULL,
    Fault,
    Process,
    Session,
    Stream,
    home,
    reason,
)
from terrarium.sandbox.tinyshell.tree import Tree, WorkSpent, under
from terrarium.sandbox.tinyshell.words import BadLine, Command, Pipeline, Word, parse

WORK_LIMIT = 64 * 1024 * 1024  # bytes and entries looked at by one line
ARGUMENTS_LIMIT = 2 * 1024 * 1024  # characters
_COMMAND_WORK = 1024  # what every command costs, so that a long line of nothing ends too


def run_line(
    tree: Tree, command: str | Sequence[str], cwd: str, env: Mapping[str, str], stdin: bytes
) -> tuple[int, bytes, bytes]:
    """Run a line of text, or one command given as a list; (exit code, standard output, standard error)."""
    session = Session(tree, cwd, dict(env))
    out, err = Stream(), Stream()
    tree.budget = WORK_LIMIT
    try:
        if isinstance(command, str):
            _run_pipelines(session, parse(command), stdin, out, err)
        else:
            session.status = _start(session, list(command), stdin, out, err)
    except BadLine as error:
        err.data += f"memory sandbox: {error}\n".encode()
        session.status = 2
    except WorkSpent:
        err.data += b"memory sandbox: stopped: one line may read about 64 MiB or 2 million lines and write 16 MiB\n"
        session.status = 124
    finally:
        tree.budget = None
    return session.status, bytes(out.data), bytes(err.data)


def _run_pipelines(session: Session, pipelines: list[Pipeline], stdin: bytes, out: Stream, err: Stream) -> None:
    for pipeline in pipelines:
        if (pipeline.when == "&&" and session.status) or (pipeline.when == "||" and not session.status):
            continue
        cwd = session.cwd
        session.truncated = set()
        data = stdin
        last = len(pipeline.commands) - 1
        status = 0
        for position, command in enumerate(pipeline.commands):
            pipe = out if position == last else Stream()
            status = _run_command(session, command, data, pipe, err)
            data = bytes(pipe.data) if position < last else b""
            if last:
                session.cwd = cwd  # the commands of a pipeline are in subshells
        session.status = status


def _run_command(session: Session, command: Command, stdin: bytes, out: Stream, err: Stream) -> int:
    shell = Process("memory sandbox", session, stdin, out, err)
    streams = {1: out, 2: err}
    files: list[tuple[Stream, str, bool]] = []
    words: list[str] = []
    try:
        room = ARGUMENTS_LIMIT
        for word in command.words:
            fields = _fields(session, word, room)
            room -= sum(len(field) + 1 for field in fields)
            words.extend(fields)
        for redirect in command.redirects:
            if isinstance(redirect.target, int):
                streams[redirect.stream] = streams[redirect.target]
                continue
            names = _fields(session, redirect.target, ARGUMENTS_LIMIT)
            if len(names) != 1:
                raise Fault("a redirection needs exactly one file")
            try:
                if redirect.stream == 0:
                    stdin = shell.read(names[0])
                    continue
                path = shell.path(names[0])
                if path != NULL:
                    shell.need_folder(path)
                    session.tree.writable(path)
            except (NotFound, Refused) as error:
                raise Fault(f"{names[0]}: {reason(error)}") from None
            if not redirect.append:
                session.truncated.add(path)
            streams[redirect.stream] = Stream()
            files.append((streams[redirect.stream], path, redirect.append))
    except Fault as error:
        shell.complain(str(error))
        return error.code
    try:
        status = _start(session, words, stdin, streams[1], streams[2]) if words else 0
    finally:
        for stream, path, append in files:
            session.truncated.discard(path)
            with shell.tolerate(path):
                shell.write(path, bytes(stream.data), append=append)
    return max(status, shell.status)


def _start(session: Session, words: list[str], stdin: bytes, out: Stream, err: Stream) -> int:
    process = Process(words[0], session, stdin, out, err)
    found = COMMANDS.get(words[0].rpartition("/")[2] if words[0].startswith(("/bin/", "/usr/bin/")) else words[0])
    session.tree.spend(_COMMAND_WORK)
    if found is None:
        process.complain(f"command not found; the memory sandbox knows: {' '.join(sorted(COMMANDS))}")
        return 127
    try:
        return found(process, words[1:])
    except Fault as error:
        process.complain(str(error))
        return error.code
    except BadPattern as error:
        process.complain(str(error))
        return 2
    except (NotFound, Refused) as error:
        process.complain(str(error))
        return 1


def _fields(session: Session, word: Word, room: int) -> list[str]:
    """The fields of a word: variables put in, unquoted ones split at spaces, wildcards expanded.

    Raises:
        Fault: They have more than `room` characters.
    """
    fields: list[Wild] = []
    current: list[tuple[str, bool]] | None = None
    size = 0
    for position, piece in enumerate(word):
        text = session.value(piece.text) if piece.variable else piece.text
        if position == 0 and not piece.quoted and not piece.variable and (text == "~" or text.startswith("~/")):
            text = (home(session.env) if len(text) > 1 or len(word) == 1 else "~") + text[1:]
        size += len(text)
        if size > room:
            raise Fault("argument list too long", 126)
        if not piece.variable or piece.quoted:
            current = current or []
            current.extend((char, char in "*?" and not piece.quoted) for char in text)
            continue
        for char in text:
            if char not in " \t\n":
                current = current or []
                current.append((char, char in "*?"))
            elif current is not None:
                fields.append(current)
                current = None
    if current is not None:
        fields.append(current)
    found: list[str] = []
    for pattern in fields:
        paths = _expand(session, pattern)
        room -= sum(len(path) + 1 for path in paths)
        if room < 0:
            raise Fault("argument list too long", 126)
        found.extend(paths)
    return found


def _expand(session: Session, pattern: Wild) -> list[str]:
    """The paths that a field with wildcards stands for, sorted; the field itself where there are none."""
    plain = "".join(char for char, _ in pattern)
    if not any(active for _, active in pattern):
        return [plain]
    parts: list[list[tuple[str, bool]]] = [[]]
    for item in pattern:
        if item[0] == "/":
            parts.append([])
        else:
            parts[-1].append(item)
    found = [("", session.cwd)]
    if not parts[0]:
        found, parts = [("/", "/")], parts[1:]
    for depth, part in enumerate(parts):
        last = depth == len(parts) - 1
        found = [pair for shown, path in found for pair in _matches(session, shown, path, part, last)]
    return [shown for shown, _ in found] or [plain]


def _matches(session: Session, shown: str, path: str, part: Wild, last: bool) -> list[tuple[str, str]]:
    """What one component of a pattern stands for in one folder: (as it is shown, absolute path) of each."""
    tree = session.tree
    end = "" if last else "/"
    text = "".join(char for char, _ in part)
    if not any(active for _, active in part):
        if text in ("", ".", ".."):
            above = path.rpartition("/")[0] or "/"
            return [(shown + text + end, above if text == ".." else path)]
        inner = under(path) + text
        kind = tree.kind(inner)
        return [(shown + text + end, inner)] if kind == "dir" or (kind and last) else []
    matches: list[tuple[str, str]] = []
    for name in tree.names(path) if tree.kind(path) == "dir" else ():
        bare = name.rstrip("/")
        if bare.startswith(".") and not text.startswith("."):
            continue
        tree.spend(8 * len(part))
        if (last or name.endswith("/")) and wild_match(part, bare):
            matches.append((shown + bare + end, under(path) + bare))
    return matches
