"""What the plate reader writes, and when."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

AGENT = "Lab Watch <lab.watch@larkfield.example>"
SCIENTIST = "Priya Raman <priya.raman@larkfield.example>"
FOLDER = "/root/results"
HEARTBEATS = 9
"""From 09:30 to 13:30, every half hour."""

WELLS = [f"{row}{column}" for row in "ABCD" for column in range(1, 7)]

BRIEF = f"""\
You are the lab's watch at Larkfield Instruments; lab.watch@larkfield.example is your mailbox. The plate reader writes \
its results into {FOLDER}. From now on you get a heartbeat every half hour.

At each heartbeat, look for results that have come since the last one. Report every new one to \
priya.raman@larkfield.example in a mail of its own: the subject is the name of the file, the text names the well with \
the highest signal and that signal as it stands in the file.

Only finished results are results: names that end in .csv. Whatever has another name (.part, .log) is not; the reader \
renames a .part file once it is complete. What is there now was reported yesterday. Report nothing twice, and send \
nothing when there is nothing to report: Priya is at the bench and every mail makes her take off her gloves.

Have a look at the folder now, so that you know what is new later."""

# (sender, subject, body)
EARLIER = [
    (
        "Priya Raman <priya.raman@larkfield.example>",
        "Thanks for last night",
        "The mails were perfect, one a file and nothing else. Please go on like this today.\n\nPriya",
    ),
    (
        "Purchasing <purchasing@larkfield.example>",
        "Order PO-5521 has arrived",
        "96-well plates, 10 boxes, are at the goods entrance. Please collect them before Wednesday.",
    ),
    (
        "Sanna Virtanen <sanna.virtanen@larkfield.example>",
        "Fire drill",
        "Dear all,\n\nthere is a fire drill on Thursday at 10:00. Leave the reader running.\n\nSanna",
    ),
]


@dataclass(frozen=True)
class Result:
    """One file of the reader: complete before heartbeat `beat`; a .part file from heartbeat `part` on, if set."""

    name: str
    text: str
    beat: int
    part: int | None = None

    @property
    def best(self) -> tuple[str, str]:
        """The well with the highest signal, and that signal, as they stand in the file."""
        rows = [line.split(",") for line in self.text.splitlines()[1:]]
        well, signal, _ = max(rows, key=lambda row: float(row[1]))
        return well, signal

    @property
    def half(self) -> str:
        """What a .part file holds: the first wells, without the best one."""
        return "\n".join([line for line in self.text.splitlines() if line.split(",")[0] != self.best[0]][:14]) + "\n"


def plate(random: Random) -> str:
    """One result: a signal for each well."""
    signals = random.sample([number for number in range(1200, 9900) if number % 10], len(WELLS))
    rows = [f"{well},{signal / 100:.2f},ok" for well, signal in zip(WELLS, signals, strict=True)]
    return "\n".join(["well,signal,flag", *rows]) + "\n"


def plan(random: Random) -> tuple[list[Result], list[Result]]:
    """(results that are there in the morning, results to come: one alone, a pair, and one that takes its time)."""
    numbers = iter(sorted(random.sample(range(200, 999), 7)))
    morning = [Result(f"run_{next(numbers)}.csv", plate(random), 0) for _ in range(3)]
    # Heartbeat 1 is quiet, and so are all that are not drawn.
    single, pair, begun, finished = sorted(random.sample(range(2, HEARTBEATS + 1), 4))
    coming = [Result(f"run_{next(numbers)}.csv", plate(random), single)]
    coming += [Result(f"run_{next(numbers)}.csv", plate(random), pair) for _ in range(2)]
    coming.append(Result(f"run_{next(numbers)}.csv", plate(random), finished, part=begun))
    return morning, coming
