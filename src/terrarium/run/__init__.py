"""Composes worlds and agents, and runs them."""
