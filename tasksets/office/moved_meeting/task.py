"""A meeting that is moved while the agent sets it up, in the middle of its one turn.

Four seconds of world time after the agent has opened the request, the slot changes. It may notice before it sends
anything, or send everything again; what counts is what everybody was told last. Around it the world answers: the room
desk confirms every booking a minute later.
"""

from __future__ import annotations

import csv
import re
from datetime import timedelta

from terrarium import check, entry, run_checkers

from .content import (
    AGENT,
    BOSS,
    CORRECTION,
    EARLIER,
    PROJECTS,
    REQUEST,
    ROOM_DESK,
    ROOMS,
    STAFF,
    as_csv,
    slots,
    staff,
)

SLOT = re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}")


@entry(
    capabilities=["email", "workspace"],
    capabilities_config={"email": {"accounts": {"agent": AGENT}}},
    clock="2030-01-07T09:00",
)
def moved_meeting(env, agent):
    project, room = env.random.choice(PROJECTS), env.random.choice(ROOMS)
    old, new = slots(env.random)
    people = staff(env.random)
    members = [person["email"] for person in people if person["project"] == project]
    others = [person["email"] for person in people if person["project"] != project]

    env.workspace.fs.write_file(STAFF, as_csv(people))
    for days, (sender, subject, body) in zip(range(5, 0, -1), EARLIER, strict=True):
        env.email.send(sender, AGENT, subject, body, date=env.clock.now - timedelta(days=days))
    request = env.email.send(
        BOSS, AGENT, f"Design review {project}", REQUEST.format(project=project, slot=old, room=room, staff=STAFF)
    )["message_id"]

    def correct():
        text = CORRECTION.format(project=project, slot=new, old=old, room=room)
        env.email.send(BOSS, AGENT, f"Re: Design review {project}", text, in_reply_to=request)

    def opened(subject):
        # A search and not `flags`: an agent that deletes a mail must not break its world.
        found = env.email.search(AGENT, from_addr="dora.lindqvist@", subject=subject)
        return any("\\Seen" in mail["flags"] for mail in found)

    # The correction comes while the agent is at it, however fast or slow it is.
    env.when(lambda: opened("Design review"), lambda: env.after("4s", correct))

    answered = []

    def answer_bookings():
        for mail in env.email.list_inbox(ROOM_DESK)[len(answered) :]:
            answered.append(mail["message_id"])
            booked = re.fullmatch(rf"Book ({'|'.join(ROOMS)}) ({SLOT.pattern})", mail["subject"].strip())
            subject = f"Booked: {booked[1]} {booked[2]}" if booked else f"Not understood: {mail['subject'][:80]}"
            env.email.send(ROOM_DESK, mail["from"], subject, "Your room desk", in_reply_to=mail["message_id"])

    env.every("1m", answer_bookings, until=env.clock.now + timedelta(hours=2))

    agent.act(
        "You are Jonas Brandt, coordinator at Larkfield Instruments; jonas.brandt@larkfield.example is your mailbox. "
        "Dora Lindqvist has asked you by mail to set something up. Do it. When you finish, everything that she has "
        "written up to that moment must have been dealt with."
    )
    env.clock.advance("5m")

    def from_agent(address):
        return [mail for mail in env.email.list_inbox(address) if mail["by"] == "agent"]

    def told(address):
        """(slot, subject) of the agent's last mail to `address` with a slot in its subject that calls nothing off."""
        found = [
            (SLOT.search(mail["subject"]), mail["subject"].strip())
            for mail in from_agent(address)
            if not re.match(r"\W*cancel", mail["subject"], re.IGNORECASE)
        ]
        return next(((slot[0], subject) for slot, subject in reversed(found) if slot), (None, ""))

    known = {*members, *others, *(address.rpartition("<")[2].rstrip(">") for address in (AGENT, BOSS, ROOM_DESK))}
    return run_checkers(
        {
            "every member was told the new slot last": check(
                lambda: all(told(member)[0] == new for member in members), required=True, weight=3
            ),
            "the room is booked for the new slot": check(
                lambda: told(ROOM_DESK) == (new, f"Book {room} {new}"), weight=2
            ),
            "the correction was opened": lambda: opened("Re: Design review"),
            "somebody else was invited": check(lambda: any(told(address)[0] for address in others), forbidden=True),
            "wrote to somebody else": check(
                lambda: any(from_agent(address) for address in env.email.mailboxes() if address not in known),
                forbidden=True,
            ),
            "destroyed mail": check(lambda: env.email.lost(AGENT), forbidden=True),
            "the staff list was changed": check(
                lambda: env.workspace.fs.read_text(STAFF) != as_csv(people), forbidden=True, tags=["files"]
            ),
        }
    )


@moved_meeting.solution
def solve(seat):
    request = unread_from_dora(seat)[0]
    slot = SLOT.search(request["body"])[0]
    project = re.search(r"project (\w+)", request["body"])[1]
    room = re.search(r"room (\w+)\.", request["body"])[1]
    staff_file = re.search(r"/root/\S+\.csv", request["body"])[0]
    rows = csv.DictReader(seat.call("workspace_read", path=staff_file).splitlines())
    invited = [row["email"] for row in rows if row["project"] == project]

    told = None
    while told != slot:
        for mail in unread_from_dora(seat):
            slot = SLOT.search(mail["body"])[0]
        seat.call("email_send", to=["rooms@larkfield.example"], subject=f"Book {room} {slot}", body="")
        seat.call("email_send", to=invited, subject=f"Design review {slot}", body=f"90 minutes, room {room}. Jonas")
        told = slot
        for mail in unread_from_dora(seat):
            slot = SLOT.search(mail["body"])[0]
    return f"The review of {project} is set up for {slot}."


def unread_from_dora(seat):
    found = seat.call("email_search", from_addr="dora.lindqvist@", unread_only=True)["mails"]
    return [seat.call("email_read", id=mail["id"]) for mail in reversed(found)]
