"""A plain function as an agent, asking a model in its own loop. Run me: `python function_agent.py`."""

import json
import re
import tempfile
from pathlib import Path

from terrarium import AgentConfig, TaskConfig, Trial
from terrarium.core.message import Message, ToolResultBlock
from terrarium.model.scripted import ScriptedModel
from terrarium.run.trial import TrialConfig


async def act(instruction, model, tools):
    talk = [Message("system", "You answer the mail of a shop."), Message("user", instruction)]
    while (answer := await model(talk)).stop == "tool_use":
        results = [ToolResultBlock(use.id, await tools[use.name](**use.input)) for use in answer.message.tool_uses]
        talk += [answer.message, Message("tool", results)]
    return answer.message.text


def clerk(name):
    """Stands for a model in these examples; with a key, `model_name="openai/gpt-5"` takes its place."""

    def say(messages, tools):
        seen = [block.content for message in messages if message.role == "tool" for block in message.content]
        if not seen:
            return {"tool": "email_list"}
        mail = json.loads(seen[0])["mails"][0]["id"]
        if len(seen) == 1:
            return {"tool": "email_read", "args": {"id": mail}}
        pieces, price = map(int, re.findall(r"(\d+) lamps at (\d+)", seen[1])[0])
        answer = {"tool": "email_reply", "args": {"id": mail, "body": f"That is {price * pieces} euros."}}
        return answer if len(seen) == 2 else "I have answered."

    return ScriptedModel(say, name)


def show(agent, made):
    """Lets the agent answer the mail of hello_mail.py."""
    config = AgentConfig(name=agent, model_name="function_agent:clerk/stand-in", kwargs={"agent": made})
    task = TaskConfig(path=str(Path(__file__).with_name("hello_mail.py")))
    with tempfile.TemporaryDirectory() as folder:
        result = Trial(TrialConfig(task=task, agent=config, trial_dir=folder)).run_sync()
    print(f"{agent}: reward {result.verdict.reward} in {result.totals['steps']} steps")


if __name__ == "__main__":
    show("function", "function_agent:act")
