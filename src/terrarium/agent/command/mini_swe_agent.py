"""mini-swe-agent: one shell, one history, nothing else."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from terrarium.agent.command.account import Account, arguments, rows, table, words
from terrarium.agent.command.installed import InstalledAgent
from terrarium.agent.command.package import PACKAGES
from terrarium.agent.command.program import Program
from terrarium.core.lodging import HOMES

# Its task is a word of its command line, and a later turn begins anew: it has no sessions.
_TURN = """task=$$(cat)
rm -f $home/turn.json
exec /usr/bin/python3 $bin/mini --model "openai/$model" --yolo --exit-immediately --cost-limit 0 \\
    --output $home/turn.json --task="$$task" "$$@" >/dev/null
"""
_WELL = ("Submitted",)


class MiniTranscript(Account):
    """Reads the trajectory that `mini --output` writes."""

    def file(self, content: bytes) -> None:
        """The whole trajectory; what cannot be read is passed over."""
        try:
            told = table(json.loads(content))
        except (ValueError, RecursionError):
            return
        for message in rows(told.get("messages")):
            self._message(message)
        info = table(told.get("info"))
        status = info.get("exit_status")
        self.error = "" if status in _WELL else f"exit status {status}"
        submission = info.get("submission")
        if isinstance(submission, str) and submission.strip():
            self.say(submission.strip())

    def _message(self, message: dict[str, Any]) -> None:
        role = message.get("role")
        if role == "assistant":
            self.think(message.get("reasoning_content"))
            self.say(words(message.get("content")))
            for call in rows(message.get("tool_calls")):
                function = table(call.get("function"))
                self.call(call.get("id"), function.get("name"), arguments(function.get("arguments")))
        elif role == "tool":
            code = table(message.get("extra")).get("returncode")
            self.answer(message.get("tool_call_id"), words(message.get("content")), code != 0)


PROGRAM = Program(
    name="mini_swe_agent",
    version=PACKAGES["mini_swe_agent"].version,
    wire="openai_chat",
    first=("/bin/sh", "$home/turn.sh"),
    resumed=("/bin/sh", "$home/turn.sh"),
    transcript=MiniTranscript,
    stdin="$instruction",
    env={
        "HF_HUB_OFFLINE": "1",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "MSWEA_CONFIGURED": "true",
        "MSWEA_COST_TRACKING": "ignore_errors",
        "MSWEA_GLOBAL_CONFIG_DIR": "$home",
        "MSWEA_MODEL_RETRY_STOP_AFTER_ATTEMPT": "1",
        "MSWEA_SILENT_STARTUP": "1",
        "OPENAI_API_KEY": "$token",
        "OPENAI_BASE_URL": "$url/v1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": "$bin",
    },
    files={"$home/turn.sh": (_TURN,)},
    log="$home/turn.json",
    home=f"{HOMES}/mini_swe_agent",
)


class MiniSweAgent(InstalledAgent):
    """mini-swe-agent in the agent's sandbox. It has no MCP: the world's tools are not at hand, its services are."""

    described: ClassVar[Program] = PROGRAM
