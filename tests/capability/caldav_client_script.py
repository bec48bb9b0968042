"""Run by the Python of another environment: the `caldav` library drives a server. Its one argument is a URL."""

import sys
from datetime import UTC, date, datetime

import caldav

client = caldav.DAVClient(url=sys.argv[1], username="ann", password="x")
principal = client.principal()
assert principal.calendars() == []
work = principal.make_calendar(name="Work", cal_id="work")
assert [calendar.get_display_name() for calendar in principal.calendars()] == ["Work"]

made = work.add_event(
    dtstart=datetime(2030, 1, 7, 10, tzinfo=UTC), dtend=datetime(2030, 1, 7, 11, tzinfo=UTC), summary="Review ✓"
)
work.add_event(dtstart=date(2030, 1, 8), dtend=date(2030, 1, 9), summary="Day off")
work.add_event(
    dtstart=datetime(2030, 1, 7, 15, tzinfo=UTC),
    dtend=datetime(2030, 1, 7, 16, tzinfo=UTC),
    summary="Daily",
    rrule={"FREQ": "DAILY", "COUNT": 3},
)
found = work.search(
    start=datetime(2030, 1, 7, tzinfo=UTC), end=datetime(2030, 1, 12, tzinfo=UTC), event=True, expand=True
)
assert sorted(str(event.icalendar_component["summary"]) for event in found) == ["Daily"] * 3 + ["Day off", "Review ✓"]
found = work.search(start=datetime(2030, 1, 7, 9, tzinfo=UTC), end=datetime(2030, 1, 7, 12, tzinfo=UTC), event=True)
assert [str(event.icalendar_component["summary"]) for event in found] == ["Review ✓"]

[event] = found
with event.edit_icalendar_component() as component:
    component["summary"] = "Moved"
event.save()
again = work.get_event_by_uid(event.icalendar_component["uid"])
assert str(again.icalendar_component["summary"]) == "Moved"

state = work.get_objects_by_sync_token(load_objects=True)
assert len(list(state)) == 3
made.delete()
changed = work.get_objects_by_sync_token(state.sync_token)
assert len(list(changed)) == 1

busy = work.freebusy_request(datetime(2030, 1, 7, tzinfo=UTC), datetime(2030, 1, 8, tzinfo=UTC))
assert "20300107T150000Z" in busy.data

todo = work.add_todo(summary="Pack", due=date(2030, 1, 9))
assert [str(task.icalendar_component["summary"]) for task in work.get_todos()] == ["Pack"]
todo.complete()
assert work.get_todos() == []
assert len(work.get_events()) == 2

work.set_properties([caldav.elements.dav.DisplayName("Office")])
assert work.get_property(caldav.elements.dav.DisplayName(), use_cached=False) == "Office"
work.delete()
assert principal.calendars() == []
print("fine")
