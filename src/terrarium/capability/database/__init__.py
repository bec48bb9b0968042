"""What databases of a world have in common: a server in a sandbox, its pool, its port, its settings."""
