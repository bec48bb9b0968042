"""An agent of your own, found by its import path: it thinks, uses tools, replies. Run me: `python own_agent.py`."""

import tempfile
from pathlib import Path

from terrarium import AgentConfig, Reply, TaskConfig, Trial
from terrarium.core.message import Message, TextBlock, ToolUseBlock, Usage
from terrarium.core.model import Completion
from terrarium.core.tool import ToolCall
from terrarium.run.trial import TrialConfig


class Postman:
    """Lists its mail and answers whatever is unread; put your model where `_ask` is."""

    timing = "fixed"

    def __init__(self, answer="42"):
        self.answer = answer

    async def open(self, seat):
        print("tools:", ", ".join(tool.name for tool in seat.tools[:4]), "...")

    async def act(self, instruction, seat, resumed=False):
        mails = (await self._use(seat, "email_list", unread_only=True)).value["mails"]
        for mail in mails:
            shown = await self._use(seat, "email_read", id=mail["id"])
            print("reads:", shown.value["body"])
            print("sends:", (await self._use(seat, "email_reply", id=mail["id"], body=self.answer)).error or "well")
        await self._ask(seat, TextBlock("done"))
        return Reply.say(f"I answered {len(mails)} mails.")

    async def _use(self, seat, tool, **arguments):
        call = ToolCall(tool, arguments, "call_1")
        await self._ask(seat, ToolUseBlock(call.id, tool, arguments))
        return await seat.call(call)

    async def _ask(self, seat, block):
        async def request():
            return Completion(Message("assistant", [block]), usage=Usage(100, 10), model="none", cost=0.0001)

        return await seat.think(request)

    def save(self):
        return b""  # no memory: a resumed trial goes on without replaying past turns

    def load(self, memory):
        pass

    async def close(self):
        pass


if __name__ == "__main__":
    agent = AgentConfig(name="postman", import_path="own_agent:Postman", kwargs={"answer": "About 4000 euros."})
    task = TaskConfig(path=str(Path(__file__).with_name("hello_mail.py")))
    with tempfile.TemporaryDirectory() as folder:
        result = Trial(TrialConfig(task=task, agent=agent, trial_dir=folder)).run_sync()
    print("reward", result.verdict.reward, "for", result.totals["tokens"], "tokens")
