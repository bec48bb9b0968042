"""What Larkfield's store has, and what is delivered to it."""

from __future__ import annotations

from random import Random

ITEMS = ("Cuvettes", "Fibre cables", "Gaskets", "Lamps", "Mirrors", "Pump heads", "Slit wheels", "Tripods")

BRIEF = """\
The spreadsheet "Store" in Google Sheets is shared with your service account; its key is at \
/run/secrets/google_credentials, and Python in your sandbox has gspread.

Book the deliveries: for each row of the sheet Deliveries without a "yes" under "booked", add its pieces to "left" \
of that item in the sheet Stock, and put "yes" under "booked". Change no other cell; the formulas stay formulas. \
Deliveries come in while you work, and my colleague works in both sheets, too. When no delivery is open any more, \
write what the stock is worth in all, as the sheet Stock says then, as a number into B1 of the sheet Report."""


def stock(random: Random, items: list[str]) -> list[list[object]]:
    """Rows of the sheet Stock: item, left, price; and the value, a formula."""
    rows = [[item, random.randint(2, 90), random.randint(300, 9000) / 100] for item in items]
    return [[*row, f"=B{number}*C{number}"] for number, row in enumerate(rows, 2)]


def deliveries(random: Random, items: list[str], booked: int, count: int) -> list[list[object]]:
    """Rows of the sheet Deliveries, the first ones of which have been booked."""
    picked = random.choices(items, k=booked + count)
    return [[item, random.randint(3, 40), "yes" if n < booked else ""] for n, item in enumerate(picked)]
