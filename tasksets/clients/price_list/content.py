"""The price list of a supplier, as its API gives it."""

from __future__ import annotations

import json
from random import Random

HOST = "api.norrland-optics.example"
RESULT = "/root/prices.csv"
PARTS = ("lens", "prism", "mirror", "grating", "filter", "beam splitter", "fibre", "window", "diffuser", "polariser")
PAGE = 4

BRIEF = f"""\
Fetch the price list of our supplier Norrland Optics into {RESULT}, with the header "part,price" and a line for each \
part, in the order of the parts. curl and Python are in your sandbox; how the list is had stands at https://{HOST}/."""

MANUAL = """\
Norrland Optics price list

GET /v1/prices            the first page, as JSON
{"edition": 12, "prices": [{"part": "...", "cents": 1250, "sold": true}, ...], "next": "/v1/prices?after=..."}

- Follow "next" until it is null. Prices are in cents; write them in euros with two digits, such as 12.50.
- A part with "sold": false is not for sale and has no place in a list.
- All pages of a list are of one edition. Where the edition changes while you read, begin again with the first page.
- 503 means that we are busy: ask again.
"""


def prices(random: Random) -> dict[str, tuple[int, bool]]:
    """Cents of each part, and whether it is sold."""
    names = [f"{part} {size}" for part in PARTS for size in ("12 mm", "25 mm", "50 mm")]
    picked = sorted(random.sample(names, 14))
    unsold = random.sample(picked, 3)
    return {name: (random.randint(500, 90000), name not in unsold) for name in picked}


def corrected(random: Random, known: dict[str, tuple[int, bool]]) -> dict[str, tuple[int, bool]]:
    """The next edition: three other prices, one of them on the first page, and a part that is sold no more."""
    names = list(known)
    changed = [random.choice(names[:PAGE]), *random.sample(names[PAGE:], 2)]
    found = {name: (random.randint(500, 90000), True) if name in changed else told for name, told in known.items()}
    gone = random.choice([name for name, (_, sold) in found.items() if sold and name not in changed])
    return found | {gone: (found[gone][0], False)}


def pages(edition: int, known: dict[str, tuple[int, bool]]) -> dict[str, str]:
    """Body of each page by its path and query."""
    rows = [{"part": part, "cents": cents, "sold": sold} for part, (cents, sold) in known.items()]
    found = {}
    for start in range(0, len(rows), PAGE):
        more = f"/v1/prices?after={start + PAGE}" if start + PAGE < len(rows) else None
        path = f"/v1/prices?after={start}" if start else "/v1/prices"
        found[path] = json.dumps({"edition": edition, "prices": rows[start : start + PAGE], "next": more})
    return found


def as_csv(known: dict[str, tuple[int, bool]]) -> str:
    """The file that is asked for."""
    return "part,price\n" + "".join(f"{part},{cents / 100:.2f}\n" for part, (cents, sold) in known.items() if sold)
