"""Keys of model providers from the file `.env` of the present folder, for `terrarium run`."""

from __future__ import annotations

import os
import re
from pathlib import Path

from terrarium.core.errors import ConfigError

_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*")
_COMMENT = re.compile(r"\s#.*")


def read_env_file(path: Path = Path(".env")) -> None:
    """Set the variables that the file names, but for those that are set already; an empty value sets nothing.

    A line is `NAME=value`, `export NAME=value`, empty or a comment; quotes around a value are taken off, and nothing
    is expanded. Without a file, nothing is done.

    Raises:
        ConfigError: The file cannot be read, or a line is something else; its text is not told, as it may be a key.
    """
    if not path.is_file():
        return
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from None
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = _LINE.fullmatch(line)
        if not found:
            raise ConfigError(f"{path}, line {number}, is not of the form NAME=value")
        name, value = found[1], found[2]
        if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        else:
            value = _COMMENT.sub("", f" {value}").strip()
        if value and "\0" not in value:
            os.environ.setdefault(name, value)
