"""Markdown to blocks and back: headings, lists, to-dos, quotes, code, tables, links, emphasis."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from terrarium.capability.notion.block_type import LANGUAGES
from terrarium.capability.notion.rich_text import TEXT_LIMIT
from terrarium.core.errors import Refused

MARKDOWN = 200_000  # characters in one call of an agent
BLOCKS = 1000  # blocks that it makes
_DEPTH = 2  # levels of lists below one another that one request can hold
_ITEMS = 100  # rich text items of a block
_INLINE = re.compile(
    r"\*\*(?P<bold>[^*\n]+)\*\*|__(?P<bold2>[^_\n]+)__|~~(?P<strike>[^~\n]+)~~|`(?P<code>[^`\n]+)`"
    r"|\[(?P<words>[^\[\]\n]*)\]\((?P<url>[^()\s]+)\)|(?<![*\w])\*(?P<italic>[^*\n]+)\*(?![*\w])"
    r"|(?<![_\w])_(?P<italic2>[^_\n]+)_(?![_\w])"
)
_HEADING = re.compile(r"(#{1,3}) +(.*)")
_TODO = re.compile(r"[-*+] +\[([ xX])\] +(.*)")
_BULLET = re.compile(r"[-*+] +(.*)")
_NUMBERED = re.compile(r"\d{1,9}[.)] +(.*)")
_IMAGE = re.compile(r"!\[([^\[\]\n]*)\]\((https?://[^()\s]+)\)")
_TABLE_RULE = re.compile(r"\|[ :|-]+\|?")


def inline(text: str) -> list[dict[str, Any]]:
    """A line of Markdown as rich text to send."""
    found: list[dict[str, Any]] = []
    at = 0
    for match in _INLINE.finditer(text):
        _add(found, text[at : match.start()])
        at = match.end()
        kind = str(match.lastgroup)
        if kind == "url":
            _add(found, match["words"] or match["url"], link=match["url"][:2000])
        else:
            mark = {"strike": "strikethrough"}.get(kind, kind.rstrip("2"))
            _add(found, match[kind], mark)
    _add(found, text[at:])
    if len(found) > _ITEMS:  # too many marks: the rest is plain
        rest = "".join(item["text"]["content"] for item in found[_ITEMS - 10 :])
        found = found[: _ITEMS - 10]
        _add(found, rest[: 10 * TEXT_LIMIT])
    return found[:_ITEMS]


def blocks_of(text: str) -> list[dict[str, Any]]:
    """Markdown as blocks to send; what it has no block for becomes paragraphs."""
    lines = text.replace("\r\n", "\n").replace("\t", "    ").split("\n")
    found: list[dict[str, Any]] = []
    open_lists: list[tuple[int, dict[str, Any]]] = []
    at = 0
    while at < len(lines):
        line = lines[at].rstrip()
        bare = line.lstrip()
        indent = len(line) - len(bare)
        at += 1
        if not bare:
            continue
        if bare.startswith("```"):
            code: list[str] = []
            while at < len(lines) and lines[at].strip() != "```":
                code.append(lines[at])
                at += 1
            at += 1
            language = bare[3:].strip().lower()
            block = _code("\n".join(code), language if language in LANGUAGES else "plain text")
        elif bare.startswith("|") and at < len(lines) and _TABLE_RULE.fullmatch(lines[at].strip()):
            rows = [bare]
            at += 1
            while at < len(lines) and lines[at].strip().startswith("|"):
                rows.append(lines[at].strip())
                at += 1
            found += _tables(rows)
            open_lists.clear()
            continue
        else:
            block = _line(bare)
        kind = block["type"]
        if kind in ("bulleted_list_item", "numbered_list_item", "to_do"):
            while open_lists and open_lists[-1][0] >= indent:
                open_lists.pop()
            del open_lists[_DEPTH:]
            siblings = found
            if open_lists:
                holder = open_lists[-1][1]
                siblings = holder[holder["type"]].setdefault("children", [])
            if len(siblings) >= _ITEMS and open_lists:
                siblings = found
            siblings.append(block)
            open_lists.append((indent, block))
        else:
            open_lists.clear()
            found.append(block)
    return found


def limited(text: str) -> list[dict[str, Any]]:
    """The blocks of a text that an agent sends.

    Raises:
        Refused: It is too long.
    """
    if len(text) > MARKDOWN:
        raise Refused(f"content has {MARKDOWN} characters at most")
    found = blocks_of(text)
    if len(found) > BLOCKS:
        raise Refused(f"content makes {len(found)} blocks; {BLOCKS} are allowed in one call")
    return found


def plain_of(items: Iterable[Mapping[str, Any]]) -> str:
    """Rich text as Markdown."""
    found = []
    for item in items:
        text, marks = item["plain_text"], item["annotations"]
        if marks["code"]:
            text = f"`{text}`"
        if marks["bold"]:
            text = f"**{text}**"
        if marks["italic"]:
            text = f"*{text}*"
        if marks["strikethrough"]:
            text = f"~~{text}~~"
        link = item["text"]["link"] if item["type"] == "text" else None
        found.append(f"[{text}]({link['url']})" if link else text)
    return "".join(found)


def markdown_of(
    children: Callable[[str], list[dict[str, Any]]], container: str, *, ids: bool = False, most: int = 2000
) -> str:
    """What a page or block holds, as Markdown.

    Args:
        children: Gives the blocks of a page or block, as answers show them.
        container: Its id.
        ids: Begin each line with the id of its block.
        most: Blocks to show.
    """
    left = [most]
    lines: list[str] = []
    _write(children, container, 0, lines, ids, left)
    if left[0] < 0:
        lines.append("[cut: there are more blocks]")
    return "\n".join(lines)


# -- inside -----------------------------------------------------------------------------------------------------------


def _write(
    children: Callable[[str], list[dict[str, Any]]],
    container: str,
    depth: int,
    lines: list[str],
    ids: bool,
    left: list[int],
) -> None:
    number = 0
    for block in children(container):
        left[0] -= 1
        if left[0] < 0:
            return
        kind = block["type"]
        number = number + 1 if kind == "numbered_list_item" else 0
        mark = f"[{block['id']}] " if ids else ""
        text = _shown(block, number)
        lines += ["    " * depth + mark * (place == 0) + line for place, line in enumerate(text.split("\n"))]
        if block["has_children"] and kind not in ("child_page", "child_database"):
            _write(children, block["id"], depth + (kind not in ("table", "column_list", "column")), lines, ids, left)
            if kind == "table":
                _rule(lines, block, mark)


def _rule(lines: list[str], table: Mapping[str, Any], mark: str) -> None:
    """The line below the head of a table; the line of the table itself goes."""
    at = max((n for n, line in enumerate(lines) if line.strip() == f"{mark}[table]".strip()), default=None)
    if at is not None:
        rule = "|" + " --- |" * int(table["table"]["table_width"])
        if mark:
            lines.insert(at + 2, rule)
        else:
            del lines[at]
            lines.insert(at + 1, rule)


def _shown(block: Mapping[str, Any], number: int) -> str:
    kind, content = block["type"], block[block["type"]]
    text = plain_of(content.get("rich_text", ()))
    if kind.startswith("heading_"):
        return f"{'#' * int(kind[-1])} {text}"
    if kind == "to_do":
        return f"- [{'x' if content['checked'] else ' '}] {text}"
    if kind in ("bulleted_list_item", "toggle"):
        return f"- {text}"
    if kind == "numbered_list_item":
        return f"{number}. {text}"
    if kind in ("quote", "callout"):
        return "> " + text.replace("\n", "\n> ")
    if kind == "code":
        plain = "".join(item["plain_text"] for item in content["rich_text"])
        return f"```{content['language']}\n{plain}\n```"
    if kind == "divider":
        return "---"
    if kind == "table_row":
        return "| " + " | ".join(plain_of(cell) for cell in content["cells"]) + " |"
    if kind == "equation":
        return f"$${content['expression']}$$"
    if kind in ("bookmark", "embed"):
        return str(content["url"])
    if kind in ("child_page", "child_database"):
        return f"[{kind.removeprefix('child_')}: {content['title']}] ({block['id']})"
    if kind in ("image", "video", "pdf", "file", "audio"):
        url = (content.get("external") or content.get("file") or {}).get("url", "")
        return f"{'!' if kind == 'image' else ''}[{plain_of(content.get('caption', ()))}]({url})"
    return text or (f"[{kind}]" if kind not in ("paragraph", "column_list", "column") else "")


def _add(found: list[dict[str, Any]], text: str, mark: str | None = None, link: str | None = None) -> None:
    for at in range(0, len(text), TEXT_LIMIT):
        item: dict[str, Any] = {"type": "text", "text": {"content": text[at : at + TEXT_LIMIT]}}
        if link is not None:
            item["text"]["link"] = {"url": link}
        if mark is not None:
            item["annotations"] = {mark: True}
        found.append(item)


def _line(text: str) -> dict[str, Any]:
    if text in ("---", "***", "___"):
        return {"type": "divider", "divider": {}}
    if found := _HEADING.fullmatch(text):
        return _block(f"heading_{len(found[1])}", found[2])
    if found := _TODO.fullmatch(text):
        block = _block("to_do", found[2])
        block["to_do"]["checked"] = found[1] != " "
        return block
    if found := _BULLET.fullmatch(text):
        return _block("bulleted_list_item", found[1])
    if found := _NUMBERED.fullmatch(text):
        return _block("numbered_list_item", found[1])
    if text.startswith(">"):
        return _block("quote", text[1:].lstrip())
    if found := _IMAGE.fullmatch(text):
        return {"type": "image", "image": {"external": {"url": found[2][:2000]}, "caption": inline(found[1])}}
    return _block("paragraph", text)


def _block(kind: str, text: str) -> dict[str, Any]:
    return {"type": kind, kind: {"rich_text": inline(text)}}


def _code(text: str, language: str) -> dict[str, Any]:
    items: list[dict[str, Any]] = []
    _add(items, text[: _ITEMS * TEXT_LIMIT])
    return {"type": "code", "code": {"rich_text": items, "language": language}}


def _tables(rows: list[str]) -> list[dict[str, Any]]:
    """A table; one of over 100 lines as several."""
    cells = [[cell.strip() for cell in row.strip().strip("|").split("|")][:_ITEMS] for row in rows]
    width = max(len(row) for row in cells)
    made = []
    for first in range(0, len(cells), _ITEMS):
        lines = [
            {"type": "table_row", "table_row": {"cells": [inline(cell) for cell in (row + [""] * width)[:width]]}}
            for row in cells[first : first + _ITEMS]
        ]
        table = {"table_width": width, "has_column_header": first == 0, "has_row_header": False, "children": lines}
        made.append({"type": "table", "table": table})
    return made
