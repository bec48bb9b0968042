"""The channel #help of Larkfield, and what the help desk knows."""

from __future__ import annotations

import csv
import io
from random import Random

PEOPLE = {
    "desk": {"name": "Help desk", "address": "desk@larkfield.example", "agent": "agent"},
    "mara": "Mara Lind <mara@larkfield.example>",
    "theo": "Theo Brandt <theo@larkfield.example>",
    "priya": "Priya Raman <priya@larkfield.example>",
    "rosa": "Rosa Keller <rosa@larkfield.example>",
}
FACTS = "/root/facts.csv"
FIELDS = ("code", "room", "phone", "serial")
DEVICES = ("Printer Nord", "Printer Hof", "Projector", "Label maker", "Scanner", "Plotter", "Badge reader")
ASKED = {
    "code": "What is the door code of the cupboard of the {device}?",
    "room": "In which room is the {device}?",
    "phone": "Whom do I phone about the {device}, which number is it?",
    "serial": "Does anybody know the serial number of the {device}?",
}
CHATTER = (
    "The {device} works again, thank you all.",
    "Careful, the {device} is still warm.",
    "I have put the manual of the {device} onto the shelf.",
)

BRIEF = f"""\
You run the help desk in Slack; you are "desk" there, the token of your bot is in SLACK_BOT_TOKEN, and Python in \
your sandbox has slack_sdk.

Colleagues ask in the channel #help, one thing in a message. Whoever asks for something that stands in {FACTS} gets \
one answer in the thread of their question, with the value they ask for and no other value of that file. What is no \
question gets no answer, and neither does a question that a colleague has answered already. People go on asking, \
also in threads that you have answered in: look again before you are done."""


def facts(random: Random) -> dict[str, dict[str, str]]:
    """What is known of each device."""
    numbers = iter(random.sample(range(1000, 9999), 4 * len(DEVICES)))
    return {
        device: {
            "code": f"C{next(numbers)}",
            "room": f"R{next(numbers)}",
            "phone": f"55-{next(numbers)}",
            "serial": f"SN-{next(numbers)}",
        }
        for device in DEVICES
    }


def as_csv(known: dict[str, dict[str, str]]) -> str:
    """The facts as a CSV file."""
    text = io.StringIO()
    writer = csv.DictWriter(text, ["device", *FIELDS], lineterminator="\n")
    writer.writeheader()
    writer.writerows({"device": device, **told} for device, told in known.items())
    return text.getvalue()
