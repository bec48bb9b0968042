"""The pages of an intranet where rooms are booked."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from random import Random

HOST = "intranet.larkfield.example"
NAMES = ("Ada", "Bohr", "Curie", "Dirac", "Euler", "Fermi", "Gauss")
HOURS = ("09:00", "11:00", "13:00", "15:00")

BRIEF = """\
Book a room for tomorrow at {hour} on our intranet, https://{host}/, by your browser: the smallest room that is free \
then and has at least {seats} seats and a screen. Book it for "{who}". Exactly one room shall be booked in the end."""

FRAME = "<!doctype html><title>{title}</title><h1>{title}</h1>\n{body}\n<p><a href='/'>All rooms</a>\n"
FORM = """\
<p>{seats} seats, {screen}. Free tomorrow at: {hours}.
<form action="/rooms/{slug}/book">
  <label>Hour <select name="hour">{options}</select></label>
  <label>For whom <input name="who"></label>
  <button>Book</button>
</form>"""
TAKEN = "<p>{seats} seats, {screen}. Somebody has just booked this room: it is not free tomorrow."
BOOKED = "<p>The room {name} is booked."
REFUSED = "<p>Nothing was booked: somebody was faster. Please choose another room."


@dataclass(frozen=True)
class Room:
    """A room, and when it is free."""

    name: str
    seats: int
    screen: bool
    free: tuple[str, ...]

    @property
    def path(self) -> str:
        """Where its page is."""
        return f"/rooms/{self.name.lower()}"

    def page(self, taken: bool = False) -> str:
        """Its page, with the form or without."""
        told = {
            "seats": self.seats,
            "screen": "with a screen" if self.screen else "no screen",
            "hours": ", ".join(self.free),
            "slug": self.name.lower(),
            "options": "".join(f"<option>{hour}" for hour in self.free),
        }
        return FRAME.format(title=f"Room {self.name}", body=(TAKEN if taken else FORM).format(**told))

    def answer(self, taken: bool = False) -> str:
        """What is said to who has sent the form."""
        body = REFUSED if taken else BOOKED.format(name=self.name)
        return FRAME.format(title=f"Room {self.name}", body=body)


def rooms(random: Random, hour: str, seats: int) -> list[Room]:
    """Rooms, the first three of which fit, the smaller the earlier; the others lack something."""
    names = random.sample(NAMES, len(NAMES))
    sizes = sorted(random.sample(range(seats, seats + 12), 4))

    def free(at_hour: bool) -> tuple[str, ...]:
        others = random.sample([other for other in HOURS if other != hour], 2)
        return tuple(sorted([*others, hour] if at_hour else others))

    return [
        *(Room(name, size, True, free(True)) for name, size in zip(names, sizes, strict=False) if name in names[:3]),
        Room(names[3], seats, False, free(True)),
        Room(names[4], seats, True, free(False)),
        Room(names[5], seats - 2, True, free(True)),
        Room(names[6], sizes[3], False, free(False)),
    ]


def front(some: list[Room]) -> str:
    """The list of rooms, by name."""
    told = sorted(some, key=lambda room: room.name)
    body = "".join(f'<li><a href="{escape(room.path)}">Room {room.name}</a>' for room in told)
    return FRAME.format(title="Rooms", body=f"<ul>{body}</ul>")
