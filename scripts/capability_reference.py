"""Write docs/reference/<name>.md for every capability: what its code says of its configuration, faces, tools and state.

python scripts/capability_reference.py            write the pages
python scripts/capability_reference.py --check    exit 1 where a page is not up to date
"""

from __future__ import annotations

import asyncio
import inspect
import json
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from terrarium.core.capability import Access, Capability, Site, Traits, admin_methods
from terrarium.core.clock import Clock
from terrarium.core.registry import TABLES, find
from terrarium.core.sandbox import Feature, Ground
from terrarium.core.seeds import Rng
from terrarium.core.tool import Tool
from terrarium.sandbox.memory import MemorySandbox

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "reference"
MARK = (
    "<!-- Written by scripts/capability_reference.py from the code and its docstrings: change those, run it again. -->"
)
NOTES = (
    "`Value` is any [plain value](../core.md#calls-and-replay). `Refused` and `NotFound` are errors of the caller: "
    "raised to the program, shown to an agent as the result of its call."
)

_SECTION = re.compile(r"(Args|Configuration|Raises|Returns|Shapes|Tables):")
_ENTRY = re.compile(r"    ([\w.]+(?:, [\w.]+)*)(?: \((.+?)\))?: (.*)")


@dataclass(frozen=True)
class Doc:
    """A docstring: its text, and the entries of each section by name: (what stands in parentheses, the meaning)."""

    text: str
    sections: Mapping[str, Mapping[str, tuple[str, str]]]
    returns: str = ""

    @classmethod
    def of(cls, thing: object) -> Doc:
        """What is said of a class, a method or a property."""
        text: list[str] = []
        sections: dict[str, dict[str, tuple[str, str]]] = {}
        returns: list[str] = []
        section = entry = ""
        for line in (inspect.getdoc(thing) or "").splitlines():
            if found := _SECTION.fullmatch(line):
                section, entry = found[1], ""
                sections[section] = {}
            elif line and not line.startswith(" "):
                section = ""
                text.append(line)
            elif not section:
                text.append(line)
            elif section == "Returns":
                returns.append(line.strip())
            elif found := _ENTRY.fullmatch(line):
                entry = found[1]
                sections[section][entry] = (found[2] or "", found[3])
            elif line.strip():
                kind, meaning = sections[section][entry]
                sections[section][entry] = (kind, f"{meaning} {line.strip()}")
        return cls("\n".join(text).strip(), sections, " ".join(returns).strip())

    def entries(self, section: str) -> Mapping[str, tuple[str, str]]:
        """The entries of a section; none where it is not there."""
        return self.sections.get(section, {})


class Shelled(MemorySandbox):
    """A memory sandbox that claims a lasting shell, so that the tools for it are listed too."""

    supports: ClassVar[frozenset[Feature]] = MemorySandbox.supports | {"shell"}


@dataclass(frozen=True)
class Open:
    """A capability as it stands with its default configuration."""

    capability: Capability
    traits: Traits
    tools: list[Tool]
    plain_tools: frozenset[str]
    """Names of the tools that there are in every sandbox."""
    services: list[tuple[str, int]]
    facts: dict[str, Any]


async def stand(name: str) -> Open:
    """Open the capability on an empty folder, look at it, and close it again."""
    with tempfile.TemporaryDirectory() as home:
        names = set()
        for kind in (MemorySandbox, Shelled):
            site = _site(name, Path(home, kind.__name__), kind)
            capability: Capability = find("capability", name)()
            await capability.open(site)
            tools = list(capability.tools("agent"))
            names |= {tool.name for tool in tools} if kind is MemorySandbox else set()
            hosts = {line.split()[0]: line.split()[1] for line in site.network.hosts().splitlines()}
            services = sorted((hosts[service.address], service.port) for service in site.network.services())
            methods = admin_methods(capability)
            facts = {path: getattr(capability, path) for path, access in methods.items() if access.fact}
            await capability.close()
            await site.network.close()
        return Open(capability, find("capability", name).traits, tools, frozenset(names), services, facts)


def _site(name: str, folder: Path, kind: type[MemorySandbox]) -> Site:
    clock = Clock()
    return Site(
        name=name,
        folder=folder,
        config={},
        clock=clock,
        rng=Rng(0),
        agents=["agent"],
        changed=lambda change: None,
        actor=lambda: "task",
        wait=asyncio.run,
        sandbox=lambda: kind(Ground(clock)),
    )


# -- pages --------------------------------------------------------------------------------------------------------


def page(name: str) -> str:
    """The whole page of a capability."""
    return "\n".join(_parts(name, asyncio.run(stand(name)))).rstrip() + "\n"


def _parts(name: str, found: Open) -> Iterator[str]:
    about = Doc.of(type(found.capability))
    yield f"# {name}: reference\n\n{MARK}\n\n{about.text}\n\n[What it is for, with examples](../{name}.md). {NOTES}\n"
    yield from _configuration(about)
    yield from _network(found)
    yield "## For the task\n"
    if about.entries("Shapes"):
        yield "Some results are dicts of one shape:\n\n| shape | keys |\n|---|---|"
        yield from (f"| `{shape}` | {keys} |" for shape, (_, keys) in about.entries("Shapes").items())
        yield ""
    for path, access in admin_methods(found.capability).items():
        yield from _method(name, found, path, access)
    yield "## For agents\n"
    for tool in found.tools:
        yield from _tool(tool, everywhere=tool.name in found.plain_tools)
    yield from _state(found)


