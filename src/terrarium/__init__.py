"""Living worlds for LLM agents."""
