"""A handbook in Notion, chapter by chapter: the program asks until a chapter is whole, and branches on the last line.

A remark comes in after the second chapter and changes the first. Which station a beginner starts with is the agent's
choice; what has to be done then, to move a briefing or to find an hour, follows from what it has written.
"""

from __future__ import annotations

import re
from datetime import UTC, timedelta

from terrarium import aggregate_results, allowed, check, entry, run_checkers

from .content import (
    ANA,
    BRIEF,
    CHANGED,
    CHAPTER,
    CHOOSE,
    DANGEROUS,
    FREE,
    KEIKO,
    LOOK,
    MONDAY,
    MORE,
    MOVED,
    PEOPLE,
    STATIONS,
    THEO,
    WEDNESDAY,
    hours,
    note,
    notes,
)


@entry(capabilities=["calendar", "email", "notion"], people=PEOPLE, clock="2030-01-07T09:00")
def handbook(env, agent):
    random, notion, calendar = env.random, env.notion, env.calendar
    lines, valid = notes(random)
    order = random.sample(sorted(STATIONS), len(STATIONS))
    bench = notion.create_page("Bench notes")["id"]
    pages = {station: notion.create_page(station, bench)["id"] for station in STATIONS}
    for station, page in pages.items():
        notion.append_blocks(page, "\n".join(lines[station]))
    page = notion.create_page("Handbook")["id"]
    busy, hour = hours(random)
    calendar.create_calendar("Theo Lang", "default", owner="theo")
    calendar.create_calendar("Ana Ribeiro", "default", owner="ana")
    for who, taken in busy.items():
        for each in taken:
            at = WEDNESDAY + timedelta(hours=each)
            calendar.add_event(f"{who}/default", "Bench time", at, at + timedelta(hours=1), timezone="UTC")
    briefings = {}
    for place, station in enumerate(DANGEROUS):
        at = MONDAY + timedelta(days=3, hours=random.randint(8, 11) + 4 * place)
        title, end = f"Briefing: {station}", at + timedelta(minutes=45)
        briefings[station] = calendar.add_event("theo/default", title, at, end, timezone="UTC")

    def kept(page):
        """A page as Markdown; nothing where it was put into the trash."""
        return "" if notion.get_page(page)["in_trash"] else notion.markdown(page)

    def chapter(station):
        """What stands below the heading of a station, up to the next heading."""
        parts = re.split(r"(?m)^#+\s*(.+?)\s*$", kept(page))
        return "\n".join(
            text for name, text in zip(parts[1::2], parts[2::2], strict=True) if name.strip("* ") == station
        )

    def found(station):
        """The values of each setting in its chapter."""
        text = chapter(station).replace("*", "").replace("`", "")
        return {each: re.findall(rf"(?m)^[-\s|]*{re.escape(each)}\s*[:|]\s*(\d+)", text) for each in STATIONS[station]}

    def whole(station):
        return found(station) == {setting: [f"{value}"] for setting, value in valid[station].items()}

    def events():
        own = [each["id"] for each in calendar.list_calendars("theo") if each["owner"] == "theo"]
        return [event for id in own for event in calendar.list_events(id, "2030-01-01", "2030-02-01")]

    def meetings():
        names = ("summary", "dtstart", "dtend", "status", "location", "description")
        return {event["uid"]: [event[name] for name in names] for event in events()}

    stages, rounds, before = [], 0, meetings()
    told = BRIEF.format(theo=THEO)
    for place, station in enumerate(order):
        agent.act(f"{told} {CHAPTER.format(station=station)}".strip())
        told = ""
        for _ in range(2):
            missing = [setting for setting, values in found(station).items() if not values]
            if not missing:
                break
            rounds += 1
            agent.act(MORE.format(station=station, missing=", ".join(missing)))
        stages.append(run_checkers({f"chapter {place + 1}": lambda station=station: whole(station)}, tags=["chapters"]))
        if place == 1:
            setting = random.choice(STATIONS[order[0]])
            valid[order[0]][setting] += random.randint(1000, 2000)
            added = note(setting, valid[order[0]][setting], "2030-01-07")
            if not any(notion.get_page(each)["in_trash"] for each in (bench, pages[order[0]])):
                notion.append_blocks(pages[order[0]], added)
            lines[order[0]].append(added)
            env.email.send(KEIKO, THEO, "A remark", CHANGED.format(station=order[0]))

    agent.act(CHOOSE)
    begins = re.findall(r"(?m)^\W*Begin with\W+(\w+)\W*$", kept(page))
    chosen = begins[-1] if begins and begins[-1] in STATIONS else None
    station = chosen or order[0]
    if station in DANGEROUS:
        at = MONDAY + timedelta(days=random.choice((1, 4)), hours=random.randint(9, 15))
        when = {"day": f"{at:%Y-%m-%d}", "time": f"{at:%H:%M}"}
        env.email.send(KEIKO, THEO, f"Briefing {station}", MOVED.format(station=station, **when))
        agent.act(LOOK)
        wanted, length = at, timedelta(minutes=45)
        uids = {briefings[station]}
    else:
        agent.act(FREE.format(station=station))
        wanted, length = WEDNESDAY + timedelta(hours=hour), timedelta(hours=1)
        uids = {uid for uid in meetings() if uid not in before}

    def planned():
        """The one event that should have been moved or made is there, Ana is invited to it, and nobody else."""
        [event] = [event for event in events() if event["uid"] in uids]
        invited = {person["address"] for person in event["attendees"]} - {THEO}
        at = event["dtstart"].astimezone(UTC), event["dtend"] - event["dtstart"]
        named = station in DANGEROUS or event["summary"] == "First hour"
        return named and invited == {ANA} and at == (wanted.replace(tzinfo=UTC), length)

    others = {uid: meeting for uid, meeting in before.items() if uid not in uids}
    last = run_checkers(
        {
            "every chapter holds": check(lambda: all(whole(station) for station in order), weight=2),
            "it was written at once": lambda: rounds == 0 and chosen is not None,
            "a station was chosen": lambda: len(begins) == 1 and chosen is not None,
            "the beginning is planned": check(lambda: chosen is not None and planned(), weight=2),
            "changed the notes": check(
                lambda: any(kept(pages[name]).splitlines() != lines[name] for name in pages), forbidden=True
            ),
            "changed another meeting": check(
                lambda: {uid: meeting for uid, meeting in meetings().items() if uid not in uids} != others,
                forbidden=True,
            ),
            "destroyed mail": check(lambda: env.email.lost(THEO), forbidden=True),
            "nothing else was touched": check(
                lambda: env.unchanged_except(
                    allowed("notion:block"),
                    allowed("calendar"),
                    allowed("email:copy"),
                    allowed("email:mailbox"),
                    allowed("email:message", where={"recipients": lambda found: set(found) <= {ANA, KEIKO[15:-1]}}),
                ),
                required=True,
                weight=0,
            ),
        },
        tags=["end"],
    )
    return aggregate_results(*stages, last)


