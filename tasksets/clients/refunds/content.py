"""The charges of Larkfield's web shop."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

TABLES = """
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, card text NOT NULL);
CREATE TABLE charges (
    id int PRIMARY KEY,
    customer int NOT NULL REFERENCES customers,
    invoice text NOT NULL,
    amount numeric(10, 2) NOT NULL,
    status text NOT NULL CHECK (status IN ('paid', 'failed', 'refunded'))
);
CREATE TABLE refunds (charge int PRIMARY KEY REFERENCES charges, amount numeric(10, 2) NOT NULL);
GRANT SELECT (id, name) ON customers TO clerk;
GRANT SELECT, UPDATE ON charges TO clerk;
GRANT SELECT, INSERT, UPDATE, DELETE ON refunds TO clerk;
"""

NAMES = ("Kestrel Optics", "Aurum Refining", "Blue Fjord", "Castellan Ceramics", "Delta Water Board", "Foxglove Pharma")

BRIEF = """\
Larkfield's web shop has charged some customers twice. You work on its PostgreSQL database as the role "clerk": \
psql, psycopg and other clients find it without being told where, and Python in your sandbox has psycopg.

A charge is to be paid back where the same customer has paid an earlier charge (with a lower id) of the same amount \
for the same invoice. Charges that have failed were never paid; two different amounts for an invoice are two parts \
of it. To pay a charge back means: a row in refunds with the charge and its amount, and the status "refunded" in \
charges. Change nothing else.

The shop is open and goes on charging. You are done when there is nothing left to pay back."""


@dataclass(frozen=True)
class Charge:
    """A row of `charges`, and whether it has to be paid back."""

    id: int
    customer: int
    invoice: str
    amount: str
    status: str = "paid"
    double: bool = False

    @property
    def row(self) -> list[object]:
        """Its values, in the order of the columns."""
        return [self.id, self.customer, self.invoice, self.amount, self.status]


def charges(random: Random, first: int, doubles: int) -> list[Charge]:
    """Charges from an id upward: single ones, double ones, parts of an invoice, second tries."""
    found: list[Charge] = []
    kinds = ["double"] * doubles + ["single", "parts", "failed"] * 2
    random.shuffle(kinds)
    for kind in kinds:
        customer, invoice = random.randint(1, len(NAMES)), f"LK-{first + len(found)}"
        amount, other = (f"{random.randint(20, 999)}.{random.randint(10, 99)}" for _ in range(2))
        told = {
            "single": [(amount, "paid", False)],
            "double": [(amount, "paid", False), (amount, "paid", True)],
            "parts": [(amount, "paid", False), (f"1{other}", "paid", False)],
            "failed": [(amount, "failed", False), (amount, "paid", False)],
        }[kind]
        for value, status, double in told:
            found.append(Charge(first + len(found), customer, invoice, value, status, double))
    return found
