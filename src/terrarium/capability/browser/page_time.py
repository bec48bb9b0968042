"""What pages see as the time: that of the world, when an action begins, from where it runs on as real time does.

Chromium itself has the time of the machine: under a library that shows processes another time it does not live long.
"""

from __future__ import annotations

_SCRIPT = """(() => {
  const key = Symbol.for("world.time");
  if (globalThis[key]) { globalThis[key](%d); return; }
  const Real = Date, now = Real.now.bind(Real);
  let ahead = %d;
  Object.defineProperty(globalThis, key, { value: (milliseconds) => { ahead = milliseconds; } });
  const World = function Date(...given) {
    if (!new.target) return new Real(now() + ahead).toString();
    return Reflect.construct(Real, given.length ? given : [now() + ahead], new.target);
  };
  Object.defineProperties(World, Object.getOwnPropertyDescriptors(Real));
  Object.defineProperty(World, "now", { value: { now() { return now() + ahead; } }.now, writable: true,
    configurable: true });
  Real.prototype.constructor = World;
  globalThis.Date = World;
})()"""


def script(ahead: int) -> str:
    """What a page runs before anything of its own, and again when time has moved.

    Args:
        ahead: Milliseconds by which the world is ahead of this machine.
    """
    return _SCRIPT % (ahead, ahead)
