"""A team chat: channels, threads, files and the Web API of Slack."""