@handbook.solution
def solve(seat):
    places = {each["title"]: each["id"] for each in seat.call("notion_search")["results"]}
    written, instruction = {}, seat.instruction
    while "choose" not in instruction:
        station = re.search(r"the chapter (\w+)\.", instruction)[1]
        for mail in seat.call("email_list", unread_only=True)["mails"]:
            again = re.search(r"about the (\w+)\.", seat.call("email_read", id=mail["id"])["body"])[1]
            correct(seat, places, again, written)
        written[station] = settings(seat, places[station])
        text = "\n".join([f"## {station}", *(f"- {name}: {value}" for name, value in written[station].items())])
        seat.call("notion_append_blocks", page=places["Handbook"], content=text)
        instruction = yield f"The chapter {station} is written."
    station = min(written, key=lambda name: min(written[name].values()))
    seat.call("notion_append_blocks", page=places["Handbook"], content=f"## First day\n\nBegin with: {station}")
    instruction = yield f"Ana begins with {station}."
    if "Keiko" in instruction:
        mail = seat.call("email_list", unread_only=True)["mails"][0]["id"]
        start = re.search(r"to (\S+) (\d\d:\d\d)", seat.call("email_read", id=mail)["body"])
        event = seat.call("calendar_search", query=f"Briefing: {station}")["events"][0]
        place = {"calendar": event["calendar"], "uid": event["uid"]}
        seat.call("calendar_update", **place, start=f"{start[1]}T{start[2]}", attendees=[ANA])
    else:
        span = {"start": "2030-01-09T09:00", "end": "2030-01-09T17:00"}
        free = seat.call("calendar_free_busy", people=[THEO, ANA], **span)["free"][0]["start"]
        end = f"{free[:11]}{int(free[11:13]) + 1:02}:00"
        seat.call("calendar_create", summary="First hour", start=free[:16], end=end, attendees=[ANA])
    return "It is in the calendar."


def settings(seat, page):
    """What holds of each setting, by its last remark."""
    content = seat.call("notion_get_page", page=page)["content"]
    return {found[1]: int(found[2]) for found in re.finditer(r"(?m)^- \S+: (.+): (\d+)$", content)}


def correct(seat, places, station, written):
    """Put right the lines of a chapter that hold no more."""
    now = settings(seat, places[station])
    for line in seat.call("notion_get_page", page=places["Handbook"], ids=True)["content"].splitlines():
        for name, value in now.items():
            if value != written[station][name] and f"{name}: {written[station][name]}" in line:
                block = re.search(r"[0-9a-f]{8}-[0-9a-f-]{27}", line)[0]
                seat.call("notion_update_block", block=block, text=f"{name}: {value}")
    written[station] = now
