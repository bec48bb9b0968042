"""Calendars of a world: people, events, invitations, and a CalDAV server on the same rows."""
