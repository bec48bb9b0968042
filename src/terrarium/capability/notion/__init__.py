"""Notion for a world: a workspace of pages and databases behind the interface of api.notion.com."""
