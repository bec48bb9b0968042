"""What every sandbox keeps; `suite` says how it is run, the other modules hold the clauses."""
