"""What the technicians of Larkfield know about their instrument, and what a beginner asks."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

AGENT = "Jonas Brandt <jonas.brandt@larkfield.example>"
NOOR = "Noor Jansen <noor.jansen@larkfield.example>"
GUIDE, NOTES, CODES = "/root/guide.md", "/root/notes", "/root/notes/codes.csv"
TECHNICIANS = ("Bram", "Elif", "Hugo", "Mei", "Oskar")

# topic -> (what, unit, the least and the most)
TOPICS = {
    "Lamp": (
        ("torque of the lamp screws", "Ncm", 40, 95),
        ("warm-up time", "minutes", 15, 55),
        ("lamp current", "mA", 310, 690),
    ),
    "Grating": (
        ("angle of the end stop", "degrees", 21, 67),
        ("gap at the mount", "mm", 2, 9),
        ("lines of the grating", "per mm", 300, 1800),
    ),
    "Detector": (
        ("working temperature", "kelvin", 210, 255),
        ("bias voltage", "V", 24, 88),
        ("dark counts allowed", "cps", 110, 480),
    ),
    "Pump": (
        ("flow in the cell", "ml/min", 12, 48),
        ("pressure limit", "kPa", 105, 290),
        ("rinsing time", "seconds", 20, 95),
    ),
}

BRIEF = f"""\
You are Jonas Brandt at Larkfield Instruments; jonas.brandt@larkfield.example is your mailbox. Noor Jansen begins as a \
service technician today and needs a guide to the LX-200. What we know stands in {NOTES}, one file for each topic, as \
remarks of several years: where they differ, the latest one counts.

Write {GUIDE}: a section for each topic, headed "## Lamp" and so on, with every figure that she needs there, in the \
unit that the notes have, and none that is out of date. End it with a line "Start with: <topic>" that says which topic \
she should try first; that is up to you. Noor reads the guide each time you have finished, and writes to you."""

MISSING = """\
Hi Jonas,

thanks for the guide! I have read it with a screwdriver in my hand, and I cannot work with it yet:

{questions}

Could you add that? I will look again.

Noor
"""

NO_START = """\
Hi Jonas,

now I understand it all. But the guide does not say where I should begin. Could you add the line "Start with: ..."?

Noor
"""

TRIED = """\
Hi Jonas,

great, now it is all there. I have begun with the {topic}, as the guide says, and set the {what} to {value}. Now the
instrument shows {code}. Which part do I have to order? The number will do.

Noor
"""


@dataclass(frozen=True)
class Fact:
    """A figure: what it is of, what it is, and what it was before."""

    topic: str
    what: str
    unit: str
    value: int
    before: int

    def stands_in(self, text: str, value: int | None = None) -> bool:
        """Whether a text has the figure, or another one in its place."""
        number = self.value if value is None else value
        return re.search(rf"(?<![\d.,]){number}\s*{re.escape(self.unit)}(?!\w)", text) is not None


def facts(random: Random) -> list[Fact]:
    """Three figures of each topic, with the older ones."""
    found = []
    for topic, told in TOPICS.items():
        for what, unit, least, most in told:
            value, before = random.sample(range(least, most), 2)
            found.append(Fact(topic, what, unit, value, before))
    return found


def notes(random: Random, known: list[Fact]) -> str:
    """The remarks on a topic, oldest first; two of three figures have been another one before."""
    changed = random.sample(known, 2)
    remarks = [(fact, fact.before) for fact in changed] + random.sample(
        [(fact, fact.value) for fact in known], len(known)
    )
    day, lines = date(2027, 2, 1), []
    for fact, value in remarks:
        day += timedelta(days=random.randint(20, 180))
        lines.append(f"{day} {random.choice(TECHNICIANS)}: {fact.what}: {value} {fact.unit}")
    return "\n".join(lines) + "\n"


def codes(random: Random) -> list[dict[str, str]]:
    """What to order at which error: the same codes mean another part with every topic."""
    numbers = iter(random.sample(range(10000, 99999), 3 * len(TOPICS)))
    shown = [f"E{number}" for number in random.sample(range(10, 99), 3)]
    return [{"topic": topic, "code": code, "part": f"P-{next(numbers)}"} for topic in TOPICS for code in shown]


def sections(guide: str) -> dict[str, str]:
    """The text below each heading of a topic."""
    found = {}
    for part in re.split(r"(?m)^#+[ \t]*", guide)[1:]:
        heading, _, text = part.partition("\n")
        topic = next((topic for topic in TOPICS if topic.lower() in heading.lower()), None)
        if topic is not None:
            found[topic] = found.get(topic, "") + text
    return found


def start_with(guide: str) -> str | None:
    """The topic that the guide says one should begin with."""
    said = re.findall(rf"(?mi)^\W*start with\W+({'|'.join(TOPICS)})\b", guide)
    return said[-1].capitalize() if said else None


def as_csv(rows: list[dict[str, str]]) -> str:
    """The rows as a CSV file."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
