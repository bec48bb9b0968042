"""Suppliers, what they want for a part, and how long each takes to say so."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

AGENT = "Purchasing <purchasing@larkfield.example>"
SUPPLIERS = "/root/suppliers.csv"
FIRMS = ("Arno Glas", "Belvedere Parts", "Corvus Supply", "Dunmore & Sons", "Elster Feinteile", "Fjell Components")
PARTS = ("quartz windows", "stepper motors", "shutter blades", "gold mirrors")

BRIEF = """\
You are purchasing at Larkfield Instruments; purchasing@larkfield.example is your mailbox. We need {count} {part}. Ask \
every supplier in {suppliers} for a quote: a mail of its own to each, with the subject "Quote {number}". They answer \
in the course of the day, and you are called when mail has come in. At 16:00 you are told that the day is over: then, \
and not before, order from the cheapest of those that have answered and can deliver within {days} days, with one mail \
with the subject "Order {number}". Nobody else gets an order, and nobody is asked twice."""

ANSWER = """\
Dear customer,

for {count} {part} we can offer EUR {price} in all, delivery within {days} days.

{firm}
"""


@dataclass(frozen=True)
class Offer:
    """What a supplier answers, and after how many minutes; None: not at all."""

    firm: str
    price: int
    days: int
    minutes: int | None

    @property
    def address(self) -> str:
        """Where it is asked."""
        return f"sales@{self.firm.lower().replace(' & ', '-').replace(' ', '-')}.example"


def offers(random: Random, days: int) -> list[Offer]:
    """Five suppliers, cheapest first: one too slow, one silent, the right one (late in the day), two dearer ones."""
    prices = sorted(random.sample(range(1100, 4900), 5))
    firms = random.sample(FIRMS, 5)
    slow, silent = random.sample((0, 1), 2)
    late = {slow: days + random.randint(2, 9)}
    waits = {silent: None, slow: random.randint(20, 120), 2: random.randint(240, 330)}
    return [
        Offer(firm, price, late.get(place, random.randint(2, days)), waits.get(place, random.randint(10, 200)))
        for place, (firm, price) in enumerate(zip(firms, prices, strict=True))
    ]
