"""A graph of LangGraph in a world: a model, its tools and the way between. Run me: `python langgraph_agent.py`."""

from function_agent import show


def make(model, tools):
    from langchain_core.messages import SystemMessage
    from langgraph.graph import START, MessagesState, StateGraph
    from langgraph.prebuilt import ToolNode, tools_condition

    thinking = model.bind_tools(tools)
    rules = SystemMessage("You answer the mail of a shop.")

    async def think(state):
        return {"messages": [await thinking.ainvoke([rules, *state["messages"]])]}

    graph = StateGraph(MessagesState)
    graph.add_node("think", think)
    graph.add_node("tools", ToolNode(tools))
    graph.add_edge(START, "think")
    graph.add_conditional_edges("think", tools_condition)
    graph.add_edge("tools", "think")
    return graph.compile()


if __name__ == "__main__":
    show("langgraph", "langgraph_agent:make")
