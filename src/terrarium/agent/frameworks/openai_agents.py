"""Agents written with the OpenAI Agents SDK (`openai-agents`)."""

from __future__ import annotations

from typing import Any

from terrarium.agent.frameworks.chat_turns import arguments_of, messages_of, text_of_arguments
from terrarium.agent.frameworks.framework import FrameworkAgent
from terrarium.agent.frameworks.stand import Stand
from terrarium.core.message import Message
from terrarium.core.tool import Tool, foreign_tool

_NO_END = 1_000_000  # turns of the SDK, which are steps here: the limits of the trial hold


class OpenAIAgentsAgent(FrameworkAgent):
    """Runs `agent(model, tools)`, an `agents.Agent`: with handoffs, guardrails and tools of its own where it has some.

    The conversation of a trial is one: each turn goes on from the one before, and with the agent it was handed to.
    """

    _history: list[Any] | None = None

    async def turn(self, instruction: str, stand: Stand) -> str:
        """Run the SDK's loop until it has a final output."""
        try:
            import agents
        except ImportError as error:
            raise self.needed("openai-agents", error) from None
        if self.is_new(stand):
            self._made = self._make(_model(stand), [_tool(tool, stand) for tool in stand.tools])
        asked = [*(self._history or ()), {"role": "user", "content": instruction}]
        config = agents.RunConfig(tracing_disabled=True)
        result = await agents.Runner.run(self._made, asked, max_turns=_NO_END, run_config=config)
        self._history = result.to_input_list()
        self._made = result.last_agent
        final = result.final_output
        return final.model_dump_json() if hasattr(final, "model_dump_json") else str(final)


def _tool(tool: Tool, stand: Stand) -> Any:
    import agents

    async def invoke(context: Any, arguments: str) -> str:
        return (await stand.use(tool.name, arguments_of(arguments), context.tool_call_id)).content

    schema = dict(tool.parameters)
    return agents.FunctionTool(tool.name, tool.description, schema, invoke, strict_json_schema=False)


def _model(stand: Stand) -> Any:
    """The stand's model as one of the SDK's."""
    import agents
    from agents.models.chatcmpl_converter import Converter
    from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

    class SeatModel(agents.Model):
        async def get_response(
            self,
            system_instructions: str | None,
            input: Any,
            model_settings: Any,
            tools: list[Any],
            output_schema: Any,
            handoffs: list[Any],
            tracing: Any,
            **more: Any,
        ) -> Any:
            turns: Any = Converter.items_to_messages(input)
            messages = messages_of(turns)
            if system_instructions:
                messages.insert(0, Message("system", system_instructions))
            schema = None
            if output_schema is not None and not output_schema.is_plain_text():
                schema = output_schema.json_schema()
            completion = await stand.ask(messages, [*map(_plain, tools), *map(_handed, handoffs)], schema)
            output: list[Any] = []
            if text := completion.message.text:
                part = ResponseOutputText(type="output_text", text=text, annotations=[])
                said: dict[str, Any] = {"id": "said", "type": "message", "role": "assistant", "status": "completed"}
                output.append(ResponseOutputMessage(content=[part], **said))
            for use in completion.message.tool_uses:
                call: dict[str, Any] = {"name": use.name, "arguments": text_of_arguments(use.input)}
                output.append(ResponseFunctionToolCall(type="function_call", call_id=use.id, **call))
            usage = agents.Usage(
                requests=1,
                input_tokens=completion.usage.input_tokens,
                output_tokens=completion.usage.output_tokens,
                total_tokens=completion.usage.input_tokens + completion.usage.output_tokens,
            )
            return agents.ModelResponse(output=output, usage=usage, response_id=None)

        def stream_response(self, *args: Any, **more: Any) -> Any:
            raise NotImplementedError("the words of an answer come at once here")

    return SeatModel()


def _plain(tool: Any) -> Tool:
    return foreign_tool(tool.name, tool.description, tool.params_json_schema, _nothing)


def _handed(handoff: Any) -> Tool:
    return foreign_tool(handoff.tool_name, handoff.tool_description, handoff.input_json_schema, _nothing)


def _nothing(arguments: Any) -> None:
    """What the SDK runs itself is not run from here."""
