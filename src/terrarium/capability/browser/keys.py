"""Keys by their names, as the DevTools protocol wants them."""

from __future__ import annotations

from typing import Any

from terrarium.core.errors import Refused, nearest

_NAMED: dict[str, tuple[int, str]] = {
    "Enter": (13, "\r"), "Tab": (9, ""), "Escape": (27, ""), "Backspace": (8, ""), "Delete": (46, ""),
    "Space": (32, " "), "ArrowLeft": (37, ""), "ArrowUp": (38, ""), "ArrowRight": (39, ""), "ArrowDown": (40, ""),
    "PageUp": (33, ""), "PageDown": (34, ""), "End": (35, ""), "Home": (36, ""),
    **{f"F{number}": (111 + number, "") for number in range(1, 13)},
}  # fmt: skip
_MODIFIERS = {"Alt": 1, "Control": 2, "Meta": 4, "Shift": 8}
_COMMANDS = {"a": "selectAll", "c": "copy", "v": "paste", "x": "cut", "z": "undo"}


def strokes(key: str) -> list[dict[str, Any]]:
    """The key events of a name such as `Enter`, `a` or `Control+a`: down and up.

    Raises:
        Refused: There is no such key.
    """
    *held, last = key.split("+") if len(key) > 1 else [key]
    modifiers = 0
    for name in held:
        if name not in _MODIFIERS:
            raise Refused(f"{name[:40]!r} cannot be held{nearest(name[:40], _MODIFIERS)}; {', '.join(_MODIFIERS)} can")
        modifiers |= _MODIFIERS[name]
    if last in _NAMED:
        code, text = _NAMED[last]
        found: dict[str, Any] = {"key": " " if last == "Space" else last, "code": last, "windowsVirtualKeyCode": code}
    elif len(last) == 1 and last.isprintable():
        found, text = {"key": last, "windowsVirtualKeyCode": ord(last.upper()) & 0xFFFF}, last
    else:
        raise Refused(
            f"there is no key {last[:40]!r}{nearest(last[:40], _NAMED)}; use a name such as Enter, or one sign"
        )
    found["modifiers"] = modifiers
    if text and not modifiers & ~_MODIFIERS["Shift"]:
        found["text"] = text
    down = {"type": "keyDown" if "text" in found else "rawKeyDown", **found}
    if modifiers == _MODIFIERS["Control"] and last in _COMMANDS:
        down["commands"] = [_COMMANDS[last]]
    found.pop("text", None)
    return [down, {"type": "keyUp", **found}]
