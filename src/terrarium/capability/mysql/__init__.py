"""MariaDB for a world: a real server of its own."""
