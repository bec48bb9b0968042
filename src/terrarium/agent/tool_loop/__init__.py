"""The agent that asks a model and uses the tools that it asks for, until it answers without."""
