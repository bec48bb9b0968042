"""Simulated people: who is scripted, who is played by a model, and how each ends a conversation."""
