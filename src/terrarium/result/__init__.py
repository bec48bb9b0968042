"""Views of what happened: statistics and transcripts."""
