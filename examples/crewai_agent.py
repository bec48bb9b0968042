"""An agent of CrewAI in a world. It needs `pip install crewai`. Run me: `python crewai_agent.py`."""

from function_agent import show


def make(model, tools):
    from crewai import Agent

    return Agent(
        role="clerk",
        goal="Answer the mail of a shop.",
        backstory="You know the prices.",
        llm=model,
        tools=tools,
    )


if __name__ == "__main__":
    show("crewai", "crewai_agent:make")
