"""A vLLM server of one's own: started, watched and stopped."""
