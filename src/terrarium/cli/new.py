"""`terrarium new`: the beginning of something of one's own."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click

from terrarium.core.errors import ConfigError, EngineFault

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")


@click.group("new")
def command() -> None:
    """Begin something of your own."""


@command.command("task")
@click.argument("name")
@click.option("--dir", "folder", default=".", metavar="DIR", help="Where the task's folder is made. Default: here.")
def task(name: str, folder: str) -> None:
    """Make the folder of a new task called NAME: a small, solved one, to be changed into your own."""
    from terrarium.cli.scaffold import scaffold

    if not _NAME.fullmatch(name):
        raise ConfigError(f"{name!r} cannot be the name of a task: use small letters, digits, - and _, a letter first")
    place = Path(folder) / name
    if place.exists() or place.is_symlink():
        raise ConfigError(f"{place} is there already: nothing was written")
    try:
        place.mkdir(parents=True)
        for path, content in scaffold(name).items():
            (place / path).write_text(content, "utf-8")
    except OSError as error:
        raise EngineFault(f"cannot write {error.filename or place}: {error.strerror}") from error
    click.echo(f"made {place}; its reference solution passes, see:")
    click.echo(f"    terrarium run {shlex.quote(str(place))}")
    click.echo(f"    terrarium check {shlex.quote(str(place))}")
