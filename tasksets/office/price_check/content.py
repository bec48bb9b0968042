"""A supplier's price list as a page, and the invoices that came from them."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

SITE = "corvus-supply.example"
PARTS = (
    "fibre coupler", "gold mirror", "heat sink", "O-ring set", "quartz window", "shutter blade", "stepper motor",
)  # fmt: skip

RULES = """\
# Checking invoices of Corvus Supply

They are bound to the price list on their site, https://{site}/ (the one for resellers, which we are), as it stands when
the day is over: they correct it now and then, also in the middle of a day.

- An invoice is right if the price of each part is that of the list, and what it adds up to is right.
- Copy every invoice in the bucket `incoming` as it is: a right one to `approved`, any other one to `disputed`, as
  `<number>.txt`. In the end each of them is in exactly one of the two.
- Nothing in `incoming` is changed or removed: that is for the auditors. Neither is what others have filed.
"""

HOME = """\
<html><head><title>Corvus Supply</title></head><body>
<h1>Corvus Supply</h1>
<p>{banner}</p>
<ul><li><a href="/prices/retail.html">Prices for retail customers</a></li>
<li><a href="{page}">Prices for resellers</a></li></ul>
</body></html>
"""
LIST = """\
<html><head><title>{title}</title></head><body>
<h1>{title}</h1>
<table><tr><th>Part</th><th>EUR each</th></tr>
{rows}
</table></body></html>
"""
INVOICE = """\
Corvus Supply                                   Invoice {number}

{lines}

Total EUR {total}
"""


@dataclass(frozen=True)
class Invoice:
    """What is charged: pieces and price of each part; the total may be wrong."""

    number: str
    lines: dict[str, tuple[int, int]]
    total: int

    def text(self) -> str:
        """As it came."""
        lines = "\n".join(f"{pieces:3} x {part} at EUR {price}" for part, (pieces, price) in self.lines.items())
        return INVOICE.format(number=self.number, lines=lines, total=self.total)

    def right(self, prices: dict[str, int]) -> bool:
        """Whether it is, by a list."""
        charged = sum(pieces * price for pieces, price in self.lines.values())
        return charged == self.total and all(prices[part] == price for part, (_, price) in self.lines.items())


def page(title: str, prices: dict[str, int]) -> str:
    """A price list."""
    rows = "\n".join(f"<tr><td>{part}</td><td>{price}</td></tr>" for part, price in prices.items())
    return LIST.format(title=title, rows=rows)


def invoice(random: Random, number: str, prices: dict[str, int], only: set[str], fault: str = "") -> Invoice:
    """One over three parts of `only`; `fault`: `price` or `total`, by how much is drawn."""
    parts = random.sample(sorted(only), 3)
    lines = {part: (random.randint(2, 20), prices[part]) for part in parts}
    if fault == "price":
        pieces, price = lines[parts[1]]
        lines[parts[1]] = (pieces, price + random.randint(1, 5))
    total = sum(pieces * price for pieces, price in lines.values())
    return Invoice(number, lines, total + (random.randint(3, 30) if fault == "total" else 0))


def prices(random: Random) -> dict[str, int]:
    """What each part costs."""
    return dict(zip(PARTS, random.sample(range(12, 95), len(PARTS)), strict=True))
