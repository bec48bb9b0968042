"""What a caller may ask of a sandbox: commands, environments and paths that the system can take."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from terrarium.core.errors import Refused

SHELL = ("/bin/bash", "-c")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HOME = "/root"


def checked_words(command: str | Sequence[str]) -> list[str]:
    """The words of a command; text is given to bash.

    Raises:
        Refused: It cannot be one.
    """
    if isinstance(command, str):
        return [*SHELL, _text("command", command)]
    if isinstance(command, (list, tuple)) and command:
        return [_text("command", word) for word in command]
    raise Refused(f"a command is a line of text or a list of words, not {command!r}")


def checked_env(env: Mapping[str, str]) -> dict[str, str]:
    """An environment.

    Raises:
        Refused: It cannot be one.
    """
    for name in env:
        if not _NAME.fullmatch(name):
            raise Refused(f"{name!r} is not the name of an environment variable")
    return {name: _text(f"environment variable {name}", value) for name, value in env.items()}


def checked_path(path: str) -> bytes:
    """A path inside, as the system takes it; what is not absolute starts at /root.

    Raises:
        Refused: It cannot be one.
    """
    if not path:
        raise Refused("a path is missing")
    return _text("path", path if path.startswith("/") else f"{_HOME}/{path}").encode()


def _text(what: str, text: object) -> str:
    if not isinstance(text, str):
        raise Refused(f"the {what} must be text, not {type(text).__name__}")
    if "\0" in text:
        raise Refused(f"the {what} holds a NUL")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Refused(f"the {what} holds a lone surrogate, which UTF-8 cannot hold") from None
    return text
