"""What is on a page, as assistive technology sees it: elements by role and name, and the text of a snapshot."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from terrarium.capability.browser.devtools import Denied
from terrarium.capability.browser.tab import Tab, clean
from terrarium.core.errors import NotFound, Refused

SNAPSHOT_LIMIT = 20_000  # characters of a snapshot that are shown
_ELEMENTS_LIMIT = 20_000
_DEPTH_LIMIT = 40  # from which on nothing is indented any further
_NAME_LIMIT = 200
_SILENT = {
    "none", "generic", "InlineTextBox", "LabelText", "LineBreak", "ignored", "MenuListPopup", "ListMarker",
}  # fmt: skip
_WHOLE = {"textbox", "searchbox", "spinbutton", "slider", "Date", "DateTime", "InputTime", "ColorWell"}
"""Fields, which are told by what is in them."""
_STATES = ("checked", "disabled", "expanded", "focused", "invalid", "level", "pressed", "required", "selected", "url")
_ROLES = {"RootWebArea": "page", "StaticText": "text", "Iframe": "frame"}

_REF = re.compile(r"\[?(?:ref=)?e(\d{1,9})\]?")
_NAMED = re.compile(r'([A-Za-z]{1,40}) "((?:[^"\\]|\\.){0,300})"(?: (?:#|nth=)?(\d{1,4}))?')


@dataclass
class Element:
    """One element of a page.

    Attributes:
        role: Such as `button`.
        name: How it is called.
        backend: Its id in Chromium; 0 where it has none.
        ref: Its number in snapshots.
        states: Such as `checked`, with what they are.
        value: What is in it, of a field.
        children: What is in it.
    """

    role: str
    name: str
    backend: int
    ref: int
    states: Mapping[str, Any] = field(default_factory=dict)
    value: str = ""
    children: list[Element] = field(default_factory=list)

    @property
    def title(self) -> str:
        """Role and name, as one writes them to say which."""
        return f"{self.role} {json.dumps(self.name, ensure_ascii=False)}"


async def elements(tab: Tab) -> Element:
    """The page of a tab with all that is in it, its frames included.

    Raises:
        Denied: The page went away meanwhile.
    """
    page: Element | None = None
    owners: dict[int, Element] = {}
    for frame in await tab.frames():
        try:
            owner = (
                (await tab.call("DOM.getFrameOwner", frameId=frame)).get("backendNodeId", 0) if page is not None else 0
            )
            nodes = (await tab.call("Accessibility.getFullAXTree", frameId=frame))["nodes"]
        except Denied:
            if page is None:
                raise
            continue
        root = _grown(nodes[:_ELEMENTS_LIMIT], tab, owners)
        if page is None:
            page = root
        elif owner in owners:
            owners[owner].children.append(root)
    assert page is not None
    return page


def _grown(nodes: Sequence[Mapping[str, Any]], tab: Tab, owners: dict[int, Element]) -> Element:
    """The tree of a document; what only holds others together is left out, and text that is its element's name."""
    by_id = {node["nodeId"]: node for node in nodes}
    root = Element("page", "", 0, 0)
    pending: list[tuple[Mapping[str, Any], Element]] = [(by_id.pop(nodes[0]["nodeId"]), root)] if nodes else []
    while pending:
        node, parent = pending.pop()
        role, name = _word(node, "role"), " ".join(clean(_word(node, "name"), _NAME_LIMIT).split())
        shown = not node.get("ignored") and role not in _SILENT and (name or role != "StaticText")
        if role == "StaticText" and name == parent.name:
            continue
        here = parent
        if shown:
            backend = node.get("backendDOMNodeId", 0) if role != "StaticText" else 0
            ref = tab.number(backend) if backend and role != "RootWebArea" else 0
            here = Element(_ROLES.get(role, role), name, backend, ref, {} if role == "RootWebArea" else _states(node))
            if role in _WHOLE or role == "combobox":
                here.value = clean(node.get("value", {}).get("value", ""), _NAME_LIMIT)
            parent.children.append(here)
            if role == "Iframe":
                owners[backend] = here
        if shown and role in _WHOLE:
            continue
        children = [by_id.pop(child) for child in node.get("childIds", ()) if child in by_id]  # each comes once
        pending += [(child, here) for child in reversed(children)]
    return root.children[0] if len(root.children) == 1 else root


