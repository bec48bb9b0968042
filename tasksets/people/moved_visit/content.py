"""Who is there, and what they say of their time."""

from __future__ import annotations

PEOPLE = {
    "ann": {"name": "Ann Duvall", "address": "ann@quay.example", "agent": "agent"},
    "dana": {"name": "Dana Frey", "address": "dana@guests.example", "simulated": True},
    "theo": {"name": "Theo Lang", "address": "theo@quay.example", "simulated": True},
}

TOLD = """\
You are Ann Duvall. Dana, a customer (@dana in the chat), wants to visit us; theo is to be there. Ask Dana in the chat
when she can come, and put the visit into your calendar: one event called "Visit of Dana", one hour, with theo as its
only attendee, at a time that Dana has named. Theo answers invitations in his calendar, within half an hour; what he
declines does not suit him, and another time has to be found. When he has accepted, write Dana the day and the time.
Things change: stay until noon, and see to it that what the calendar says and what Dana was told last is what suits
both."""

DAYS = [f"2030-05-{day:02d}" for day in (14, 15, 16, 17)]
HOURS = ["09:00", "10:00", "11:00", "13:00", "14:00", "15:00"]


def dana_script(first, second, third):
    """Dana names two times, and another one when she has been told of the one she can make no more."""
    sorry = f"I am sorry, I can no longer make {second}. I could come on {third} instead."
    return [
        {"hears": "take back", "does": {"tool": "slack_dm", "args": {"people": ["ann"], "text": sorry}}},
        {"hears": "when|time|visit|come", "says": f"I can come on {first} or on {second}.", "once": True},
        {"hears": "accepted|confirm|see you|at|on", "says": "Thank you, noted.", "once": True},
    ]


def theo(free):
    """Accepts what is at one of his free times, and declines the rest."""

    def answers(seat):
        known = {}
        while True:
            for event in seat.call("calendar_events", start="2030-05-13", end="2030-05-20")["events"]:
                begin = str(event["dtstart"])[:16].replace(" ", "T")
                if known.get(event["uid"]) != begin and "your_answer" in event:
                    answer = "ACCEPTED" if begin in free else "DECLINED"
                    seat.result("calendar_respond", calendar=event["calendar"], uid=event["uid"], answer=answer)
                    known[event["uid"]] = begin
            yield ""

    return answers
