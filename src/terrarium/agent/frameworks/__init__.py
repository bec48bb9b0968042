"""Agents that are written with other people's frameworks, and plain functions."""
