"""Measurements of Terrarium: `python -m bench`, described in docs/bench.md."""
