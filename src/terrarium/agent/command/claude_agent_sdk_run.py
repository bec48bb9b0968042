"""Runs inside a sandbox: one turn of an agent on the Claude Agent SDK, told on its output as Claude Code tells it.

Not a part of the engine: it is written into the sandbox, and imports nothing of it.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

_KINDS = {
    "TextBlock": "text",
    "ThinkingBlock": "thinking",
    "ToolUseBlock": "tool_use",
    "ToolResultBlock": "tool_result",
}


def told(message: Any) -> dict[str, Any] | None:
    """A message of the SDK as an event; None: it says nothing that is read."""
    kind = type(message).__name__
    if kind == "SystemMessage":
        return {"type": "system", "subtype": message.subtype, "session_id": message.data.get("session_id")}
    if kind in ("AssistantMessage", "UserMessage"):
        content = message.content
        if not isinstance(content, str):
            content = [{"type": _KINDS.get(type(part).__name__, "other"), **vars(part)} for part in content]
        role = "assistant" if kind == "AssistantMessage" else "user"
        return {"type": role, "parent_tool_use_id": message.parent_tool_use_id, "message": {"content": content}}
    if kind == "ResultMessage":
        ended = {"subtype": message.subtype, "is_error": message.is_error, "result": message.result}
        return {"type": "result", "session_id": message.session_id, **ended}
    return None


async def main(session: str, servers: str, system_prompt: str) -> int:
    """One turn; 0, or 1 where it ended with an error."""
    # Claude Code cannot open what the library of the world's time shares between processes; without, it makes its own.
    os.environ.pop("FAKETIME_SHARED", None)
    out, sys.stdout = sys.stdout, sys.stderr  # what the program prints is none of our events
    from claude_agent_sdk import ClaudeAgentOptions

    own: Any = importlib.import_module("own")  # beside this file

    options = ClaudeAgentOptions(
        model=os.environ["ANTHROPIC_MODEL"],
        permission_mode="bypassPermissions",
        resume=session or None,
        strict_mcp_config=True,
        cwd=Path.cwd(),
        stderr=lambda line: print(line, file=sys.stderr),
    )
    if servers:
        options.mcp_servers = json.loads(Path(servers).read_text("utf-8"))["mcpServers"]
    if system_prompt:
        options.system_prompt = {"type": "preset", "preset": "claude_code", "append": system_prompt}
    failed = False
    async for message in own.run(sys.stdin.read(), options):
        event = told(message)
        if event is not None:
            failed = bool(event.get("is_error")) if event["type"] == "result" else failed
            print(json.dumps(event, default=repr), file=out, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:4])))
