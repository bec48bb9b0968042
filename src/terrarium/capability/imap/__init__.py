"""An IMAP4rev1 server (RFC 3501) over the mailboxes of a world."""
