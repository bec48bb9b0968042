"""The CardDAV server of the address books (RFC 6352)."""
