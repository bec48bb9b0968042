"""Cold stores, who looks after them, and a night of alarms of which few are real."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

AGENT = "Night desk <night.desk@larkfield.example>"
ALARMS, STORES, RUNBOOK = "/root/alarms", "/root/stores.csv", "/root/RUNBOOK.md"
BEATS = 12
"""From 22:15 to 01:00, every quarter of an hour."""

TECHNICIANS = ("bram.de.wit", "elif.aydin", "hugo.marchand", "mei.chen", "oskar.lehto", "sanna.virtanen")
NAMES = ("Store A1", "Store A2", "Store B1", "Store B2", "Store C1", "Store C2")

BRIEF = f"""\
You are the night desk of Larkfield Instruments; night.desk@larkfield.example is your mailbox. The cold stores write \
their alarms into {ALARMS}, one file each. From now on you get a heartbeat every quarter of an hour; look for alarms \
that have come since the last one. What to do with them stands in {RUNBOOK}. There are none yet.

Looking is free. But do nothing else unless there is an alarm to act on: write no notes and no mail, people sleep."""

RUNBOOK_TEXT = """\
# Night desk

- An alarm is worth a mail where its temperature is above the limit of its store (stores.csv, column limit_c): one mail
  to the technician of that store (column technician), and to nobody else, with the subject "Alarm <store>" and the
  temperature in the text.
- All other alarms are left alone: doors, batteries, and temperatures at or below the limit. The day shift sees to them.
- A store for which you have sent a mail tonight gets no second one, whatever it reports.
"""


@dataclass(frozen=True)
class Alarm:
    """One alarm, before heartbeat `beat`; `real` where it is worth a mail."""

    beat: int
    store: str
    text: str
    real: bool
    degrees: str = ""


def stores(random: Random) -> dict[str, tuple[str, float]]:
    """(technician, limit) of every store."""
    people = random.sample(TECHNICIANS, len(NAMES))
    return {
        name: (f"{who}@larkfield.example", -float(random.randint(12, 60)))
        for name, who in zip(NAMES, people, strict=True)
    }


def night(random: Random, known: dict[str, tuple[str, float]]) -> list[Alarm]:
    """Three real alarms, one of which comes again, and four that are not; the other heartbeats are quiet."""
    warm, cold = random.sample(NAMES, 3), random.sample(NAMES, 2)
    beats = random.sample(range(2, BEATS - 1), 7)
    found = [
        _measured(beats[place], store, known[store][1] + random.randint(3, 40) / 10, True)
        for place, store in enumerate(warm)
    ]
    found.append(_measured(BEATS, min(found, key=lambda a: a.beat).store, -1.5, False))
    found += [
        _measured(beat, store, known[store][1] - random.randint(0, 9) / 10, False)
        for beat, store in zip(beats[3:5], cold, strict=True)
    ]
    found += [
        Alarm(beat, random.choice(NAMES), random.choice(("door open for 4 min", "sensor battery low")), False)
        for beat in beats[5:]
    ]
    return found


def _measured(beat: int, store: str, degrees: float, real: bool) -> Alarm:
    return Alarm(beat, store, f"temperature {degrees:.1f} C", real, f"{degrees:.1f}")


def as_csv(known: dict[str, tuple[str, float]]) -> str:
    """The stores as a CSV file."""
    lines = [f"{name},{limit:.1f},{technician}" for name, (technician, limit) in known.items()]
    return "\n".join(["store,limit_c,technician", *lines]) + "\n"
