"""The pages of the manual as data: blocks of code, tables, headings, links."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
MANUAL = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
TEXTS = [
    *MANUAL,
    ROOT / "CONTRIBUTING.md",
    ROOT / "INVARIANTS.md",
    ROOT / "SECURITY.md",
    ROOT / "examples" / "README.md",
    *sorted((ROOT / "design").glob("*.md")),
]

_FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_EXCUSE = re.compile(r"<!-- not executed: (.+?) -->\s*\Z")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, text, first line in the page, and why it is not executed, where that is said."""

    language: str
    text: str
    line: int
    excuse: str | None

    @property
    def file(self) -> str | None:
        """The file it is to be kept as: the one its first line names."""
        named = re.match(r"# (\w+\.py)\n", self.text)
        return named[1] if named else None

    @property
    def task(self) -> str | None:
        """The name of the task it defines, or None; code within strings does not count."""
        for node in ast.parse(self.text).body:
            decorators = getattr(node, "decorator_list", ())
            if any(ast.unparse(decorator).startswith("entry(") for decorator in decorators):
                return str(node.name)  # type: ignore[attr-defined]
        return None


def blocks(page: Path, *languages: str) -> list[Block]:
    """The blocks of a page, in order."""
    text = page.read_text("utf-8")
    found = []
    for match in _FENCE.finditer(text):
        excuse = _EXCUSE.search(text[: match.start()])
        line = text.count("\n", 0, match.start()) + 2
        found.append(Block(match[1], match[2], line, excuse[1] if excuse else None))
    return [block for block in found if not languages or block.language in languages]


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", page.read_text("utf-8"))


def words(cell: str) -> list[str]:
    """What stands in backticks in a cell."""
    return re.findall(r"`([^`]+)`", cell)


def table(page: str, header: str) -> list[list[str]]:
    """The rows of the one table of a page whose first header cell is `header`, split into cells."""
    lines = prose(DOCS / page).splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith(f"| {header} |")]
    assert len(starts) == 1, f"{page} has {len(starts)} tables that begin with {header!r}"
    rows = []
    for line in lines[starts[0] + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def first_words(page: str, header: str) -> list[str]:
    """Everything in backticks in the first column of a table."""
    return [word for row in table(page, header) for word in words(row[0])]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings}


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """Every relative link of a page: the file it leads to, and the anchor in it."""
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if "://" not in target:
            file, _, anchor = target.partition("#")
            yield (page.parent / file).resolve() if file else page, anchor
