"""An intranet in a browser: the room whose page is open is taken by somebody else."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

from terrarium import check, entry, run_checkers

from .content import BRIEF, HOST, HOURS, front, rooms

WHO = ("Rosa Keller", "Theo Brandt", "Mara Lind", "Priya Raman")


@entry(capabilities=["browser", "web"], capabilities_config={"web": {"sites": {HOST: {"files": {}}}}})
def room_rush(env, agent):
    hour, seats, who = env.random.choice(HOURS), env.random.randint(6, 12), env.random.choice(WHO)
    all_rooms = rooms(env.random, hour, seats)
    best, right = all_rooms[:2]
    html = "text/html; charset=utf-8"
    env.web.put(HOST, "/index.html", front(all_rooms))
    for room in all_rooms:
        env.web.put(HOST, room.path, room.page(), type=html)
        answer = room.answer(taken=room is best)
        env.web.respond(HOST, f"{room.path}/book", answer, headers={"content-type": html})

    env.when(
        lambda: any(visit["path"] == best.path for visit in env.web.log(HOST)),
        lambda: env.web.put(HOST, best.path, best.page(taken=True), type=html),
    )
    agent.act(BRIEF.format(hour=hour, host=HOST, seats=seats, who=who))

    def bookings():
        """(path of the room, hour, for whom) of every form that was sent and not refused."""
        found = set()
        for visit in env.web.log(HOST):
            asked = urlsplit(visit["path"])
            path, sent = asked.path.removesuffix("/book"), parse_qs(asked.query)
            if asked.path == f"{path}/book" and path != best.path:
                found.add((path, sent.get("hour", [""])[0], sent.get("who", [""])[0].strip()))
        return found

    return run_checkers(
        {
            "booked the right room": check(lambda: (right.path, hour, who) in bookings(), required=True),
            "saw that it is booked": lambda: f"The room {right.name} is booked" in env.browser.read(),
            "booked something else": check(lambda: bookings() - {(right.path, hour, who)}, forbidden=True),
        }
    )


@room_rush.solution
def solve(seat):
    hour, seats, who = re.search(r"at (\d\d:00) .*at least (\d+) seats.*\"(.+)\"", seat.instruction).groups()
    front = seat.call("browser_open", url="https://intranet.larkfield.example/")
    fitting = []
    for name in re.findall(r'link "Room (\w+)"', front):
        page = seat.call("browser_open", url=f"https://intranet.larkfield.example/rooms/{name.lower()}")
        told = re.search(r"(\d+) seats, with a screen. Free tomorrow at: (.*)", page)
        if told and int(told[1]) >= int(seats) and hour in told[2]:
            fitting.append((int(told[1]), name))
    for _, name in sorted(fitting):
        page = seat.call("browser_open", url=f"https://intranet.larkfield.example/rooms/{name.lower()}")
        if "just booked" not in page:
            seat.call("browser_select", element='combobox "Hour"', options=[hour])
            seat.call("browser_type", element='textbox "For whom"', text=who)
            if "is booked" in seat.call("browser_click", element='button "Book"'):
                return f"{name} is booked."
    return "There is no such room."
