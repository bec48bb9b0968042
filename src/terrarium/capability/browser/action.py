"""What a user does to an element: click, fill, choose, press keys, scroll, with the events a person would cause."""

from __future__ import annotations

import json
from typing import Any

from terrarium.capability.browser.devtools import Denied
from terrarium.capability.browser.keys import strokes
from terrarium.capability.browser.tab import Tab, clean
from terrarium.capability.browser.tree import Element
from terrarium.core.errors import Refused

TEXT_LIMIT = 100_000  # characters typed at once

# Whether a click at a place would reach the element: it is what lies there, in it, around it, or its label.
_REACHED = """function (hit) {
  const mine = (node) => node === this || this.contains(node) || node.contains(this);
  if (mine(hit)) return "";
  const label = hit.closest && hit.closest("label");
  if (label && label.control && mine(label.control)) return "";
  return hit.nodeName.toLowerCase() + (hit.id ? "#" + hit.id : "");
}"""

# Makes a field ready to be typed into, with all that is in it selected; or sets what is not typed, such as a date.
_READY = """function (text) {
  if (this.disabled || this.getAttribute("aria-disabled") === "true") return "it is disabled";
  if (this.readOnly) return "it can only be read";
  const picked = ["date", "time", "month", "week", "datetime-local", "color", "range"];
  if (this.nodeName === "INPUT" && picked.includes(this.type)) {
    Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(this, text);
    if (this.value !== text) return "a " + this.type + " field does not take this text, but such as " +
      ({date: "2030-01-31", time: "13:45", month: "2030-01", week: "2030-W05", "datetime-local": "2030-01-31T13:45",
        color: "#ff0000", range: "5"})[this.type];
    for (const name of ["input", "change"]) this.dispatchEvent(new Event(name, {bubbles: true}));
    return "set";
  }
  const typed = ["INPUT", "TEXTAREA"].includes(this.nodeName);
  if (!typed && !this.isContentEditable) return "one cannot type into it";
  if (typed && ["button", "checkbox", "radio", "file", "submit", "reset", "image"].includes(this.type))
    return "one cannot type into it";
  this.focus();
  if (typed) this.select(); else getSelection().selectAllChildren(this);
  return "";
}"""

_CHOOSE = """function (wanted) {
  if (this.nodeName !== "SELECT") return {error: "it is not a list to choose from; click its options"};
  if (this.disabled) return {error: "it is disabled"};
  const options = [...this.options], label = (it) => it.label.trim().replace(/\\s+/g, " ");
  const chosen = wanted.map((one) => options.find((it) => !it.disabled && (label(it) === one || it.value === one)));
  if (chosen.includes(undefined) || !chosen.length || (chosen.length > 1 && !this.multiple))
    return {error: chosen.length > 1 && !this.multiple ? "one of it can be chosen" : "it has no such option",
      options: options.filter((it) => !it.disabled).slice(0, 50).map((it) => label(it).slice(0, 100))};
  for (const it of options) it.selected = chosen.includes(it);
  for (const name of ["input", "change"]) this.dispatchEvent(new Event(name, {bubbles: true}));
  return {};
}"""


async def click(tab: Tab, element: Element, double: bool = False) -> None:
    """Click in the middle of an element.

    Raises:
        Refused: It cannot be seen, is disabled, or something else covers it.
    """
    if element.states.get("disabled"):
        raise Refused(f"{element.title} is disabled")
    x, y = await _middle(tab, element)
    where = {"x": x, "y": y, "button": "left"}
    await tab.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    for count in (1, 2) if double else (1,):
        for kind in ("mousePressed", "mouseReleased"):
            await tab.call("Input.dispatchMouseEvent", type=kind, clickCount=count, **where)


async def fill(tab: Tab, element: Element, text: str) -> None:
    """Put text into a field, in place of what was in it.

    Raises:
        Refused: One cannot type there, or the text is too long.
    """
    if len(text) > TEXT_LIMIT:
        raise Refused(f"{len(text)} characters are too many; type at most {TEXT_LIMIT} at once")
    text = clean(text, TEXT_LIMIT)
    said = await _ask(tab, element, _READY, text)
    if said == "set":
        return
    if said:
        raise Refused(f"{element.title}: {clean(said, 200)}")
    if text:
        await tab.call("Input.insertText", text=text)
    else:
        await press(tab, "Delete")


async def choose(tab: Tab, element: Element, options: list[str]) -> None:
    """Choose options of a list by label or value.

    Raises:
        Refused: It is no list, or has no such option; says which it has.
    """
    said = await _ask(tab, element, _CHOOSE, options)
    if isinstance(said, dict) and said.get("error"):
        there = said.get("options")
        listed = f"; there are: {clean(json.dumps(there, ensure_ascii=False), 2_000)}" if there else ""
        raise Refused(f"{element.title}: {clean(said['error'], 200)}{listed}")


async def press(tab: Tab, key: str) -> None:
    """Press and release a key.

    Raises:
        Refused: There is no such key.
    """
    for stroke in strokes(key):
        await tab.call("Input.dispatchKeyEvent", **stroke)


async def scroll_to(tab: Tab, element: Element) -> None:
    """Bring an element into view.

    Raises:
        Refused: It has no place on the page.
    """
    try:
        await tab.call("DOM.scrollIntoViewIfNeeded", backendNodeId=element.backend)
    except Denied:
        raise Refused(f"{element.title} cannot be seen on the page") from None


async def scroll(tab: Tab, right: float, down: float) -> None:
    """Scroll the page by so many heights and widths of its window."""
    await tab.evaluate(f"scrollBy({{left: innerWidth * {right!r}, top: innerHeight * {down!r}, behavior: 'instant'}})")


async def _middle(tab: Tab, element: Element) -> tuple[float, float]:
    await scroll_to(tab, element)
    try:
        quads = (await tab.call("DOM.getContentQuads", backendNodeId=element.backend))["quads"]
    except Denied:
        quads = []
    quads = [quad for quad in quads if _area(quad) > 0.5]
    if not quads:
        raise Refused(f"{element.title} cannot be seen on the page")
    x, y = sum(quads[0][0::2]) / 4, sum(quads[0][1::2]) / 4
    try:
        hit = await tab.call("DOM.getNodeForLocation", x=int(x), y=int(y), includeUserAgentShadowDOM=False)
        other = (await tab.call("DOM.resolveNode", backendNodeId=hit["backendNodeId"]))["object"]["objectId"]
        covering = await _ask(tab, element, _REACHED, {"objectId": other})
    except Denied:
        covering = ""  # nothing lies there that could cover it
    if covering:
        raise Refused(f"{element.title} is covered by <{clean(covering, 100)}>; close or move that first")
    return x, y


def _area(quad: list[float]) -> float:
    xs, ys = quad[0::2], quad[1::2]
    return (max(xs) - min(xs)) * (max(ys) - min(ys))


async def _ask(tab: Tab, element: Element, function: str, argument: Any) -> Any:
    """What a function of JavaScript says of an element, as plain data.

    Raises:
        Refused: The element went away.
    """
    given = argument if isinstance(argument, dict) and "objectId" in argument else {"value": argument}
    try:
        thing = (await tab.call("DOM.resolveNode", backendNodeId=element.backend))["object"]["objectId"]
        found = await tab.call(
            "Runtime.callFunctionOn",
            functionDeclaration=function,
            objectId=thing,
            arguments=[given],
            returnByValue=True,
            userGesture=True,
        )
    except Denied:
        raise Refused(f"{element.title} is not on the page any more") from None
    return found.get("result", {}).get("value")
