"""A client of a provider: what is the same for all that speak a wire format over HTTP."""

from __future__ import annotations

import asyncio
import importlib
import os
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any, ClassVar

from terrarium.core.errors import ConfigError, ModelFault, ModelRefused
from terrarium.core.message import Message, Usage
from terrarium.core.model import Completion, Forwarded
from terrarium.core.secrets import MASK
from terrarium.core.tool import Tool
from terrarium.core.values import Value
from terrarium.model.answer import (
    STREAM,
    Answer,
    Unanswered,
    check_json,
    check_size,
    failed_stream,
    heard,
    json_object,
    unanswered,
)
from terrarium.model.pace import Pace
from terrarium.model.prices import price_of
from terrarium.model.retry import Failure, Kind, RetryPolicy, persist
from terrarium.model.stream import Stream
from terrarium.model.tape import Request
from terrarium.model.wire.wire import Tree, Wire


class Client:
    """One model of one provider: asks, asks again where that may help, and never too much at once.

    Answers are streamed, so that one that stands still is noticed. The key is read at the first request, from the
    environment alone.

    Args:
        model: Its name at the provider.
        base_url: Where the provider is; None: where its environment variable says, else the provider's own address.
        temperature: Of sampling, as `top_p` and `top_k`.
        top_p: Of sampling.
        top_k: Of sampling.
        max_tokens: Tokens of an answer, thinking included.
        stop: A text, or several, at which the model stops.
        seed: Of sampling.
        reasoning: `none`, `low`, `medium`, `high`, or tokens; None: as the provider has it.
        parallel_tool_calls: Whether one answer may hold several.
        cache: Whether the provider is told to keep the beginning of a conversation.
        logprobs: Whether log-probabilities are wanted.
        extra: What is laid over the body of each request, as it is.
        retries: How often a request is sent again at most.
        min_wait: Seconds before the first of those; each further waits twice as long.
        max_wait: Seconds before one of those at most; up to ten times as long where the provider asks for it.
        at_once: Requests under way at a time; fewer while the provider says that it is too much.
        per_minute: Requests begun in any 60 s; None: no limit.
        timeout: Seconds for a whole answer.
        stall: Seconds in which something of an answer must come, from the request on; else it is sent again.
        stream: Whether answers are taken in pieces; False for servers that cannot, and `timeout` alone sees them stall.
        variable: The variable of the environment that holds the key, where it is another than usual.
        price: What tokens cost: US dollars for a `Usage`, or text or a list as `parse_price` takes it.

    Raises:
        ConfigError: A setting that is of no use, or that the provider has no word for.
    """

    shared: ClassVar[bool] = True
    provider: ClassVar[str]
    """Who sells it, as the table of prices calls it."""
    wire: ClassVar[str]
    _format: ClassVar[Wire]
    _keys: ClassVar[tuple[str, ...]]  # the variables that may hold the key
    _address: ClassVar[str]  # the variable that says where the provider is
    _home: ClassVar[str]  # where it is otherwise
    _kinds: ClassVar[Mapping[str, Kind]]  # what the provider's words for errors mean
    _chosen: ClassVar[Mapping[str, Value]] = {}  # parameters that are set where nobody sets them

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        top_k: int | None = None,
        max_tokens: int | None = None,
        stop: str | Sequence[str] | None = None,
        seed: int | None = None,
        reasoning: str | int | None = None,
        parallel_tool_calls: bool | None = None,
        cache: bool | None = None,
        logprobs: bool | None = None,
        extra: Mapping[str, Any] | None = None,
        retries: int = 6,
        min_wait: float = 0.5,
        max_wait: float = 60.0,
        at_once: int = 64,
        per_minute: int | None = None,
        timeout: float = 600.0,
        stall: float = 120.0,
        stream: bool = True,
        variable: str | None = None,
        price: Any = None,
    ) -> None:
        given: dict[str, Value] = {
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
            "extra": dict(extra) if extra is not None else None,
        }
        self.parameters: dict[str, Value] = {
            **self._chosen,
            **{name: value for name, value in given.items() if value is not None},
        }
        """What decides its answers besides messages and tools."""
        self.name = model
        self._body([], [])
        for name, number, least in (
            ("retries", retries, 0),
            ("min_wait", min_wait, 0),
            ("max_wait", max_wait, 0),
            ("at_once", at_once, 1),
            ("per_minute", 1 if per_minute is None else per_minute, 1),
            ("timeout", timeout, 0.001),
            ("stall", stall, 0.001),
        ):
            if type(number) not in (int, float) or not number >= least:
                raise ConfigError(f"{name} is a number from {least} on, not {number!r}")
        if base_url is not None and not str(base_url).startswith(("http://", "https://")):
            raise ConfigError(f"base_url begins with http:// or https://; {base_url!r} does not")
        self._base_url = base_url
        self._policy = RetryPolicy(retries, min_wait, max_wait)
        self._pace = Pace(at_once, per_minute)
        self._timeout = timeout
        self._stall = stall
        self._stream = stream
        self._variables = (variable,) if variable else self._keys
        self._needs_key = variable is not None
        self._price = price if price is None or callable(price) else price_of("", "", price)

    async def generate(self, messages: Sequence[Message], tools: Sequence[Tool]) -> Completion:
        """The model's answer.

        Raises:
            ModelFault: There is none after all retries.
            ModelRefused: There will never be one: no key or a wrong one, no such model, a request that is not taken.
        """
        return await self._ask(messages, tools)

    async def generate_json(self, messages: Sequence[Message], schema: Mapping[str, Any]) -> Completion:
        """An answer that is JSON and fits `schema`.

        Raises:
            ModelFault: As `generate`.
        """
        return await self._ask(messages, (), schema)

    async def generate_streaming(
        self, messages: Sequence[Message], tools: Sequence[Tool], said: Callable[[str], None]
    ) -> Completion:
        """The model's answer; `said` gets its text as it comes.

        Where an answer breaks off and is asked for again, its text begins anew.

        Raises:
            ModelFault: As `generate`.
        """
        return await self._ask(messages, tools, None, said)

    @asynccontextmanager
    async def forward(self, body: Mapping[str, Any], path: str, headers: Mapping[str, str]) -> AsyncIterator[Forwarded]:
        """Send on a request that is in the provider's format, with the client's key, for the client's model.

        Raises:
            ModelFault: Nobody answers after all retries, or the answer breaks off while it is read.
            ModelRefused: There is no key.
        """
        path, own = self._own(path, body)
        await self._prepare()

        async def send() -> tuple[AsyncExitStack, Answer]:
            async with AsyncExitStack() as stack:
                await stack.enter_async_context(self._pace.place())  # kept until the answer was read
                answer = await stack.enter_async_context(self._opened(path, own, headers, self._timeout))
                return stack.pop_all(), answer

        try:
            (stack, answer), _ = await persist(send, self._failure, self._policy, self._pace, self.name)
        except ModelFault as fault:
            cause = fault.__cause__
            if not isinstance(cause, Unanswered) or cause.told is None:
                raise
            status, media_type, body_told = cause.told
            yield Forwarded(status, media_type, _at_once(self._masked(body_told.decode("utf-8", "replace")).encode()))
            return
        async with stack:
            yield Forwarded(answer.status, answer.media_type, self._forwarded(answer))

    async def close(self) -> None:
        """Give up connections; idempotent."""
        await self._close()

    # -- what a provider says of itself -----------------------------------------------------------------------------

    @abstractmethod
    def _own(self, path: str, body: Mapping[str, Any]) -> tuple[str, Tree]:
        """The path and body of a request that is sent on, for the client's own model.

        Raises:
            ModelRefused: It is none of this provider's.
        """

    @abstractmethod
    def _asked(self, body: Tree, stream: bool) -> tuple[str, Tree]:
        """The path and body of a request of our own."""

    @abstractmethod
    def _open(self, path: str, body: Tree, headers: Mapping[str, str]) -> AbstractAsyncContextManager[Answer]:
        """Send a request.

        Raises:
            Unanswered: Nobody answers; also inside the block, where the answer breaks off.
        """

    @abstractmethod
    async def _prepare(self) -> None:
        """Make the SDK's client, where there is none yet.

        Raises:
            ConfigError: The SDK is not installed.
            ModelRefused: There is no key.
        """

    @abstractmethod
    async def _close(self) -> None: ...

    def _body(
        self, messages: Sequence[Message], tools: Sequence[Tool], schema: Mapping[str, Any] | None = None
    ) -> Tree:
        """The body of a request, as this server wants it."""
        return self._format.request(self.name, messages, tools, self.parameters, schema)

    def _cost(self, answer: Tree, usage: Usage) -> float | None:
        """What an answer costs in US dollars, where that is known."""
        cost: float | None = None if self._price is None else self._price(usage)
        return cost

    def _advice(self, status: int) -> str:
        """What to do about an answer of that status."""
        return f"; is the key in {' or '.join(self._variables)} the right one?" if status in (401, 403) else ""

    # -- asking ------------------------------------------------------------------------------------------------------

    async def _ask(
        self,
        messages: Sequence[Message],
        tools: Sequence[Tool],
        schema: Mapping[str, Any] | None = None,
        said: Callable[[str], None] | None = None,
    ) -> Completion:
        decided = self.parameters if schema is None else {**self.parameters, "schema": dict(schema)}
        request = Request.of(self.name, decided, messages, tools).digest
        path, body = self._asked(self._body(messages, tools, schema), self._stream)
        await self._prepare()

        async def send() -> tuple[Tree, Completion]:
            async with self._pace.place():
                tree = await self._send(path, body, said)
                made = self._format.read_answer(tree)
            check_size(made)
            if schema is not None:
                check_json(made)
            return tree, made

        (tree, made), retries = await persist(send, self._failure, self._policy, self._pace, self.name)
        cost = self._cost(tree, made.usage)
        return replace(made, request=request, retries=retries, cost=cost, model=made.model or self.name)

    async def _send(self, path: str, body: Tree, said: Callable[[str], None] | None) -> Tree:
        """The body of the answer to one request, put together where it comes in pieces."""
        stall = self._stall if self._stream else None
        async with asyncio.timeout(self._timeout), self._opened(path, body, {}, stall) as answer:
            if answer.media_type != "text/event-stream":  # not asked for in pieces, or not given so
                whole = json_object(b"".join([chunk async for chunk in heard(answer, stall)]))
                if said is not None and (text := self._format.read_answer(whole).message.text):
                    said(text)
                return whole
            stream = Stream(self._format, said)
            try:
                async for chunk in heard(answer, stall, STREAM, lambda: stream.ended):
                    stream.feed(chunk)
            except Unanswered:
                if not stream.ended:
                    raise
            return stream.answer()

    @asynccontextmanager
    async def _opened(
        self, path: str, body: Tree, headers: Mapping[str, str], patience: float | None
    ) -> AsyncIterator[Answer]:
        """An answer that is none of an error.

        Raises:
            Unanswered: There is none.
        """
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(patience):
                    answer = await stack.enter_async_context(self._open(path, body, headers))
            except TimeoutError:
                raise Unanswered(Failure("stalled", f"no answer began within {patience:g} s")) from None
            if answer.status >= 300:
                raise await unanswered(answer, self._stall, self._kinds)
            yield answer

    async def _forwarded(self, answer: Answer) -> AsyncIterator[bytes]:
        try:
            async for chunk in heard(answer, self._stall, STREAM):
                yield chunk
        except Unanswered as error:
            raise ModelFault(f"the answer of {self.name} broke off: {error.failure.message}") from None

    def _failure(self, error: Exception) -> Failure | None:
        advice = ""
        if isinstance(error, Unanswered):
            failure = error.failure
            advice = self._advice(error.told[0]) if error.told is not None else ""
        elif isinstance(error, TimeoutError):
            failure = Failure("timeout", f"the answer was not complete within {self._timeout:g} s")
        elif isinstance(error, RecursionError):
            failure = Failure("refused", "the request is nested too deep to be written")
        elif isinstance(error, ModelRefused):
            failure = Failure("refused", str(error), code=error.code)
        elif isinstance(error, ModelFault):
            failure = failed_stream(error, self._kinds)
        else:
            return None
        return replace(failure, message=self._masked(failure.message) + advice)

    def _masked(self, text: str) -> str:
        """The text without the key: some providers quote the one that they refuse."""
        for key in filter(None, (os.environ.get(name, "").strip() for name in self._variables)):
            text = text.replace(key, MASK)
        return text

    # -- where and with what -----------------------------------------------------------------------------------------

    def _where(self) -> str:
        """The provider's address."""
        return self._base_url or os.environ.get(self._address) or self._home

    def _key(self) -> str:
        """The key.

        Raises:
            ModelRefused: There is none, and it was named, or the provider is asked at its own address.
        """
        for name in self._variables:
            if key := os.environ.get(name, "").strip():
                if not key.isascii() or not key.isprintable():
                    raise ModelRefused(f"the key in {name} is none: it holds more than ASCII")
                return key
        at_home = self._where().rstrip("/") == self._home and self._home.startswith("https://")
        if not at_home and not self._needs_key:
            return "none"  # a server of one's own may want none
        raise ModelRefused(
            f"the model {self.name} needs a key: set {' or '.join(self._variables)} in the environment or in .env"
        )


async def _at_once(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def installed(name: str, extra: str) -> Any:
    """An SDK, imported while the loop goes on: that takes a second or two.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        return await asyncio.to_thread(importlib.import_module, name)
    except ImportError as error:
        raise ConfigError(f"this model needs a package ({error}): pip install 'terrarium[{extra}]'") from None