def _word(node: Mapping[str, Any], key: str) -> str:
    return str(node.get(key, {}).get("value", ""))


def _states(node: Mapping[str, Any]) -> dict[str, Any]:
    found = {item["name"]: item.get("value", {}).get("value") for item in node.get("properties", ())}
    return {key: found[key] for key in _STATES if found.get(key) not in (None, False, "false", "")}


def walk(element: Element) -> Iterator[tuple[int, Element]]:
    """(depth, element) of all that is in an element, in order of the page, itself first."""
    pending = [(0, element)]
    while pending:
        depth, here = pending.pop()
        yield depth, here
        pending += [(depth + 1, child) for child in reversed(here.children)]


def snapshot(page: Element) -> str:
    """The elements of a page as indented lines: role, name, states, and the reference of what can be used."""
    lines, size = [], 0
    for depth, element in walk(page):
        line = "  " * min(depth, _DEPTH_LIMIT) + _line(element)
        size += len(line) + 1
        if size > SNAPSHOT_LIMIT:
            lines.append("[cut: there is more on the page; read it as text]")
            break
        lines.append(line)
    return "\n".join(lines)


def _line(element: Element) -> str:
    if element.role == "text":
        return f"- text: {element.name}"
    parts = [f"- {element.title}" if element.name else f"- {element.role}"]
    if element.value:
        parts.append(f"[value={json.dumps(element.value, ensure_ascii=False)}]")
    for key, state in element.states.items():
        told = clean(state, 300)
        parts.append(f"[{key}]" if state is True or state == "true" else f"[{key}={told}]")
    if element.ref:
        parts.append(f"[e{element.ref}]")
    return " ".join(parts)


def find(page: Element, asked: str) -> Element:
    """The element that is meant: `e12` of a snapshot, `button "Save"`, its second one `button "Save" 2`, or `Save`.

    Raises:
        NotFound: There is none; says what there is.
        Refused: There are several, or the text says none.
    """
    there = [element for _, element in walk(page) if element.ref]
    if ref := _REF.fullmatch(asked):
        for element in there:
            if element.ref == int(ref[1]):
                return element
        raise NotFound(f"e{ref[1]} is not on the page any more; {_known(there, '')}")
    role, name, which = "", asked.strip(), 0
    if said := _NAMED.fullmatch(name):
        role, which = said[1], int(said[3] or 0)
        name = re.sub(r"\\(.)", r"\1", said[2])
    if not name and not role:
        raise Refused('say which element: a reference such as e12, or role and name, such as button "Save"')
    name = " ".join(name[:_NAME_LIMIT].split())
    found = [it for it in there if it.name == name and (not role or it.role.lower() == role.lower())]
    if not found:
        wanted = f"{role} {name!r}" if role else repr(name)
        raise NotFound(f"there is no {wanted[:100]} on the page; {_known(there, role)}")
    if which > len(found):
        raise NotFound(f"the page has {len(found)} of {found[0].title}")
    if not which and len(found) > 1:
        told = ", ".join(f"e{it.ref} ({it.role})" for it in found[:10])
        raise Refused(f"{len(found)} elements are called {name!r}: {told}; say which by its reference")
    return found[max(0, which - 1)]


def _known(there: Sequence[Element], role: str) -> str:
    alike = [it for it in there if it.name and it.role.lower() == role.lower()]
    told = [f"{it.title} e{it.ref}" for it in alike or [it for it in there if it.name]]
    more = f" and {len(told) - 20} more" if len(told) > 20 else ""
    return f"there are: {', '.join(told[:20])}{more}" if told else "nothing on it has a name; take a snapshot"
