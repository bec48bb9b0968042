"""An agent whose program is one of the packages that `terrarium agents install` installs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from terrarium.agent.command.agent import CommandAgent
from terrarium.agent.command.installation import find
from terrarium.agent.command.package import package_of
from terrarium.agent.command.program import Program
from terrarium.core.gateway import Gateway
from terrarium.core.model import Model


class InstalledAgent(CommandAgent):
    """Runs an installed program.

    Args:
        model: What it asks.
        gateway: Where.
        version: Another version than the one its description was tried with; it must be installed.
        settings: As of every `CommandAgent`.
    """

    described: ClassVar[Program]

    def __init__(self, model: Model, gateway: Gateway, *, version: str | None = None, **settings: Any) -> None:
        super().__init__(self.described, model, gateway, **settings)

    @classmethod
    def mounts(cls, kwargs: Mapping[str, Any]) -> Mapping[str, str]:
        """The folders of its package and of what that needs, by path inside.

        Raises:
            ConfigError: One is not installed, or broken.
        """
        package = package_of(cls.described.name, kwargs.get("version"))
        packages = [package, *map(package_of, package.needs)]
        return {each.inside: str(find(each).folder.resolve()) for each in packages}

    @classmethod
    def installed(cls, kwargs: Mapping[str, Any]) -> Mapping[str, str]:
        """What a record says of the program: name, version, and digest of all that was installed.

        Raises:
            ConfigError: It is not installed, or broken.
        """
        package = package_of(cls.described.name, kwargs.get("version"))
        found = find(package)
        return {"package": package.pinned, "version": found.version, "digest": found.digest}
