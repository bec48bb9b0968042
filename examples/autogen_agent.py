"""An assistant of AutoGen in a world. Run me: `python autogen_agent.py`."""

from function_agent import show


def make(model, tools):
    from autogen_agentchat.agents import AssistantAgent

    rules = "You answer the mail of a shop."
    return AssistantAgent("clerk", model, tools=tools, system_message=rules, max_tool_iterations=100)


if __name__ == "__main__":
    show("autogen", "autogen_agent:make")
