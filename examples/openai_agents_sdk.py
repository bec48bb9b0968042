"""An agent of the OpenAI Agents SDK in a world. Run me: `python openai_agents_sdk.py`."""

from function_agent import show


def make(model, tools):
    from agents import Agent

    mail = [tool for tool in tools if tool.name.startswith("email_")]
    clerk = Agent(name="clerk", instructions="You answer the mail of a shop.", model=model, tools=mail)
    return clerk


if __name__ == "__main__":
    show("openai_agents", "openai_agents_sdk:make")
