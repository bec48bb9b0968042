"""The contract of a wire format: how one provider's API spells requests, answers and errors.

Clients, the gateway and the local model server share the formats. A format knows bodies as trees of JSON, never
sockets: clients get theirs through the provider's own SDK.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from terrarium.core.message import Message
from terrarium.core.model import Completion
from terrarium.core.tool import Tool
from terrarium.core.values import Value

Tree = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """A request, as a server understands it.

    Attributes:
        model: Which model is asked.
        messages: The conversation; system prompts come first.
        tools: What the model may use; their functions do nothing.
        parameters: The sampling parameters, by the names of `Wire.request`.
        schema: What the answer must fit, where it must be JSON of that form.
        stream: Whether the answer is wanted in pieces.
        usage: Whether a stream ends with the usage, where the format lets the caller choose.
        spaces: Namespace and own name of the tools that were offered in one, by the name they have here.
    """

    model: str
    messages: Sequence[Message]
    tools: Sequence[Tool] = ()
    parameters: Mapping[str, Value] = field(default_factory=dict)
    schema: Mapping[str, Any] | None = None
    stream: bool = False
    usage: bool = True
    spaces: Mapping[str, tuple[str, str]] = field(default_factory=dict)


class Wire(Protocol):
    """One wire format. Without state: safe to share."""

    name: ClassVar[str]
    """Of the format: `openai_chat`, `openai_responses`, `anthropic` or `google`."""

    def request(
        self,
        model: str,
        messages: Sequence[Message],
        tools: Sequence[Tool],
        parameters: Mapping[str, Value],
        schema: Mapping[str, Any] | None = None,
    ) -> Tree:
        """The body of a request.

        Args:
            model: Which model is asked.
            messages: The conversation. System prompts are where the format has them; thinking of another origin is
                left out; images in results of tools come where the format can have them.
            tools: What may be used.
            parameters: Sampling: `temperature`, `top_p`, `top_k`, `max_tokens`, `stop` (list), `seed`, `reasoning`
                (`none`, `low`, `medium`, `high` or tokens), `parallel_tool_calls`, `cache` (bool), `logprobs` (bool),
                and `extra` (a table that is laid over the body as it is). What the format lacks is refused.
            schema: What the answer must fit.

        Raises:
            ConfigError: A parameter that is unknown, or that the format has no word for.
        """
        ...

    def read_answer(self, body: Mapping[str, Any]) -> Completion:
        """What a whole answer says. `request`, `cost` and `retries` are left to whoever asked.

        Arguments of a tool call that are no JSON object are kept as text; ids that are missing or occur twice are
        replaced. One that holds nothing and ends as it should has one empty text.

        Raises:
            ModelFault: It is no answer of this format, or holds nothing and does not say why.
        """
        ...

    def assemble(self, events: Iterable[Mapping[str, Any]]) -> Tree:
        """The body of the whole answer that a stream's events (their `data`, as JSON) make up.

        Raises:
            ModelFault: The stream was cut off before its end, or tells of an error.
        """
        ...

    def text_of(self, event: Mapping[str, Any]) -> str:
        """The piece of the answer's text that one event of a stream brings; empty where it brings none."""
        ...

    def read_request(self, body: Mapping[str, Any], path: str = "") -> Asked:
        """What a request asks for, as a server reads it; the path names the model where the format has it there.

        Raises:
            Refused: It is no request of this format; says where.
        """
        ...

    def answer(self, completion: Completion, asked: Asked) -> Tree:
        """The body of an answer."""
        ...

    def events(self, completion: Completion, asked: Asked) -> Iterator[tuple[str, Tree | str]]:
        """The events of a streamed answer, as (name, data); an empty name is not written, text data goes as it is.

        The text and the arguments of tool calls come in several pieces, as real servers send them.
        """
        ...

    def error(self, status: int, message: str) -> Tree:
        """The body of an answer that is an error."""
        ...
