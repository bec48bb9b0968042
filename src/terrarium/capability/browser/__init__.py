"""A browser in a world: Chromium in a sandbox of its own, tools for agents, an admin face for the task program."""
