"""An agent whose program does what a test says, and models that answer it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import httpx

from terrarium.core.agent import Reply, TurnOver
from terrarium.core.errors import ModelFault
from terrarium.core.message import Message, TextBlock, ThinkingBlock, ToolUseBlock, Usage
from terrarium.core.model import Completion, Forwarded
from terrarium.core.network import Caller, Handler, Network
from terrarium.run.config import AgentConfig

ONE_TURN = """
@entry()
def errand(env, agent):
    reply = agent.act("go")
    env.reward(f"stop {reply.stop}", 0)
    return run_checkers({"done": lambda: True})
"""

Scenario = Callable[["Client"], Awaitable[Any]]


class Box:
    """A sandbox as far as a gateway needs one: its services are at free ports of the machine's loopback."""

    def __init__(self, caller: Caller) -> None:
        self.caller, self.network, self.ports = caller, Network(), dict[tuple[str, int], int]()

    async def listen(self, address: str, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.ports[address, port] = listener.getsockname()[1]
        return listener

    async def name_hosts(self, hosts: str) -> None: ...

    async def serve(self, host: str, port: int, handler: Handler) -> None:
        await self.network.serve(host, port, handler)
        await self.network.join(self, self.caller)

    def url(self, host: str) -> str:
        return f"http://127.0.0.1:{self.ports[self.network.name(host), 80]}"


class Seated:
    """A seat with another sandbox."""

    def __init__(self, seat: Any, sandbox: Box) -> None:
        self._seat, self.sandbox = seat, sandbox

    def __getattr__(self, name: str) -> Any:
        return getattr(self._seat, name)


class Client:
    """A program of the agent, in one scenario."""

    def __init__(self, url: str, token: str, model: Any, gateway: Any) -> None:
        self.url, self.token, self.model, self.gateway = url, token, model, gateway
        self.http = httpx.AsyncClient(base_url=url, headers={"x-api-key": token}, timeout=30)

    async def ask(self, path: str = "/v1/messages", **more: Any) -> httpx.Response:
        body = {"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]}
        return await self.http.post(path, json=body | more)


class Asking:
    """An agent whose program does what a scenario of this file says."""

    timing = "measured"
    wants_model = wants_gateway = True

    def __init__(self, model: Any, gateway: Any, scenario: str, caller: str = "agent") -> None:
        self.model, self.gateway, self.scenario = model, gateway, SCENARIOS[scenario]
        self.box = Box(Caller(caller, "workspace"))

    async def open(self, seat: Any) -> None: ...

    async def act(self, instruction: Any, seat: Any, resumed: bool = False) -> Reply:
        address = await self.gateway.open(Seated(seat, self.box))
        client = Client(self.box.url("model.world"), address.token, self.model, self.gateway)
        if isinstance(self.model, Answering):
            self.model.asked.clear()  # one client serves all trials of a process
        async with client.http:
            await self.scenario(client)
        try:
            fault = await self.gateway.settle()
        except TurnOver as over:
            return Reply.say("", over.stop)
        if fault is not None:
            raise fault
        return Reply.say("done")

    def save(self) -> bytes | None:
        return b""

    def load(self, memory: bytes) -> None: ...

    async def close(self) -> None:
        await self.gateway.close()
        await self.box.network.close()


class Answering:
    """Answers with a thought, text and a tool call, whatever it is asked."""

    def __init__(self, name: str) -> None:
        self.name, self.asked = name, list[Any]()

    async def generate(self, messages: Any, tools: Any) -> Completion:
        self.asked.append((messages, tools))
        said = [
            ThinkingBlock("hm", "sig", "anthropic"),
            TextBlock("Grüße \x1b[31m"),
            ToolUseBlock("c1", "look", {"where": "here"}),
        ]
        return Completion(Message("assistant", said), "tool_use", Usage(12, 5, 3), self.name)

    async def close(self) -> None: ...


class Together(Answering):
    """Answers once two have asked, and a while has passed."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.met = asyncio.Event()

    async def generate(self, messages: Any, tools: Any) -> Completion:
        if self.asked:
            self.met.set()
        answer = await super().generate(messages, tools)
        await self.met.wait()
        await asyncio.sleep(0.2)
        return answer


class Failing(Answering):
    async def generate(self, messages: Any, tools: Any) -> Completion:
        raise ModelFault("sk-fake-0123456789: nobody there")


def event(kind: str, **data: Any) -> str:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n"


def piece(text: str) -> str:
    return event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})


MESSAGE = {"id": "m", "type": "message", "role": "assistant", "model": "big", "content": [], "stop_reason": None}
START = event("message_start", message={**MESSAGE, "usage": {"input_tokens": 7, "output_tokens": 1}})
START += event("content_block_start", index=0, content_block={"type": "text", "text": ""})
END = event("content_block_stop", index=0)
END += event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 4})
END += event("message_stop")
ERROR = '{"type": "error", "error": {"type": "x", "message": "key sk-fake-0123456789 %s"}}'


class Provider(Answering):
    """A client of a provider that sends requests on; its name says what the provider does."""

    wire = "anthropic"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.sent: list[tuple[Mapping[str, Any], str, Mapping[str, str]]] = []
        self.seen = asyncio.Event()

    @contextlib.asynccontextmanager
    async def forward(self, body: Mapping[str, Any], path: str, headers: Mapping[str, str]) -> AsyncIterator[Forwarded]:
        self.sent.append((body, path, headers))
        status = {"busy": 429, "unknown": 401, "toolong": 400}.get(self.name, 200)
        media = "text/event-stream" if body.get("stream") else "application/json"
        yield Forwarded(status, media, self._chunks())

    async def _chunks(self) -> AsyncIterator[bytes]:
        if self.name in ("busy", "unknown", "toolong"):
            yield (
                b'{"type":"error","error":{"type":"x","message":"key sk-fake-0123456789 ' + self.name.encode() + b'"}}'
            )
            return
        if self.name == "deep":
            yield b"[" * 5000 + b"]" * 5000
            return
        yield (START + piece("one")).encode()
        if self.name == "stepwise":
            await self.seen.wait()  # the first piece is with who asked before the second is there
        if self.name == "breaking":
            raise ModelFault("the line broke")
        if self.name == "endless":
            while True:
                yield piece("x" * 1_000_000).encode()
        if self.name == "cut":
            return
        yield (piece(" two") + END).encode()


def play_with(play: Any, scenario: Scenario, model: str = "Answering/m", **more: Any) -> Any:
    """A trial in which the agent's program does what `scenario` says.

    Args:
        play: The fixture.
        scenario: Gets the program.
        model: Class and name of the model.
        more: `caller`, whose sandbox it seems to be; `source` of the task; what else `play` takes.
    """
    SCENARIOS["now"] = scenario
    kwargs = {"scenario": "now", "caller": more.pop("caller", "agent")}
    agent = AgentConfig(
        name="asking", import_path=f"{__name__}:Asking", model_name=f"{__name__}:{model}", kwargs=kwargs
    )
    return play(more.pop("source", ONE_TURN), agent, **more)


SCENARIOS: dict[str, Scenario] = {}


def completions(played: Any) -> list[Completion]:
    return [event.data["completion"] for event in played.events("model")]
