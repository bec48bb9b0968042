"""What the clients of OpenAI's two APIs share: the SDK, the key, retries, and streams that stall or never end."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, ClassVar

from terrarium.core.errors import ConfigError, ModelFault, ModelRefused
from terrarium.core.message import Message, Usage
from terrarium.core.model import Completion, Forwarded
from terrarium.core.secrets import MASK
from terrarium.core.tool import Tool
from terrarium.core.values import Value
from terrarium.model.event_stream import EVENT_LIMIT
from terrarium.model.openai_answer import Heard, check_json, check_size, tree_of
from terrarium.model.openai_failure import Stalled, classify
from terrarium.model.pace import Pace
from terrarium.model.prices import price_of
from terrarium.model.retry import Failure, RetryPolicy, persist
from terrarium.model.tape import Request
from terrarium.model.wire.wire import Tree, Wire

_OPENAI = "https://api.openai.com/v1"


class OpenAIClient:
    """A client of one model. It speaks `wire`, at `path` below the base address.

    Args:
        model: What the provider calls it.
        base_url: Where it is, with `/v1`; by default the variable of the class, else where the provider is.
        temperature: How freely to choose words; None for this and all that follow: as the provider has it.
        top_p: Of which part of the probability to choose words.
        top_k: Among how many words to choose.
        max_tokens: Tokens of an answer at most, reasoning included.
        stop: Texts at which an answer ends.
        seed: For answers that repeat, as far as the provider can.
        reasoning: How much to think before: `none`, `low`, `medium` or `high`.
        parallel_tool_calls: Whether an answer may hold several tool calls.
        cache: False: the prompt is not to be cached.
        logprobs: Whether the probabilities of the words are wanted.
        extra: Fields laid over the body of each request as they are.
        retries: How often a request is sent again at most.
        min_wait: Seconds before the first of those; each further waits twice as long.
        max_wait: Seconds before one of them at most.
        at_once: Requests under way at a time at most.
        per_minute: Requests begun in a minute at most; None: no limit.
        timeout: Seconds that an answer may take in all.
        stall: Seconds without a piece of the answer after which the request is sent again.
        stream: Whether answers are taken in pieces; False for servers that cannot: then only `timeout` counts.
        organization: Of the account that pays.
        project: Of the account that pays.
        variable: The variable of the environment that holds the key, where it is another than usual.
        price: What tokens cost: US dollars for a `Usage`, or text or a list as `parse_price` takes it.

    Raises:
        ConfigError: A setting that is wrong, or that the API has no word for.
    """

    shared: ClassVar[bool] = True
    provider: ClassVar[str] = "openai"
    """Who sells it, as the table of prices calls them."""
    wire_format: ClassVar[Wire]
    path: ClassVar[str]
    key: ClassVar[str] = "OPENAI_API_KEY"
    """The variable of the environment that holds the key."""
    address: ClassVar[str] = "OPENAI_BASE_URL"
    """The variable of the environment that says where the server is."""
    home: ClassVar[str] = _OPENAI
    """Where the server is otherwise."""

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        top_k: int | None = None,
        max_tokens: int | None = None,
        stop: Sequence[str] | None = None,
        seed: int | None = None,
        reasoning: str | None = None,
        parallel_tool_calls: bool | None = None,
        cache: bool | None = None,
        logprobs: bool | None = None,
        extra: Mapping[str, Value] | None = None,
        retries: int = 6,
        min_wait: float = 0.5,
        max_wait: float = 60.0,
        at_once: int = 64,
        per_minute: int | None = None,
        timeout: float = 600.0,
        stall: float = 120.0,
        stream: bool = True,
        organization: str | None = None,
        project: str | None = None,
        variable: str | None = None,
        price: Any = None,
    ) -> None:
        given = {
            "temperature": temperature,
            "top_p": top_p,
            "top_k": top_k,
            "max_tokens": max_tokens,
            "stop": [stop] if isinstance(stop, str) else None if stop is None else list(stop),
            "seed": seed,
            "reasoning": reasoning,
            "parallel_tool_calls": parallel_tool_calls,
            "cache": cache,
            "logprobs": logprobs,
            "extra": extra,
        }
        if at_once < 1 or retries < 0 or timeout <= 0 or stall <= 0 or (per_minute is not None and per_minute < 1):
            raise ConfigError("at_once, per_minute, timeout and stall must be more than 0, and retries not less")
        self.name = f"{self.provider}/{model}"
        self._model = model
        self.parameters: dict[str, Value] = {key: value for key, value in given.items() if value is not None}
        """The sampling parameters that requests are sent with."""
        self.wire = self.wire_format.name
        self._base_url = base_url
        self._organization, self._project = organization, project
        self._variable = variable or self.key
        self._price = price if price is None or callable(price) else price_of("", "", price)
        self._policy = RetryPolicy(retries, min_wait, max_wait)
        self._pace = Pace(at_once, per_minute)
        self._timeout, self._stall, self._stream = timeout, stall, stream
        self._sdk: Any = None
        self._body([], [])

    # -- asking -------------------------------------------------------------------------------------------------------

    async def generate(self, messages: Sequence[Message], tools: Sequence[Tool]) -> Completion:
        """Answer `messages`; see `Model.generate`."""
        return await self._ask(messages, tools)

    async def generate_json(self, messages: Sequence[Message], schema: Mapping[str, Any]) -> Completion:
        """Answer with JSON that fits `schema`; see `Structured.generate_json`."""
        return await self._ask(messages, (), schema)

    async def generate_streaming(
        self, messages: Sequence[Message], tools: Sequence[Tool], said: Callable[[str], None]
    ) -> Completion:
        """Answer piece by piece; see `Streaming.generate_streaming`. An answer that breaks off is begun anew."""
        return await self._ask(messages, tools, said=said)

    async def close(self) -> None:
        """Give up connections; idempotent."""
        sdk, self._sdk = self._sdk, None
        if sdk is not None:
            await sdk.close()

    async def _ask(
        self,
        messages: Sequence[Message],
        tools: Sequence[Tool],
        schema: Mapping[str, Any] | None = None,
        said: Callable[[str], None] | None = None,
    ) -> Completion:
        body = self._body(messages, tools, schema)
        request = Request.of(self.name, self.parameters, messages, tools).digest

        async def send() -> tuple[Tree, Completion]:
            answer = await self._send(body, said)
            completion = self.wire_format.read_answer(answer)
            check_size(completion)
            if schema is not None:
                check_json(completion)
            return answer, completion

        (answer, completion), retries = await persist(send, self._classify, self._policy, self._pace, self.name)
        cost = self._cost(answer, completion.usage)
        return replace(completion, model=completion.model or self._model, request=request, cost=cost, retries=retries)

    def _body(
        self, messages: Sequence[Message], tools: Sequence[Tool], schema: Mapping[str, Any] | None = None
    ) -> Tree:
        """The body of a request, as this server wants it."""
        return self.wire_format.request(self._model, messages, tools, self.parameters, schema)

    def _streamed(self, body: Mapping[str, Any]) -> Tree:
        """The body with the wish to have the answer in pieces."""
        return {**body, "stream": True}

    def _cost(self, answer: Mapping[str, Any], usage: Usage) -> float | None:
        """What an answer costs in US dollars, where that is known."""
        cost: float | None = self._price(usage) if self._price is not None else None
        return cost

    def _classify(self, error: Exception) -> Failure | None:
        failure = classify(error)
        if failure is None:
            return None
        told = failure.message
        if (key := os.environ.get(self._variable)) and key in told:
            told = told.replace(key, MASK)
        return Failure(failure.kind, told + self._advice(failure), failure.retry_after, failure.code)

    def _advice(self, failure: Failure) -> str:
        """What to do about it."""
        if failure.kind == "refused" and failure.message.startswith("401"):
            return f"; is the key in {self._variable} the right one?"
        return ""

    # -- the wire -----------------------------------------------------------------------------------------------------

    async def _send(self, body: Tree, said: Callable[[str], None] | None) -> Tree:
        """The body of the answer to one request."""
        alarm = asyncio.timeout(None)  # rings where no piece comes for too long
        heard = Heard(self.wire_format, said)
        try:
            async with asyncio.timeout(self._timeout), alarm:
                if body.get("stream", self._stream):
                    return await self._stream_of(self._streamed(body), said, alarm, heard)
                return await self._whole_of(body, said)
        except TimeoutError:
            if heard.all:
                return heard.answer()
            if alarm.expired():
                raise Stalled(f"no piece of the answer came for {self._stall:g} s", "stalled") from None
            raise Stalled(f"the answer took longer than {self._timeout:g} s", "timeout") from None

    async def _stream_of(
        self, body: Tree, said: Callable[[str], None] | None, alarm: asyncio.Timeout, heard: Heard
    ) -> Tree:
        now = asyncio.get_running_loop().time
        alarm.reschedule(now() + self._stall)
        async with self._post(self.path, body) as response:
            if "text/event-stream" not in response.headers.get("content-type", ""):
                return await self._read(response, said)  # asked for pieces, it gives the whole
            async for chunk in response.aiter_bytes():
                if heard.feed(chunk):
                    # The rest of the body is read for the connection's sake, and not for long.
                    alarm.reschedule(now() + (1.0 if heard.all else self._stall))
            heard.end()
        return heard.answer()

    async def _whole_of(self, body: Tree, said: Callable[[str], None] | None) -> Tree:
        async with self._post(self.path, body) as response:
            return await self._read(response, said)

    async def _read(self, response: Any, said: Callable[[str], None] | None) -> Tree:
        whole = bytearray()
        async for chunk in response.aiter_bytes():
            whole += chunk
            if len(whole) > EVENT_LIMIT:
                raise ModelFault(f"the answer is larger than {EVENT_LIMIT >> 20} MiB")
        answer = tree_of(whole)
        if said is not None and (text := self.wire_format.read_answer(answer).message.text):
            said(text)
        return answer

    @asynccontextmanager
    async def forward(self, body: Mapping[str, Any], path: str, headers: Mapping[str, str]) -> AsyncIterator[Forwarded]:
        """Send a request on; see `Forwarding.forward`. A stream of Chat Completions always ends with its usage."""
        sent = {**body, "model": self._model}
        if body.get("stream"):
            sent = self._streamed(sent)
        below = path.removeprefix("/v1")

        async def send() -> Any:
            context = self._post(below, sent, headers)
            async with asyncio.timeout(self._timeout):
                return context, await context.__aenter__()

        import openai

        try:
            (context, response), _ = await persist(send, self._classify, self._policy, self._pace, self.name)
        except ModelFault as fault:
            error = fault.__cause__
            if not isinstance(error, openai.APIStatusError):
                raise
            media = error.response.headers.get("content-type", "application/json")
            yield Forwarded(error.status_code, media, _at_once(error.response.content))
            return
        try:
            media = response.headers.get("content-type", "application/json")
            yield Forwarded(response.status_code, media, self._chunks(response))
        finally:
            await context.__aexit__(None, None, None)

    async def _chunks(self, response: Any) -> AsyncIterator[bytes]:
        """The bytes of an answer that is sent on.

        Raises:
            ModelFault: They stall, break off or are too many.
        """
        chunks, taken = response.aiter_bytes(), 0
        while True:
            try:
                async with asyncio.timeout(self._stall):
                    chunk = await anext(chunks, None)
            except TimeoutError:
                raise ModelFault(f"the answer of {self.name} stalled for {self._stall:g} s") from None
            except Exception as error:
                failure = self._classify(error)
                if failure is None:
                    raise
                raise ModelFault(f"the answer of {self.name} broke off: {failure.message}") from error
            if chunk is None:
                return
            taken += len(chunk)
            if taken > 4 * EVENT_LIMIT:
                raise ModelFault(f"the answer of {self.name} is larger than {4 * EVENT_LIMIT >> 20} MiB")
            yield chunk

    @asynccontextmanager
    async def _post(
        self, path: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[Any]:
        """The answer to a request, its body not yet read.

        Raises:
            openai.APIError: There is none, or it is an error.
        """
        sdk = self._client()
        import openai

        stream = await sdk.post(
            path,
            cast_to=object,
            body=dict(body),
            options={"headers": dict(headers or {})},
            stream=True,
            stream_cls=openai.AsyncStream[object],
        )
        try:
            yield stream.response
        finally:
            await stream.response.aclose()

    def _client(self) -> Any:
        """The SDK's client, made when it is first needed, so that it has the key of that time."""
        if self._sdk is None:
            try:
                import openai
            except ImportError:
                raise ConfigError("the SDK of OpenAI is not installed: pip install 'terrarium[openai]'") from None
            where = self._base_url or os.environ.get(self.address) or self.home
            self._sdk = openai.AsyncOpenAI(
                api_key=self._key(where),
                base_url=where,
                max_retries=0,
                timeout=openai.Timeout(self._timeout, connect=20.0),
                organization=self._organization,
                project=self._project,
            )
        return self._sdk

    def _key(self, where: str) -> str:
        """The key for the server there; a server of one's own may need none.

        Raises:
            ModelRefused: There is none.
        """
        key = os.environ.get(self._variable, "").strip()
        if not key and where.rstrip("/") == self.home and not self.home.startswith("http://"):
            raise ModelRefused(f"the model {self.name} needs a key: set {self._variable} in the environment or in .env")
        if not key.isascii():
            raise ModelRefused(f"the key in {self._variable} is none: it holds more than ASCII")
        return key or "none"


async def _at_once(data: bytes) -> AsyncIterator[bytes]:
    yield data
