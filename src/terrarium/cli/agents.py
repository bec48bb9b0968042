"""`terrarium agents`: command-line agents that are installed on this machine."""

from __future__ import annotations

import click


@click.group("agents")
def command() -> None:
    """Install command-line agents, in the versions that Terrarium was tried with.

    They come from npm and PyPI into a folder of the user's cache ($XDG_CACHE_HOME/terrarium/agents), which sandboxes
    see without being able to write it. Nothing of the machine is changed, and root is not needed.
    """


@command.command("list")
def list_() -> None:
    """Show which agents there are, which are installed, and whether they are whole."""
    from terrarium.agent.command.installation import installations
    from terrarium.agent.command.package import PACKAGES

    there = installations()
    rows = [("agent", "version", "from", "installed")]
    for package in PACKAGES.values():
        mine = [found for found in there if found.name == package.name]
        source = f"{package.registry} {package.requirement}"
        if not any(found.version == package.version for found in mine):
            rows.append((package.name, package.version, source, "no"))
        for found in mine:
            told = f"{found.day}, {found.digest[:12]}" if found.whole() else "broken: install it again"
            rows.append((found.name, found.version, source, told))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        click.echo("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]))


@command.command("install")
@click.argument("names", nargs=-1, required=True)
@click.option("--version", help="Another version than the one that was tried; for one name.")
@click.option("--again", is_flag=True, help="Even if it is there.")
def install_(names: tuple[str, ...], version: str | None, again: bool) -> None:
    """Install agents by NAMES, such as `codex opencode`."""
    from terrarium.agent.command.installation import install
    from terrarium.agent.command.package import package_of
    from terrarium.core.errors import UsageError

    if version is not None and len(names) > 1:
        raise UsageError("--version is for one name")
    for package in [package_of(name, version) for name in names]:
        found = install(package, again=again)
        click.echo(f"{found.name} {found.version}: {found.folder}")


@command.command("remove")
@click.argument("names", nargs=-1, required=True)
@click.option("--version", help="Only this one.")
def remove_(names: tuple[str, ...], version: str | None) -> None:
    """Remove agents by NAMES, in all versions."""
    from terrarium.agent.command.installation import remove

    for name in names:
        gone = remove(name, version)
        for folder in gone:
            click.echo(f"removed {folder}")
        if not gone:
            click.echo(f"{name} is not installed")
