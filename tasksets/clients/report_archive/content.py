"""The calibration reports of Larkfield's sites."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from random import Random

SITES = ("aachen", "bergen", "cadiz", "delft")

BRIEF = """\
Calibration reports of our sites come into the S3 bucket "incoming", as JSON. Programs in your sandbox have an \
access key for S3 in their environment, and Python has boto3. You may read "incoming" and write "archive".

Each report whose "state" is "final" is to be in "archive" as <site>/<year>/<name>, where the name is that in \
"incoming", and the year that of the report's "day"; the content as it is, and with the metadata "source": the key \
in "incoming". Drafts are not archived, and what is in the archive already stays as it is. The sites go on working, \
and correct reports, too: you are done when the archive holds every final report as it is then."""


@dataclass(frozen=True)
class Report:
    """A report: who made it, when, and whether it is done."""

    name: str
    site: str
    day: str
    state: str
    offset: int

    @property
    def key(self) -> str:
        """Where it is among the incoming ones."""
        return f"{self.day[5:7]}/{self.name}"

    @property
    def archived(self) -> str:
        """Where it belongs."""
        return f"{self.site}/{self.day[:4]}/{self.name}"

    @property
    def text(self) -> str:
        """Its content."""
        return json.dumps({"site": self.site, "day": self.day, "state": self.state, "offset": self.offset}) + "\n"


def reports(random: Random, count: int) -> list[Report]:
    """Reports of the last two years, about every third of them a draft."""
    numbers = random.sample(range(1000, 9999), count)
    states = ["final", "final", "draft"] * count
    return [
        Report(
            f"cal-{number}.json",
            random.choice(SITES),
            f"{random.choice((2028, 2029))}-{random.randint(1, 12):02}-{random.randint(1, 28):02}",
            state,
            random.randint(-900, 900),
        )
        for number, state in zip(numbers, states, strict=False)
    ]


def finished(report: Report) -> Report:
    """The same report, done."""
    return replace(report, state="final")


def corrected(report: Report) -> Report:
    """The same report with another offset."""
    return replace(report, offset=report.offset + 1)
