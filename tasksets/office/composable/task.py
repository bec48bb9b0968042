"""One errand through mail, calendar and files, that has to be done again when it seems to be over.

A customer asks for a visit by mail; who can give it stands in a file, when they can in calendars; the result is an
event, a sheet and a reply that say the same. Then the customer writes again, and all three have to follow: the same
event, the same sheet. The colleagues answer their invitations meanwhile.
"""

from __future__ import annotations

import csv
import re
from datetime import UTC, datetime, timedelta

from terrarium import aggregate_results, check, entry, run_checkers

from .content import (
    ASKED,
    CUSTOMERS,
    EARLIER,
    JONAS,
    LATER,
    LENGTH,
    PEOPLE,
    PRODUCTS,
    RULES,
    SKILLS,
    UNITS,
    VISITS,
    as_csv,
    skills,
    units,
    week,
)

PLACES = {person: f"{name} <{name.lower().replace(' ', '.')}@larkfield.example>" for person, name in PEOPLE.items()}


@entry(
    capabilities=["calendar", "email", "workspace"],
    people={"jonas": {"name": "Jonas Brandt", "address": JONAS, "agent": "agent"}, **PLACES},
    clock="2030-01-07T09:00",
)
def composable(env, agent):
    product = env.random.choice(PRODUCTS)
    company, person, customer = env.random.choice(CUSTOMERS)
    plan = week(env.random)
    demo_units, serial = units(env.random, product)
    files = {
        SKILLS: as_csv(skills(env.random, product, plan.pair)),
        UNITS: as_csv(demo_units),
        "/root/VISITS.md": RULES,
    }
    for path, text in files.items():
        env.workspace.fs.write_file(path, text)
    env.workspace.fs.make_dir(VISITS)
    for who, periods in plan.busy.items():
        env.calendar.create_calendar(PEOPLE.get(who, "Jonas Brandt"), "default", owner=who)
        for start, end in periods:
            title = env.random.choice(("Bench time", "Review", "Supplier call", "Test run"))
            env.calendar.add_event(f"{who}/default", title, start, end, timezone="UTC")
    for days, (sender, subject, body) in zip((4, 3), EARLIER, strict=True):
        env.email.send(sender, JONAS, subject, body, date=env.clock.now - timedelta(days=days))
    facts = {"product": product, "person": person, "company": company, "day": f"{plan.not_before:%Y-%m-%d}"}
    env.email.send(f"{person} <{customer}>", JONAS, f"Seeing the {product}", ASKED.format(**facts))

    def answer_invitations():
        for who in plan.pair:
            for invitation in env.calendar.invitations(who):
                key = (who, invitation["uid"], invitation["dtstart"])
                if invitation["method"] == "REQUEST" and key not in answered:
                    answered.add(key)
                    if any(event["uid"] == invitation["uid"] for event in events(who)):
                        env.calendar.respond(who, invitation["uid"], "accept")

    def events(who):
        own = [found["id"] for found in env.calendar.list_calendars(who) if found["owner"] == who]
        return [e for id in own for e in env.calendar.list_events(id, "2030-01-01", "2030-03-01")]

    def meetings():
        """What stands in the agent's calendar, by uid."""
        kept = ("summary", "dtstart", "dtend", "status", "location", "description")
        return {event["uid"]: [event[key] for key in kept] for event in events("jonas")}

    answered, before = set(), meetings()
    env.every("1m", answer_invitations, until=env.clock.now + timedelta(hours=2))

    def visits():
        """What has come into the agent's calendar and was not called off."""
        return [event for event in events("jonas") if event["uid"] not in before and event["status"] != "CANCELLED"]

    def told():
        """The times in the agent's last mail to the customer, quoted lines aside."""
        mails = [mail for mail in env.email.list_inbox(customer) if mail["by"] == "agent"]
        own = [line for line in mails[-1]["body"].splitlines() if not line.startswith(">")]
        return set(re.findall(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}", "\n".join(own)))

    def sheet():
        """The lines of the sheet as a dict; {} where it is missing or there is another one."""
        if env.workspace.fs.list_dir(VISITS) != [f"{company}.md"]:
            return {}
        lines = env.workspace.fs.read_text(f"{VISITS}/{company}.md").splitlines()
        return {key.strip(" -*"): value.strip(" *") for key, _, value in (line.partition(":") for line in lines)}

    def booked(start):
        return [(e["dtstart"].astimezone(UTC), e["dtend"] - e["dtstart"]) for e in visits()] == [
            (start.replace(tzinfo=UTC), LENGTH)
        ]

    def is_right(start):
        return {
            "calendar": lambda: booked(start),
            "customer": lambda: told() == {f"{start:%Y-%m-%d %H:%M}"},
            "sheet": lambda: sheet()["Start"] == f"{start:%Y-%m-%d %H:%M}",
        }

    agent.act(
        f"You are Jonas Brandt, coordinator at Larkfield Instruments; {JONAS} is your mailbox, and your files are in "
        "/root. A customer has written about a visit. Arrange it as our rules in /root/VISITS.md want it."
    )
    env.clock.advance("10m")
    first = run_checkers({f"{name} at first": holds for name, holds in is_right(plan.first).items()}, tags=["first"])
    uids = {event["uid"] for event in visits()}

    mails = env.email.list_inbox(customer)
    reply_to = mails[-1]["message_id"] if mails else None
    text = LATER.format(**facts)
    env.email.send(f"{person} <{customer}>", JONAS, f"Re: Seeing the {product}", text, in_reply_to=reply_to)
    agent.act("The customer has written again. Take care of it.")
    env.clock.advance("10m")

    invited = {PLACES[who].rpartition("<")[2].rstrip(">") for who in plan.pair}
    outside = {mail["message_id"] for mail in env.email.list_inbox(customer)}
    second = run_checkers(
        {
            **{f"{name} in the end": check(holds, weight=2) for name, holds in is_right(plan.second).items()},
            "it is the same event": lambda: uids and {event["uid"] for event in visits()} == uids,
            "the right colleagues come": check(
                lambda: (
                    {(p["address"], p["status"]) for p in visits()[0]["attendees"]}
                    == {(address, "ACCEPTED") for address in invited}
                ),
                weight=2,
            ),
            "the sheet names the unit": lambda: sheet()["Unit"] == serial,
            "the sheet names customer and colleagues": lambda: (
                sheet()["Customer"] == company and all(PEOPLE[who] in sheet()["With"] for who in plan.pair)
            ),
            "wrote to somebody else": check(
                lambda: any(
                    mail["by"] == "agent" and mail["message_id"] not in outside
                    for address in env.email.mailboxes()
                    if address not in {JONAS, customer, *invited}
                    for mail in env.email.list_inbox(address)
                ),
                forbidden=True,
            ),
            "changed another meeting": check(
                lambda: any(meetings().get(uid) != meeting for uid, meeting in before.items()), forbidden=True
            ),
            "destroyed mail": check(lambda: env.email.lost(JONAS), forbidden=True),
            "changed the team's files": check(
                lambda: any(env.workspace.fs.read_text(path) != text for path, text in files.items()), forbidden=True
            ),
        },
        tags=["second"],
    )
    return aggregate_results(first, second)


@composable.solution
def solve(seat):
    mail = unread(seat, query="visit")
    product = re.search(r"about the (.+?) and would", mail["body"])[1]
    company = mail["body"].strip().splitlines()[-1]
    team = list(csv.DictReader(seat.call("workspace_read", path="team/skills.csv").splitlines()))
    trained = [row for row in team if product in row["trained_on"].split("; ")]
    rows = csv.DictReader(seat.call("workspace_read", path="team/demo_units.csv").splitlines())
    unit = next(row["serial"] for row in rows if row["product"] == product and row["where"] == "in the house")
    people = [row["email"] for row in trained]

    start = first_free(seat, people, "2030-01-08T09:00")
    end = start + timedelta(minutes=90)
    event = seat.call(
        "calendar_create", summary=f"Visit {company}", start=f"{start:%FT%R}", end=f"{end:%FT%R}", attendees=people
    )
    tell(seat, mail["id"], company, start, unit, trained)
    yield f"The visit of {company} is at {start:%F %R}."

    mail = unread(seat, query="train connection")
    start = first_free(seat, people, re.search(r"from (\S+ \d\d:\d\d) on", mail["body"])[1])
    seat.call("calendar_update", **event, start=f"{start:%FT%R}")
    tell(seat, mail["id"], company, start, unit, trained)
    return f"It is at {start:%F %R} now."


def unread(seat, query):
    id = seat.call("email_search", query=query, unread_only=True)["mails"][0]["id"]
    return seat.call("email_read", id=id) | {"id": id}


def first_free(seat, people, after):
    """The first half hour at which a visit fits into a working day and into everybody's calendar."""
    span = {"start": after.replace(" ", "T"), "end": "2030-01-11T17:00"}
    for period in seat.call("calendar_free_busy", people=[JONAS, *people], **span)["free"]:
        low, high = (datetime.fromisoformat(period[key]) for key in ("start", "end"))
        while low + LENGTH <= high:
            if low.hour >= 9 and low + LENGTH <= low.replace(hour=17, minute=0):
                return low
            low += timedelta(minutes=30)
    raise LookupError("there is no time for the visit")


def tell(seat, id, company, start, unit, trained):
    names = ", ".join(row["name"] for row in trained)
    sheet = f"Customer: {company}\nStart: {start:%F %R}\nUnit: {unit}\nWith: {names}\n"
    seat.call("workspace_write", path=f"visits/{company}.md", content=sheet)
    seat.call("email_reply", id=id, body=f"We look forward to seeing you at {start:%F %R} (UTC).\n\nJonas Brandt")
