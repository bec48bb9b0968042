"""Text to pipelines: the grammar of the memory sandbox's shell.

    line      = pipeline ((";" | newline | "&&" | "||") pipeline)*
    pipeline  = command ("|" command)*
    command   = (word | redirect)+
    redirect  = ["1" | "2"] (">" | ">>") word | "<" word | "2>&1" | "1>&2" | ">&2"

Words may hold quotes, backslashes, `$NAME`, `${NAME}` and `$?`. Everything else that a real shell knows is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

COMMAND_LIMIT = 256 * 1024  # characters

# fmt: off
_RESERVED = frozenset({
    "if", "then", "elif", "else", "fi", "for", "while", "until", "do", "done", "case", "esac", "function", "select",
    "time", "{", "}", "!", "[[", "export", "set", "source", ".", "exec", "eval", "local", "read", "exit", "return",
    "trap", "unset", "alias",
})
# fmt: on
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*|\?))")
_OPERATOR = re.compile(r"&&|\|\||>>|>&[12]|[;|<>\n]")
_REFUSED = {
    "$(": "command substitution $(...)",
    "`": "command substitution with backticks",
    "$": "this use of $",
    "(": "subshells and functions",
    ")": "subshells and functions",
    "&>": "&>",
    "&": "background commands",
    "|&": "|&",
    "<<": "here-documents (write files with the file tools, echo or printf)",
    "<(": "process substitution",
    ">(": "process substitution",
    "<>": "<>",
    "<&": "<&",
    ">|": ">|",
    ">&": "this use of >&",
}


class BadLine(Exception):
    """A line that the shell does not understand; never leaves the sandbox."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a word: plain text, or the name of a variable."""

    text: str
    quoted: bool
    variable: bool = False


Word = tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Redirect:
    """Where a stream goes: `stream` 0, 1 or 2; `target` a word, or the number of another stream."""

    stream: int
    append: bool
    target: Word | int


@dataclass
class Command:
    """One command of a pipeline."""

    words: list[Word] = field(default_factory=list)
    redirects: list[Redirect] = field(default_factory=list)


@dataclass
class Pipeline:
    """Commands, each reading what the one before wrote; `when` says how it hangs on the pipeline before it."""

    when: str
    commands: list[Command]


def parse(line: str) -> list[Pipeline]:
    """The pipelines of a line.

    Raises:
        BadLine: It is not in the grammar, or over 256 KiB.
    """
    if len(line) > COMMAND_LIMIT:
        raise BadLine("the command is longer than 256 KiB")
    pipelines: list[Pipeline] = []
    when, expected = ";", False
    commands = [Command()]
    tokens = [*_tokens(line), ";"]
    at = 0
    while at < len(tokens):
        token = tokens[at]
        at += 1
        command = commands[-1]
        if isinstance(token, tuple):
            _check_word(command, token)
            command.words.append(token)
        elif token[-1] in "<>" or ">&" in token:
            target = tokens[at] if at < len(tokens) else ";"
            at += ">&" not in token
            command.redirects.append(_redirect(token, target))
        elif not command.words and not command.redirects:
            if token != "\n" and (token != ";" or expected or len(commands) > 1):
                raise BadLine(f"syntax error near {'end of line' if at == len(tokens) else token!r}")
        elif token == "|":
            commands.append(Command())
        else:
            pipelines.append(Pipeline(when, commands))
            when, expected = token, token in ("&&", "||")
            commands = [Command()]
    return pipelines


def _check_word(command: Command, word: Word) -> None:
    if command.words or not word or word[0].quoted or word[0].variable:
        return
    text = word[0].text
    if text in _RESERVED and len(word) == 1:
        raise BadLine(f"not supported by the memory sandbox: {text!r} (it has no loops, conditions or scripts)")
    if re.match(r"[A-Za-z_][A-Za-z0-9_]*=", text):
        raise BadLine(f"not supported by the memory sandbox: assignments such as {text[:40]!r}")


def _redirect(token: str, target: Word | str) -> Redirect:
    stream = int(token[0]) if token[0] in "12" else 0 if token.endswith("<") else 1
    if ">&" in token:
        return Redirect(stream, False, int(token[-1]))
    if not isinstance(target, tuple):
        raise BadLine(f"syntax error: {token!r} needs a file")
    return Redirect(stream, token.endswith(">>"), target)


def _tokens(line: str) -> list[Word | str]:
    """Words as tuples of pieces, operators as text."""
    tokens: list[Word | str] = []
    at = 0
    while at < len(line):
        char = line[at]
        if char in " \t\r":
            at += 1
        elif line.startswith("\\\n", at):
            at += 2
        elif char == "#":
            end = line.find("\n", at)
            at = len(line) if end < 0 else end
        elif found := re.compile(r"[12](?=>)").match(line, at):
            operator, at = _operator(line, found.end())
            tokens.append(found[0] + operator)
        elif char in ";|<>\n&()":
            operator, at = _operator(line, at)
            tokens.append(operator)
        else:
            word, at = _word(line, at)
            tokens.append(word)
    return tokens


def _operator(line: str, at: int) -> tuple[str, int]:
    found = _OPERATOR.match(line, at)
    text = found[0] if found else ""
    for refused in (line[at : at + 2], line[at]):
        if refused in _REFUSED and (len(refused) == 2 or not text) and not text.startswith((">&", "&&")):
            raise _unsupported(refused)
    assert found
    return text, found.end()


def _word(line: str, at: int) -> tuple[Word, int]:
    pieces: list[Piece] = []
    quote = ""
    begun = at
    text: list[str] = []

    def flush(quoted: bool) -> None:
        if text:
            pieces.append(Piece("".join(text), quoted))
            text.clear()

    while at < len(line):
        char = line[at]
        if quote == "'":
            end = line.find("'", at)
            if end < 0:
                break
            pieces.append(Piece(line[at:end], True))
            quote, at = "", end + 1
        elif char == '"' or (char == "'" and not quote):
            flush(bool(quote))
            if not quote:
                pieces.append(Piece("", True))  # an empty quoted word is a word
            quote = "" if quote else char
            at += 1
        elif char == "\\":
            following = line[at + 1 : at + 2]
            at += 2
            if following == "\n":
                continue
            if quote and following not in ("$", "`", '"', "\\"):
                text.append("\\" + following)
            else:
                flush(bool(quote))
                pieces.append(Piece(following or "\\", True))
        elif char == "$" and (found := _VARIABLE.match(line, at)):
            flush(bool(quote))
            pieces.append(Piece(found[1] or found[2], bool(quote), variable=True))
            at = found.end()
        elif char == "`" or (char == "$" and re.compile(r"[({0-9$!#@*\-]").match(line, at + 1)):
            raise _unsupported("$(" if line.startswith("$(", at) else char)
        elif not quote and char in " \t\r\n;|<>&()":
            break
        else:
            text.append(char)
            at += 1
    if quote:
        raise BadLine(f"a quote {quote} is not closed: {line[begun : begun + 40]!r}")
    flush(False)
    return tuple(pieces), at


def _unsupported(what: str) -> BadLine:
    return BadLine(f"not supported by the memory sandbox: {_REFUSED[what]}")
