"""The threads of THREAD: by subject, or by references (RFC 5256, 3 and 5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from terrarium.capability.imap.reading import Readings
from terrarium.capability.imap.search import Entry
from terrarium.capability.imap.subject import base_subject

_LAST = datetime.max.replace(tzinfo=UTC)


@dataclass(eq=False)
class Node:
    """A message in a tree of answers, or the place of one that is missing."""

    entry: Entry | None = None
    date: datetime = _LAST
    subject: str = ""
    answered: bool = False
    parent: Node | None = None
    children: list[Node] = field(default_factory=list)

    @property
    def order(self) -> tuple[datetime, int]:
        """By date, then by number; of a missing message those of its first child."""
        first = self if self.entry is not None else min(self.children, key=lambda child: child.order)
        return (first.date, first.entry.number) if first.entry is not None else first.order

    def adopt(self, child: Node) -> None:
        """Take a child from where it is."""
        if child.parent is not None:
            child.parent.children.remove(child)
        child.parent = self
        self.children.append(child)


def by_subject(entries: Sequence[Entry], readings: Readings) -> list[Node]:
    """ORDEREDSUBJECT: messages of one base subject are answers to the oldest of them."""
    threads: dict[str, Node] = {}
    for node in sorted((_node(entry, readings) for entry in entries), key=lambda node: node.order):
        first = threads.setdefault(node.subject, node)
        if first is not node:
            first.adopt(node)
    return sorted(threads.values(), key=lambda node: node.order)


def by_references(entries: Sequence[Entry], readings: Readings) -> list[Node]:
    """REFERENCES: answers below what they answer, then threads of one base subject together."""
    roots = [node for root in _linked(entries, readings) for node in _pruned(root)]
    for root in roots:
        _sort(root)
    roots.sort(key=lambda node: node.order)
    return sorted(_joined(roots), key=lambda node: node.order)


def told(roots: Sequence[Node], *, uid: bool) -> str:
    """Threads as IMAP writes them: `(2)(3 6 (4 23)(44 7 96))`."""
    return "".join(f"({''.join(_written(root, uid))})" for root in roots)


def _written(node: Node, uid: bool) -> Iterator[str]:
    """One thread, without recursion: a chain of answers may be as long as a mailbox."""
    waiting: list[Node | str] = [node]
    while waiting:
        found = waiting.pop()
        if isinstance(found, str):
            yield found
            continue
        if found.entry is not None:
            yield str(found.entry.copy.uid if uid else found.entry.number)
        if len(found.children) == 1:
            waiting += [found.children[0], " "] if found.entry is not None else [found.children[0]]
        elif found.children:
            for child in reversed(found.children):
                waiting += [")", child, "("]
            if found.entry is not None:
                waiting.append(" ")


def _node(entry: Entry, readings: Readings) -> Node:
    letter = readings.letter(entry.copy)
    subject, answered = base_subject(letter["subject"])
    return Node(entry, letter["date"], subject, answered)


def _linked(entries: Sequence[Entry], readings: Readings) -> list[Node]:
    """Steps 1 and 2: every message below what it answers."""
    nodes: dict[str, Node] = {}
    for entry in entries:
        letter, node = readings.letter(entry.copy), _node(entry, readings)
        id = entry.copy.message_id
        known = nodes.get(id)
        if known is None:
            nodes[id] = node
        elif known.entry is None:  # somebody answered it already
            known.entry, known.date, known.subject, known.answered = entry, node.date, node.subject, node.answered
            node = known
        else:  # a second copy of one mail stands for itself
            nodes[f"{id} {entry.number}"] = node
        references = list(letter["references"]) or ([letter["in_reply_to"]] if letter["in_reply_to"] else [])
        above: Node | None = None
        for reference in references:
            place = nodes.setdefault(reference, Node())
            if above is not None and place.parent is None and not _within(above, place):
                above.adopt(place)
            above = place
        if above is not None and above is not node.parent and not _within(above, node):
            above.adopt(node)
    return [node for node in nodes.values() if node.parent is None]


def _within(node: Node, other: Node) -> bool:
    """Whether `node` is `other` or below it."""
    place: Node | None = node
    while place is not None:
        if place is other:
            return True
        place = place.parent
    return False


def _pruned(root: Node) -> list[Node]:
    """Step 3: places of missing messages go; what is below them moves up, but not singly to the top."""
    order, waiting = [], [root]
    while waiting:
        node = waiting.pop()
        order.append(node)
        waiting += node.children
    for node in reversed(order):
        kept: list[Node] = []
        for child in node.children:
            kept += [child] if child.entry is not None else child.children
        for child in kept:
            child.parent = node
        node.children = kept
    if root.entry is not None:
        return [root]
    if len(root.children) == 1:
        root.children[0].parent = None
        return root.children
    return [root] if root.children else []


def _sort(root: Node) -> None:
    waiting = [root]
    while waiting:
        node = waiting.pop()
        node.children.sort(key=lambda child: child.order)
        waiting += node.children


def _joined(roots: list[Node]) -> list[Node]:
    """Step 5: threads whose base subject is the same become one."""
    first: dict[str, Node] = {}
    for root in roots:
        shown = root if root.entry is not None else root.children[0]
        if not shown.subject:
            continue
        known = first.get(shown.subject)
        if (
            known is None
            or (root.entry is None and known.entry is not None)
            or (known.entry is not None and known.answered and not shown.answered)
        ):
            first[shown.subject] = root
    found: list[Node] = []
    for root in roots:
        shown = root if root.entry is not None else root.children[0]
        other = first.get(shown.subject) if shown.subject else None
        if other is None or other is root:
            found.append(root)
            continue
        if other.entry is None:
            for child in [*root.children] if root.entry is None else [root]:
                other.adopt(child)
        elif shown.answered and not other.answered:
            other.adopt(root)
        else:
            both = first[shown.subject] = Node(subject=other.subject)
            both.adopt(other)
            both.adopt(root)
            found.append(both)
        _sort(first[shown.subject])
    return [node for node in found if node.parent is None]
