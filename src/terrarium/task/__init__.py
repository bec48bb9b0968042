"""Ways to write a task."""
