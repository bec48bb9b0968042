"""Clients of language models, and what stands in for one."""
