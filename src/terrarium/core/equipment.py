"""Equipment: what the capabilities of a world put into the sandboxes of its agents.

Of two capabilities that give the same variable or file, the one that the world had first wins. Of several instances of
one type, one gives its variables and files as they are: the one without a name, else the first that gives any, so that
what belongs together stays together. Each with a name also gives them with that name before: `NOTION_TOKEN` of
`notion:sales` as `SALES_NOTION_TOKEN`.

A sandbox that several agents share gets what all of them would get: what one of them alone has, such as a token of its
own, would let the others act in its name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from terrarium.core.capability import Capability, Equipment, Equipped, Equips
from terrarium.core.errors import CapabilityFault
from terrarium.core.offers import offers

FOLDER = "/run/secrets"
FILE_LIMIT = 48 * 1024  # bytes of one file
_COUNT = 200  # variables, and files, of one capability
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HOST = re.compile(r"[a-z0-9.-]{1,253}")
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")


async def hand_out(
    capabilities: Mapping[str, Capability], agents: Sequence[str], secret: Callable[[Mapping[str, Any]], None]
) -> None:
    """Give every workspace what its agents are equipped with now.

    Args:
        capabilities: By name, the first one first.
        agents: Names of the agents.
        secret: Told of values that belong to somebody outside and may be written nowhere.

    Raises:
        CapabilityFault: A capability gives what cannot be a variable or a file.
    """
    given = {agent: _of(capabilities, agent, secret) for agent in agents}
    for capability in capabilities.values():
        if isinstance(capability, Equipped):
            await capability.equip(given)


def shared(equipments: Sequence[Equipment]) -> Equipment:
    """What all of these have."""
    first, *others = equipments or [Equipment()]
    return Equipment(
        {name: value for name, value in first.env.items() if all(one.env.get(name) == value for one in others)},
        {name: data for name, data in first.files.items() if all(one.files.get(name) == data for one in others)},
        logins=tuple(host for host in first.logins if all(host in one.logins for one in others)),
    )


def _of(capabilities: Mapping[str, Capability], agent: str, secret: Callable[[Mapping[str, Any]], None]) -> Equipment:
    given: dict[str, Equipment] = {}
    logins: dict[str, None] = {}
    for spec, capability in capabilities.items():
        owned = capability.traits.owned
        if not offers(capability, Equips):
            continue
        found = capability.equipment(agent)
        _check(spec, found)
        if not owned:
            contents = [data.decode("utf-8", "replace") for data in found.files.values()]
            secret({"env": dict(found.env), "secrets": contents})
        secret({"secrets": list(found.secrets)})
        logins |= dict.fromkeys(found.logins)
        if found.env or found.files:
            given[spec] = found
    plain: dict[str, str] = {}
    for spec in given:
        kind, _, instance = spec.partition(":")
        plain[kind] = spec if instance in ("", "default") else plain.get(kind, spec)
    env: dict[str, str] = {}
    files: dict[str, bytes] = {}
    for spec, found in given.items():
        kind, _, instance = spec.partition(":")
        for before in [""] * (plain[kind] == spec) + [f"{instance}_"] * (instance not in ("", "default")):
            env = {_capitals(before) + name: value for name, value in found.env.items()} | env
            files = {before + name: data for name, data in found.files.items()} | files
    return Equipment(env, files, logins=tuple(logins))


def _capitals(prefix: str) -> str:
    """The name of an instance as the beginning of a variable."""
    name = re.sub(r"[^A-Z0-9]", "_", prefix.upper())
    return f"_{name}" if name[:1].isdigit() else name


def _check(spec: str, found: Any) -> None:
    if max(len(found.env), len(found.files)) > _COUNT:
        raise CapabilityFault(f"{spec} equips an agent with more than {_COUNT} variables or files")
    for name, value in found.env.items():
        if not _VARIABLE.fullmatch(name) or not isinstance(value, str) or not value.isprintable():
            raise CapabilityFault(f"{spec} equips an agent with a variable that cannot be one: {name!r}")
    for name, data in found.files.items():
        if not _FILE.fullmatch(name) or not isinstance(data, bytes) or len(data) > FILE_LIMIT:
            raise CapabilityFault(f"{spec} equips an agent with a file that cannot be one: {name!r}")
    for host in found.logins:
        if not isinstance(host, str) or not _HOST.fullmatch(host):
            raise CapabilityFault(f"{spec} equips an agent with a login at what cannot be a host: {host!r}")
