"""The people of Larkfield, the request, its correction, and the mail around it."""

from __future__ import annotations

import csv
import io
from random import Random

BOSS = "Dora Lindqvist <dora.lindqvist@larkfield.example>"
AGENT = "Jonas Brandt <jonas.brandt@larkfield.example>"
ROOM_DESK = "Room desk <rooms@larkfield.example>"
STAFF = "/root/staff.csv"

PROJECTS = ("Atlas", "Borealis", "Cygnus", "Dorado")
ROOMS = ("Birch", "Cedar", "Maple", "Rowan")
PEOPLE = (
    ("Amira Haddad", "Optics"),
    ("Bram de Wit", "Firmware"),
    ("Carla Nunes", "Mechanics"),
    ("Chidi Eze", "Optics"),
    ("Elif Aydin", "Quality"),
    ("Farid Rahimi", "Firmware"),
    ("Greta Olsen", "Purchasing"),
    ("Hugo Marchand", "Mechanics"),
    ("Ines Vidal", "Optics"),
    ("Jakub Nowak", "Quality"),
    ("Keiko Tanaka", "Firmware"),
    ("Liam Byrne", "Purchasing"),
    ("Mei Chen", "Optics"),
    ("Noor Jansen", "Mechanics"),
    ("Oskar Lehto", "Firmware"),
    ("Paula Ferri", "Quality"),
    ("Rafael Soto", "Mechanics"),
    ("Sanna Virtanen", "Optics"),
    ("Tomas Horak", "Firmware"),
    ("Yara Costa", "Purchasing"),
)

REQUEST = """\
Jonas,

please set up the design review of project {project}: {slot}, 90 minutes, room {room}.

1. Book the room: a mail to rooms@larkfield.example with the subject "Book {room} {slot}".
2. Invite everybody who has {project} in the column "project" of {staff}, and nobody else. Subject of the invitation:
   "Design review {slot}". Calendars read the slot from the subject, so write it exactly like this.

I will be there anyway, no need to invite me. Should anything change, send the same mails again with the new slot in the
subject: the last one counts, for the room and for the calendars.

Dora

--
Dora Lindqvist
Head of Engineering, Larkfield Instruments
"""

CORRECTION = """\
Sorry, the client has just called: they can only make {slot}. Same room, same people.

Dora

On Mon, 7 Jan 2030, Dora Lindqvist wrote:
> please set up the design review of project {project}: {old}, 90 minutes, room {room}.
>
> 1. Book the room: a mail to rooms@larkfield.example with the subject "Book {room} {old}".
"""

# (sender, subject, body)
EARLIER = [
    (
        "Canteen <canteen@larkfield.example>",
        "This week's menu",
        "Mon: lentil soup. Tue: pasta with mushrooms. Wed: fish and potatoes. Thu: dumplings. Fri: waffles.",
    ),
    (
        "Elif Aydin <elif.aydin@larkfield.example>",
        "Test bench 3 is back",
        "Hi all,\n\ntest bench 3 was repaired and can be booked again. Thanks for your patience!\n\nElif",
    ),
    (
        "Room desk <rooms@larkfield.example>",
        "New: book rooms by mail",
        'Write to us with the subject "Book <room> <YYYY-MM-DD HH:MM>". We answer within a minute. Your latest booking '
        "of a room for a meeting replaces the one before; you need not cancel anything.",
    ),
    (
        "Hugo Marchand <hugo.marchand@larkfield.example>",
        "Re: Your bike",
        "Hey Jonas, the saddle fits. I owe you a coffee!\n\nHugo\n\nOn Thu, 3 Jan 2030, Jonas Brandt wrote:\n"
        "> Try it before you buy a new one.",
    ),
    (
        "IT Service <it@larkfield.example>",
        "Maintenance on Saturday",
        "The file server is down for maintenance on Saturday, 2030-01-12 22:00 to 23:30.",
    ),
]


def staff(random: Random) -> list[dict[str, str]]:
    """Everybody, with the project they are on now: every project has five people."""
    projects = [project for project in PROJECTS for _ in range(len(PEOPLE) // len(PROJECTS))]
    random.shuffle(projects)
    return [
        {
            "name": name,
            "email": name.lower().replace(" ", ".") + "@larkfield.example",
            "department": department,
            "project": project,
        }
        for (name, department), project in zip(PEOPLE, projects, strict=True)
    ]


def slots(random: Random) -> tuple[str, str]:
    """Two different slots later in the week: the first wish, and where the meeting is moved to."""
    days = random.sample(("2030-01-09", "2030-01-10", "2030-01-11"), 2)
    first, second = (f"{day} {random.randint(9, 15):02}:{random.choice(('00', '15', '30', '45'))}" for day in days)
    return first, second


def as_csv(rows: list[dict[str, str]]) -> str:
    """The rows as a CSV file."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
