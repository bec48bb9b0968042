"""CalDAV (RFC 4791) on the rows of a calendar: an ASGI application."""
