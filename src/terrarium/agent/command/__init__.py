"""Command-line agents: programs that run in the sandbox of an agent, and ask their model at the gateway."""
