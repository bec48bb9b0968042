"""A customer who wants a demonstration, the people who can give it, and when they can."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

JONAS = "jonas.brandt@larkfield.example"
SKILLS, UNITS, VISITS = "/root/team/skills.csv", "/root/team/demo_units.csv", "/root/visits"

PEOPLE = {
    "chidi": "Chidi Eze",
    "elif": "Elif Aydin",
    "hugo": "Hugo Marchand",
    "keiko": "Keiko Tanaka",
    "mei": "Mei Chen",
}
PRODUCTS = ("LX-200 spectrometer", "LX-80 handheld", "FX-3 flow cell")
CUSTOMERS = (
    ("Kestrel Optics", "Helen Marsh", "h.marsh@kestrel-optics.example"),
    ("Blue Fjord Aquaculture", "Ingrid Moen", "ingrid@bluefjord.example"),
    ("Evergreen Pulp", "Aino Salmi", "aino.salmi@evergreen-pulp.example"),
    ("Glasshouse Botanics", "Emma Thorne", "emma@glasshouse.example"),
)

ASKED = """\
Dear Mr Brandt,

we are thinking about the {product} and would like to see it before we decide. Could we visit you this week, from
Tuesday on? Any hour of your working day will do, the sooner the better.

Kind regards
{person}
{company}
"""

LATER = """\
Dear Mr Brandt,

thank you! I am afraid that our train connection does not work out that way. Could it be a little later, at the first
possible time from {day} 13:00 on? Nothing else changes.

{person}
"""

RULES = """\
# How we do customer visits

- A visit is a demonstration of 90 minutes, within working hours: 09:00 to 17:00, on the hour or at half past.
- Both colleagues who are trained on the product (team/skills.csv) are there, and so is the coordinator. It takes place
  at the first time when all three of them are free.
- It is one event in the coordinator's calendar, called "Visit <company>"; both colleagues are invited, nobody else. A
  visit that moves is the same event at another time.
- The customer gets a reply with the time, written like "2030-02-28 09:30", and with no other time in it.
- There is one sheet for each visit, visits/<company>.md, with these four lines, and it is kept up to date:

      Customer: <company>
      Start: <like 2030-02-28 09:30>
      Unit: <serial number of a demo unit of the product that is not on loan (team/demo_units.csv)>
      With: <names of both colleagues>

All times are UTC.
"""

# (sender, subject, body)
EARLIER = [
    (
        "Canteen <canteen@larkfield.example>",
        "This week's menu",
        "Mon: lentil soup. Tue: pasta with mushrooms. Wed: fish and potatoes. Thu: dumplings. Fri: waffles.",
    ),
    (
        "Dora Lindqvist <dora.lindqvist@larkfield.example>",
        "Customer visits",
        "Jonas,\n\nI have written down how we do customer visits, see /root/VISITS.md. Please stick to it.\n\nDora",
    ),
]

MONDAY = datetime(2030, 1, 7)
LENGTH, STEP = timedelta(minutes=90), timedelta(minutes=30)
STARTS = [MONDAY + timedelta(days=day, hours=9) + STEP * half for day in range(1, 5) for half in range(14)]
"""Whenever a visit can begin and end within working hours, from Tuesday to Friday."""
Period = tuple[datetime, datetime]


@dataclass(frozen=True)
class Week:
    """When everybody is busy, and what follows from it."""

    busy: dict[str, list[Period]]
    pair: list[str]
    first: datetime
    """The first time for the visit."""
    not_before: datetime
    second: datetime
    """The first time from `not_before` on."""


def week(random: Random) -> Week:
    """A week in which the two times exist, and the first is wrong for whoever leaves one of the three out."""
    for _ in range(100_000):
        pair = sorted(random.sample(sorted(PEOPLE), 2))
        busy = {person: _meetings(random) for person in ("jonas", *pair)}
        three = [busy[person] for person in ("jonas", *pair)]
        first = _free(three, MONDAY + timedelta(days=1))
        if first is None or first > MONDAY + timedelta(days=3):
            continue
        not_before = datetime.combine(first.date(), datetime.min.time()) + timedelta(days=1, hours=13)
        second = _free(three, not_before)
        pairs = [_free([p for p in three if p is not out], MONDAY + timedelta(days=1)) for out in three]
        if second is not None and second > not_before and first not in pairs:
            busy |= {person: _meetings(random) for person in sorted(PEOPLE) if person not in pair}
            return Week(busy, pair, first, not_before, second)
    raise LookupError("no such week was drawn")


def _meetings(random: Random) -> list[Period]:
    """Two or three meetings a day, from Tuesday to Friday."""
    found = []
    for day in range(1, 5):
        at = MONDAY + timedelta(days=day, hours=9)
        for _ in range(random.randint(2, 3)):
            at += STEP * random.randint(0, 3)
            end = at + STEP * random.randint(2, 5)
            found.append((at, end))
            at = end
    return found


def _free(calendars: list[list[Period]], at: datetime) -> datetime | None:
    """The first start at `at` or later at which nobody has anything for the length of a visit."""
    taken = [period for periods in calendars for period in periods]
    possible = (start for start in STARTS if start >= at)
    return next((s for s in possible if all(end <= s or begin >= s + LENGTH for begin, end in taken)), None)


def skills(random: Random, product: str, pair: list[str]) -> list[dict[str, str]]:
    """Who is trained on what: on the product it is exactly the pair."""
    rows = []
    for person, name in PEOPLE.items():
        known = [other for other in PRODUCTS if other != product and random.random() < 0.6]
        known += [product] if person in pair else []
        address = name.lower().replace(" ", ".") + "@larkfield.example"
        rows.append({"name": name, "email": address, "trained_on": "; ".join(sorted(known))})
    return rows


def units(random: Random, product: str) -> tuple[list[dict[str, str]], str]:
    """(the demo units, three of each product; the serial number of the one that is in the house)."""
    rows, serials = [], iter(random.sample(range(1000, 9999), 9))
    for other in PRODUCTS:
        here = random.randrange(3)
        for place in range(3):
            loan = "in the house" if place == here else "on loan"
            rows.append({"serial": f"D-{next(serials)}", "product": other, "where": loan})
    random.shuffle(rows)
    return rows, next(r["serial"] for r in rows if r["product"] == product and r["where"] == "in the house")


def as_csv(rows: list[dict[str, str]]) -> str:
    """The rows as a CSV file."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
