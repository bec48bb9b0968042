"""PostgreSQL for a world: a real server of its own, behind `db.world:5432`."""
