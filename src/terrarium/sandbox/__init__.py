"""Isolated places where commands run."""
