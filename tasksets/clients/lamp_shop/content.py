"""What the shop sells, and what is wanted from it."""

from __future__ import annotations

from random import Random

NAMES = ("Aurora", "Borealis", "Comet", "Dusk", "Ember", "Firefly")

BRIEF = """\
Order {pieces} lamps of one kind, by your browser, in the shop at https://lamps.example: the cheapest kind that is \
in stock and has at least {lumen} lumen. The reference is {reference}, and delivery is Standard. There shall be one \
order, and nothing else in it."""


def lamps(random: Random, lumen: int) -> list[tuple[str, int, int, bool]]:
    """Name, lumen, price, whether sold out: the first two are what is wanted, the cheaper one first."""
    names = random.sample(NAMES, len(NAMES))
    cheap, dearer, dearest = sorted(random.sample(range(40, 90), 3))
    bright = [lumen + random.randint(0, 300) for _ in names]
    return [
        (names[0], bright[0], cheap, False),
        (names[1], bright[1], dearer, False),
        (names[2], bright[2], dearest, False),
        (names[3], bright[3], cheap - 10, True),
        (names[4], lumen - random.randint(1, 200), cheap - 15, False),
        (names[5], lumen - random.randint(1, 200), cheap - 5, False),
    ]
