"""Address books: contacts as vCards, for people, agents and every CardDAV client."""
