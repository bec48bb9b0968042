"""The Web API of the chat, as clients of Slack call it."""
