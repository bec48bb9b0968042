"""The databases of pages (IndexedDB) as text: read from a page, and made again on an empty page of the same origin.

They are read in a world of scripts of its own, where nothing that the page has replaced is met.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

CONTENT_LIMIT = 256 * 1024  # characters and bytes of values in the databases of one origin; what has more is not kept
COUNT_LIMIT = 20  # databases of one origin

_READ = """(() => {
  const wait = (request) => new Promise((done, fail) => {
    request.onsuccess = () => done(request.result);
    request.onerror = request.onblocked = () => fail(request.error);
  });
  let room = 0;
  const told = (value, depth = 0) => {
    if (depth > 50) throw new Error("deep");
    const list = (values) => Array.from(values, (each) => told(each, depth + 1));
    if (value === null || typeof value === "boolean") return value;
    if (typeof value === "string") { if ((room -= value.length) < 0) throw new Error("large"); return value; }
    if (typeof value === "number") return Number.isFinite(value) && !Object.is(value, -0) ? value : ["n",
      Object.is(value, -0) ? "-0" : String(value)];
    if (typeof value === "undefined") return ["u"];
    if (typeof value === "bigint") return ["i", String(value)];
    const kind = Object.prototype.toString.call(value).slice(8, -1);
    if (kind === "Array") return ["a", list(value)];
    if (kind === "Object") return ["o", Object.keys(value).map((key) => [key, told(value[key], depth + 1)])];
    if (kind === "Date") return ["d", told(value.getTime())];
    if (kind === "Map") return ["m", Array.from(value, (pair) => list(pair))];
    if (kind === "Set") return ["s", list(value)];
    if (kind === "RegExp") return ["r", value.source, value.flags];
    if (kind === "ArrayBuffer" || ArrayBuffer.isView(value)) {
      const bytes = kind === "ArrayBuffer" ? new Uint8Array(value)
        : new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
      if ((room -= bytes.length) < 0) throw new Error("large");
      return ["b", kind, btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""))];
    }
    throw new Error("of no plain kind");
  };
  const all = (store) => new Promise((done, fail) => {
    const found = [], request = store.openCursor();
    request.onerror = () => fail(request.error);
    request.onsuccess = () => {
      const cursor = request.result;
      if (!cursor) { done(found); return; }
      try {
        if ((room -= 10) < 0) throw new Error("large");
        found.push([told(cursor.primaryKey), told(cursor.value)]);
        cursor.continue();
      } catch (error) { fail(error); }
    };
  });
  const one = async (name) => {
    const database = await wait(indexedDB.open(name));
    database.onversionchange = () => database.close();
    try {
      const stores = [], names = [...database.objectStoreNames];
      const reading = names.length ? database.transaction(names) : null;
      for (const name of names) {
        const store = reading.objectStore(name);
        const indexes = [...store.indexNames].map((name) => {
          const index = store.index(name);
          return [name, index.keyPath, {unique: index.unique, multiEntry: index.multiEntry}];
        });
        stores.push([name, {keyPath: store.keyPath, autoIncrement: store.autoIncrement}, indexes, await all(store)]);
      }
      return JSON.stringify([database.version, stores]);
    } finally { database.close(); }
  };
  const every = async () => {
    let left = %(limit)d;
    const found = [], names = (await indexedDB.databases()).map((each) => each.name).sort();
    for (const name of names.slice(0, %(count)d)) {
      room = left;
      try { found.push([name, await one(name)]); left = room; } catch (error) { found.push([name, null]); }
    }
    return found;
  };
  return Promise.race([every(), new Promise((done) => setTimeout(done, 2000, null))]);
})()"""

_WRITE = """(async (given) => {
  const meant = (value) => {
    if (!Array.isArray(value)) return value;
    const [kind, ...parts] = value;
    if (kind === "n") return Number(parts[0]);
    if (kind === "i") return BigInt(parts[0]);
    if (kind === "a") return parts[0].map(meant);
    if (kind === "o") return Object.fromEntries(parts[0].map(([key, each]) => [key, meant(each)]));
    if (kind === "d") return new Date(meant(parts[0]));
    if (kind === "m") return new Map(parts[0].map((pair) => pair.map(meant)));
    if (kind === "s") return new Set(parts[0].map(meant));
    if (kind === "r") return new RegExp(parts[0], parts[1]);
    if (kind === "b") {
      const {buffer} = Uint8Array.from(atob(parts[1]), (letter) => letter.charCodeAt(0));
      return parts[0] === "ArrayBuffer" ? buffer : new globalThis[parts[0]](buffer);
    }
    return undefined;
  };
  for (const [name, text] of given) {
    const [version, stores] = JSON.parse(text);
    await new Promise((done, fail) => {
      const opening = indexedDB.open(name, version);
      opening.onerror = opening.onblocked = () => fail(opening.error);
      opening.onsuccess = () => { opening.result.close(); done(); };
      opening.onupgradeneeded = () => {
        for (const [name, options, indexes, rows] of stores) {
          const store = opening.result.createObjectStore(name, options);
          for (const [name, path, more] of indexes) store.createIndex(name, path, more);
          for (const [key, value] of rows)
            options.keyPath === null ? store.put(meant(value), meant(key)) : store.put(meant(value));
        }
      };
    });
  }
  return true;
})(%s)"""

READ = _READ % {"limit": CONTENT_LIMIT, "count": COUNT_LIMIT}
"""Gives [name, text or null] of every database of the origin; null where there was no time for it."""


def write(databases: Mapping[str, str]) -> str:
    """A script that makes these databases, by name, on a page of an origin that has none; true once they are there."""
    return _WRITE % json.dumps(sorted(databases.items()))
