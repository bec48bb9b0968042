"""A weekly standup in Berlin, a colleague in New York, and what Dora wants."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from zoneinfo import ZoneInfo

JONAS, DORA, ROSA = (
    "jonas.brandt@larkfield.example",
    "dora.lindqvist@larkfield.example",
    "rosa.delgado@larkfield.example",
)
BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
FIRST_WEEK, WEEKS = date(2030, 3, 4), 7
"""Clocks change in New York on 10 March and in Berlin on 31 March."""

REQUEST = """\
Jonas,

from next week on Rosa Delgado in New York runs the night measurements. Please set up a handover with her, 15 minutes,
which begins the moment our instrument standup ends: after every standup from the week of 4 March to that of 15 April,
both included. The standup is in my calendar "Team", which you can see. It is what it is: leave it alone.

1. Put the handovers into your calendar, with "Handover" in the title, and invite {rosa}, and nobody else.
2. Send her a mail with the subject "Handover times": one line for each handover with its start by the clock on her
   wall, written like "2030-02-28 08:15", and no other times.

Mind the clocks: theirs and ours do not change on the same Sunday. And look at the calendar rather than at your habit,
I have had to move one of the standups.

Dora
"""

# (sender, subject, body)
EARLIER = [
    (
        "Rosa Delgado <rosa.delgado@larkfield.example>",
        "Night runs",
        "Hi Jonas,\n\nlooking forward to it! I am at my desk from 8 to 5 and can take a call at any time. I never know "
        "how far apart we are in March, so please tell me my time, not yours.\n\nRosa",
    ),
    (
        "Canteen <canteen@larkfield.example>",
        "This week's menu",
        "Mon: lentil soup. Tue: pasta with mushrooms. Wed: fish and potatoes. Thu: dumplings. Fri: waffles.",
    ),
]


@dataclass(frozen=True)
class Plan:
    """The standups: by the clock in Berlin, the first one, and one that is moved."""

    first: datetime
    usual: datetime
    """The one that is moved, where it was."""
    moved: datetime

    @property
    def handovers(self) -> list[datetime]:
        """When every handover begins, in UTC."""
        starts = [self.first + timedelta(weeks=week) for week in range(WEEKS)]
        starts = [self.moved if start == self.usual else start for start in starts]
        return [(start + timedelta(minutes=30)).replace(tzinfo=BERLIN).astimezone(UTC) for start in starts]


def plan(random: Random) -> Plan:
    """Tuesday, Wednesday or Thursday afternoon; one standup after the clocks have changed is moved."""
    day = FIRST_WEEK + timedelta(days=random.randint(1, 3))
    first = datetime.combine(day, time(random.randint(14, 16), random.choice((0, 15, 30))))
    usual = first + timedelta(weeks=random.randint(4, WEEKS - 1))
    by = random.choice((timedelta(hours=-1), timedelta(hours=1), timedelta(days=1), timedelta(days=-1, minutes=30)))
    return Plan(first, usual, usual + by)


def new_york(start: datetime) -> str:
    """A moment by the clock in New York."""
    return f"{start.astimezone(NEW_YORK):%Y-%m-%d %H:%M}"
