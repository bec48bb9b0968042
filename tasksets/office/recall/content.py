"""A maker of instruments who has to call units back, the people it takes, and how it is done there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

SAMI = "sami.korhonen@larkfield.example"
INES = "Ines Prado <ines.prado@larkfield.example>"
TECHNICIANS = {"chidi": "Chidi Eze", "elif": "Elif Aydin", "hugo": "Hugo Marchand"}
PRODUCTS = ("LX-200", "LX-80", "FX-3")
PARTS = ("lamp", "pump head", "power supply")
CUSTOMERS = (
    ("Kestrel Optics", "h.marsh@kestrel-optics.example"),
    ("Blue Fjord Aquaculture", "ingrid@bluefjord.example"),
    ("Evergreen Pulp", "aino.salmi@evergreen-pulp.example"),
    ("Glasshouse Botanics", "emma@glasshouse.example"),
    ("Northgate Labs", "lab@northgate.example"),
    ("Tern Marine", "office@tern-marine.example"),
)

SCHEMA = """
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, email text NOT NULL);
CREATE TABLE units (serial text PRIMARY KEY, product text NOT NULL, customer int NOT NULL REFERENCES customers,
    returned date);
CREATE TABLE parts (serial text REFERENCES units, part text, lot text NOT NULL, PRIMARY KEY (serial, part));
CREATE TABLE recalls (serial text PRIMARY KEY REFERENCES units, lot text NOT NULL,
    status text NOT NULL CHECK (status IN ('open', 'closed')));
COMMENT ON COLUMN units.returned IS 'When it came back for good; empty while the customer has it.';
"""

RULES = """\
# How we do recalls

- Concerned is every unit that a customer has and that has a part of the lot in it. The database knows: parts, units.
- Each unit concerned has a row in the table recalls, with the status open. When it has come back, the status is \
closed. A unit that was never concerned has none.
- There is one event in the coordinator's calendar, "Recall <lot>", of 60 minutes, with the technician for the \
product (database Technicians) invited: at the first time when both are free from tomorrow on, from 09:00 to 17:00, \
on the hour or at half past. If it has to be at another time, it is the same event that moves.
- There is one entry in the database Recalls: the lot, how many units are open, the day of the event.
- Each customer who has such units gets one mail, "Recall <lot>", with the serial numbers of their units and the \
day, like 2030-02-28. Nobody is told what others have. When the day changes, whoever still has a unit gets a new mail.

All times are UTC.
"""
FAULTY = """\
Sami,

the {part}s of lot {lot} fail after some hundred hours. They went into the {product}. Please start a recall; you know \
the page in Notion.

Ines
"""
CORRECTED = """\
Sami,

two things about {lot}: production has found that its records were not complete, and the warehouse has booked what \
has come back since. Also, {technician} cannot make it before {day} 13:00. Please bring all of it up to date, in the \
same way as before.

Ines
"""
EARLIER = ("Harbour fees", "The canteen is closed on Friday.", "canteen@larkfield.example")

MONDAY = datetime(2030, 1, 7)
LENGTH, STEP = timedelta(minutes=60), timedelta(minutes=30)
STARTS = [MONDAY + timedelta(days=day, hours=9) + STEP * half for day in range(1, 5) for half in range(15)]
Period = tuple[datetime, datetime]


@dataclass
class Unit:
    """A unit: whose, which lot of each part, and whether it is back."""

    serial: str
    product: str
    customer: int
    lots: dict[str, str]
    returned: bool = False


@dataclass
class Fault:
    """What is wrong, and what there is to it."""

    product: str
    part: str
    lot: str
    units: list[Unit]

    def concerned(self, unit: Unit) -> bool:
        """Whether it has a part of the lot, wherever it is."""
        return unit.lots[self.part] == self.lot

    def open(self) -> list[Unit]:
        """The units that customers have."""
        return [unit for unit in self.units if self.concerned(unit) and not unit.returned]


def fault(random: Random) -> Fault:
    """Four units of three customers are concerned, one more is back already; one of the lot is not on record yet."""
    product, part = random.choice(PRODUCTS), random.choice(PARTS)
    lots = [f"L-{number}" for number in random.sample(range(2000, 9999), 4)]
    serials = random.sample(range(10000, 99999), 20)
    owners = random.sample(range(len(CUSTOMERS)), 4)
    bad = [owners[0], owners[0], owners[1], owners[2], owners[2]]
    units = []
    for place, serial in enumerate(serials):
        faulty = place < len(bad)
        own = {each: random.choice(lots[1:]) for each in PARTS}
        if faulty:
            own[part] = lots[0]
        elif place == 5:  # the same number on another part means nothing
            own[next(each for each in PARTS if each != part)] = lots[0]
        customer = bad[place] if faulty else owners[3] if place == 6 else random.randrange(len(CUSTOMERS))
        units.append(Unit(f"SN{serial}", product if place < 7 else random.choice(PRODUCTS), customer, own))
    units[4].returned = True
    return Fault(product, part, lots[0], units)


@dataclass(frozen=True)
class Week:
    """When the coordinator and the technician are busy, and what follows from it."""

    busy: dict[str, list[Period]]
    first: datetime
    not_before: datetime
    second: datetime


def week(random: Random, technician: str) -> Week:
    """A week in which the two times exist, and the first is wrong for whoever looks at one calendar only."""
    for _ in range(100_000):
        busy = {who: _meetings(random) for who in ("sami", *TECHNICIANS)}
        two = [busy["sami"], busy[technician]]
        first = _free(two, MONDAY + timedelta(days=1))
        if first is None or first > MONDAY + timedelta(days=3) or first in (_free([one], STARTS[0]) for one in two):
            continue
        not_before = datetime.combine(first.date(), datetime.min.time()) + timedelta(days=1, hours=13)
        second = _free(two, not_before)
        if second is not None and second > not_before:
            return Week(busy, first, not_before, second)
    raise LookupError("no such week was drawn")


def _meetings(random: Random) -> list[Period]:
    """Two to four meetings a day, from Tuesday to Friday."""
    found = []
    for day in range(1, 5):
        at = MONDAY + timedelta(days=day, hours=9)
        for _ in range(random.randint(2, 4)):
            at += STEP * random.randint(0, 3)
            end = at + STEP * random.randint(1, 4)
            found.append((at, end))
            at = end
    return found


def _free(calendars: list[list[Period]], at: datetime) -> datetime | None:
    """The first start at `at` or later at which nobody has anything for as long as it takes."""
    taken = [period for periods in calendars for period in periods]
    possible = (start for start in STARTS if start >= at)
    return next((s for s in possible if all(end <= s or begin >= s + LENGTH for begin, end in taken)), None)