def _configuration(about: Doc) -> Iterator[str]:
    yield "## Configuration\n\n| key | type | default | meaning |\n|---|---|---|---|"
    for key, (kind, meaning) in about.entries("Configuration").items():
        type_, _, default = kind.partition(", default ")
        shown = f"`{default}`" if _is_json(default) else default or "none"
        yield f"| `{key}` | {type_} | {shown} | {meaning} |"
    yield ""


def _network(found: Open) -> Iterator[str]:
    yield "## On the network\n"
    if not found.services:
        yield "Nothing: it serves no port.\n"
        return
    yield "| host | port |\n|---|---|"
    yield from (f"| `{host}` | {port} |" for host, port in found.services)
    yield ""


def _method(name: str, found: Open, path: str, access: Access) -> Iterator[str]:
    thing: Any = found.capability
    *faces, last = path.split(".")
    for face in faces:
        thing = getattr(thing, face)
    member = inspect.getattr_static(type(thing), last)
    function = member.fget if isinstance(member, property) else member
    doc = Doc.of(function)
    yield f"### `env.{name}.{path}`\n\n```text\n{_signature(f'env.{name}.{path}', function, access.fact)}\n```\n"
    yield doc.text + "\n"
    yield from _arguments(doc)
    if doc.returns:
        yield f"Gives: {doc.returns}\n"
    if path in found.facts:
        yield f"With the default configuration:\n\n```json\n{_json(found.facts[path])}\n```\n"
    yield from _raised(doc)
    yield f"{_kind(access)}\n"


def _signature(path: str, function: Any, fact: bool) -> str:
    told = inspect.signature(function)
    gives = "" if told.return_annotation in ("None", told.empty) else f" -> {told.return_annotation}"
    if fact:
        return f"{path}{gives}"
    arguments = [_argument(parameter) for parameter in list(told.parameters.values())[1:]]
    line = f"{path}({', '.join(arguments)}){gives}"
    if len(line) <= 110:
        return line
    return f"{path}(\n" + "".join(f"    {argument},\n" for argument in arguments) + f"){gives}"


def _argument(parameter: inspect.Parameter) -> str:
    default = "" if parameter.default is parameter.empty else f" = {parameter.default!r}"
    return f"{parameter.name}: {parameter.annotation}{default}"


def _kind(access: Access) -> str:
    if access.mode == "read":
        return "*Only looks" + (": a fact, read without a call.*" if access.fact else ".*")
    if access.notifies is None:
        return "*Writes; nobody is told.*"
    return f"*Writes; `{access.notifies}` says whom it concerns. They are told where the task's `notices` want it.*"


def _arguments(doc: Doc) -> Iterator[str]:
    yield from (f"- `{argument}`: {meaning}" for argument, (_, meaning) in doc.entries("Args").items())
    if doc.entries("Args"):
        yield ""


def _raised(doc: Doc) -> Iterator[str]:
    yield from (f"- Raises `{error}`: {meaning}" for error, (_, meaning) in doc.entries("Raises").items())
    if doc.entries("Raises"):
        yield ""


def _tool(tool: Tool, *, everywhere: bool) -> Iterator[str]:
    yield f"### `{tool.name}`\n\n{tool.description}\n"
    yield f"```json\n{_json(tool.parameters)}\n```\n"
    gives = Doc.of(tool.signature or tool.function).returns
    if gives:
        yield f"Gives: {gives}\n"
    acts = "Runs a command, and costs the time of one" if tool.command else "May write" if tool.writes else "Only looks"
    yield f"*{acts}.{'' if everywhere else ' Only where the sandbox has a lasting shell.'}*\n"


def _state(found: Open) -> Iterator[str]:
    yield "## State\n\n| table of rows | key, and what a row is |\n|---|---|"
    rows = Doc.of(type(found.capability).rows)
    yield from (f"| `{table}` | {meaning} |" for table, (_, meaning) in rows.entries("Tables").items())
    claims = ", ".join(f"`{trait}`: {value}" for trait, value in vars(found.traits).items())
    yield f"\n[Traits](../capability.md#the-contract): {claims}."
    if found.capability.traits is not type(found.capability).traits:
        yield "They are those at best: what its sandbox cannot do, it cannot."


def _json(value: Any) -> str:
    """JSON with a line for each entry of the outer object, and for each entry of an object called `properties`."""
    lines = []
    for key, entry in value.items():
        if key == "properties" and entry:
            inner = ",\n".join(f"    {json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in entry.items())
            lines.append(f'  "{key}": {{\n{inner}\n  }}')
        else:
            lines.append(f"  {json.dumps(key)}: {json.dumps(entry, ensure_ascii=False)}")
    return "{\n" + ",\n".join(lines) + "\n}"


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def main() -> None:
    """Write the pages, or compare them."""
    pages = {FOLDER / f"{name}.md": page(name) for name in sorted(TABLES["capability"])}
    strange = sorted(path.name for path in set(FOLDER.glob("*.md")) - set(pages))
    if "--check" in sys.argv[1:]:
        old = [path.name for path, text in pages.items() if not path.exists() or path.read_text("utf-8") != text]
        told = ", ".join(old + strange)
        raise SystemExit(
            f"docs/reference is not up to date ({told}): run scripts/capability_reference.py" if told else 0
        )
    FOLDER.mkdir(exist_ok=True)
    for path, text in pages.items():
        path.write_text(text, "utf-8")
    for name in strange:
        (FOLDER / name).unlink()


if __name__ == "__main__":
    main()
