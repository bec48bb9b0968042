"""The gateway: every API in front of any model, who may ask, and what becomes of answers that go wrong."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import httpx
import pytest

from terrarium.core.agent import Reply, StopReason, TurnOver
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
    SCENARIOS["now"] = scenario
    kwargs = {"scenario": "now", **({"caller": more.pop("caller")} if "caller" in more else {})}
    agent = AgentConfig(
        name="asking", import_path=f"{__name__}:Asking", model_name=f"{__name__}:{model}", kwargs=kwargs
    )
    return play(ONE_TURN, agent, **more)


SCENARIOS: dict[str, Scenario] = {}


def completions(played: Any) -> list[Completion]:
    return [event.data["completion"] for event in played.events("model")]


# -- any API in front of any model --------------------------------------------------------------------------------

TOOL = {"type": "object", "properties": {"where": {"type": "string"}}}


async def by_anthropic(client: Client) -> None:
    import anthropic

    async with anthropic.AsyncAnthropic(base_url=client.url, auth_token=client.token, api_key=None) as sdk:
        asked: Any = {
            "model": "m",
            "max_tokens": 100,
            "system": "be kind",
            "messages": [{"role": "user", "content": "hi"}],
            "tools": [{"name": "look", "input_schema": TOOL}],
        }
        whole = await sdk.messages.create(**asked)
        async with sdk.messages.stream(**asked) as stream:
            streamed = await stream.get_final_message()
    for answer in (whole, streamed):
        said = {block.type: block for block in answer.content}
        assert said["text"].text == "Grüße \x1b[31m"
        assert said["tool_use"].input == {"where": "here"}
        assert answer.stop_reason == "tool_use"


async def by_chat(client: Client) -> None:
    import openai

    async with openai.AsyncOpenAI(base_url=f"{client.url}/v1", api_key=client.token) as sdk:
        asked: Any = {
            "model": "m",
            "messages": [{"role": "system", "content": "be kind"}, {"role": "user", "content": "hi"}],
            "tools": [{"type": "function", "function": {"name": "look", "parameters": TOOL}}],
        }
        whole = (await sdk.chat.completions.create(**asked)).choices[0].message
        assert whole.content == "Grüße \x1b[31m"
        assert json.loads(whole.tool_calls[0].function.arguments) == {"where": "here"}
        text = ""
        async for chunk in await sdk.chat.completions.create(stream=True, **asked):
            text += "".join(choice.delta.content or "" for choice in chunk.choices)
        assert text == "Grüße \x1b[31m"


async def by_responses(client: Client) -> None:
    import openai

    async with openai.AsyncOpenAI(base_url=f"{client.url}/v1", api_key=client.token) as sdk:
        asked: Any = {
            "model": "m",
            "instructions": "be kind",
            "input": "hi",
            "tools": [{"type": "function", "name": "look", "parameters": TOOL, "strict": False}],
        }
        whole = await sdk.responses.create(**asked)
        assert whole.output_text == "Grüße \x1b[31m"
        kinds = [event.type async for event in await sdk.responses.create(stream=True, **asked)]
        assert kinds[-1] == "response.completed"


async def by_google(client: Client) -> None:
    from google import genai
    from google.genai import types

    options = types.HttpOptions(base_url=client.url)
    sdk = genai.Client(api_key=client.token, http_options=options)
    try:
        config = types.GenerateContentConfig(
            system_instruction="be kind",
            tools=[types.Tool(function_declarations=[{"name": "look", "parameters_json_schema": TOOL}])],
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        )
        asked: Any = {"model": "m", "contents": "hi", "config": config}
        whole = await sdk.aio.models.generate_content(**asked)
        assert whole.function_calls[0].args == {"where": "here"}
        text = ""
        async for chunk in await sdk.aio.models.generate_content_stream(**asked):
            text += "".join(part.text or "" for part in chunk.parts or [] if not part.thought)
        assert text == "Grüße \x1b[31m"
    finally:
        await sdk.aio.aclose()


@pytest.mark.parametrize("scenario", [by_anthropic, by_chat, by_responses, by_google], ids=lambda one: one.__name__)
def test_programs_of_every_provider_have_the_same_answers(play: Any, scenario: Scenario) -> None:
    asked: list[Any] = []

    async def go(client: Client) -> None:
        await scenario(client)
        asked.extend(client.model.asked)

    played = play_with(play, go)
    assert played.said == ["stop completed"]
    done = completions(played)
    assert [one.usage for one in done] == [Usage(12, 5, 3)] * 2
    assert all(len(one.request) == 64 for one in done)
    for messages, tools in asked:
        assert [(one.role, one.text) for one in messages] == [("system", "be kind"), ("user", "hi")]
        assert [tool.name for tool in tools] == ["look"]


def test_what_else_programs_ask_for(play: Any) -> None:
    async def go(client: Client) -> None:
        assert (await client.http.get("/v1/models")).json()["data"][0]["id"] == "m"
        assert (await client.http.get("/v1/models/m")).json()["id"] == "m"
        assert (await client.http.get("/v1beta/models")).json()["models"][0]["name"] == "models/m"
        assert (await client.ask("/v1/messages/count_tokens")).json()["input_tokens"] > 5
        assert (await client.http.head("/")).status_code == 200
        assert (await client.ask("/v1/embeddings")).status_code == 404
        assert (await client.http.get("/v1/messages")).status_code == 405
        assert client.model.asked == []

    assert play_with(play, go).said == ["stop completed"]


# -- who may ask --------------------------------------------------------------------------------------------------


def test_only_the_trials_own_token_opens_it(play: Any) -> None:
    async def go(client: Client) -> None:
        body = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}
        for token, status in ((client.token, 200), ("-", 401), ("terrarium-" + "0" * 48, 401), ("ü", 401)):
            shown: list[dict[str, Any]] = [
                {"headers": {"authorization": f"Bearer {token}".encode()}},
                {"headers": {"x-api-key": token.encode()}},
                {"headers": {"x-goog-api-key": token.encode()}},
                {"params": {"key": token}},
            ]
            async with httpx.AsyncClient(base_url=client.url) as http:
                for way in shown:
                    assert (await http.post("/v1/messages", json=body, **way)).status_code == status
        assert len(client.model.asked) == 4

    assert play_with(play, go).said == ["stop completed"]


def test_a_token_is_worth_nothing_in_another_agents_sandbox(play: Any) -> None:
    async def go(client: Client) -> None:
        answer = await client.ask()
        assert answer.status_code == 401
        assert answer.json()["error"]["message"]

    played = play_with(play, go, caller="somebody")
    assert played.said == ["stop completed"]
    assert played.events("step") == []


def test_between_turns_nobody_is_answered(play: Any) -> None:
    async def go(client: Client) -> None:
        assert (await client.ask()).status_code == 200
        await client.gateway.settle()
        answer = await client.ask()
        assert answer.status_code == 400
        assert "no turn" in answer.json()["error"]["message"]

    assert len(play_with(play, go).events("step")) == 1


# -- limits and time ----------------------------------------------------------------------------------------------


def test_a_limit_is_told_in_the_words_of_the_api_and_ends_the_turn(play: Any) -> None:
    async def go(client: Client) -> None:
        assert [(await client.ask()).status_code for _ in range(4)] == [200, 200, 400, 400]
        answer = await client.ask()
        assert answer.json()["type"] == "error"
        assert StopReason.STEP_LIMIT.value in answer.json()["error"]["message"]
        async with asyncio.timeout(5):
            await client.gateway.ended()

    played = play_with(play, go, limits={"steps": 2})
    assert played.said == ["stop step_limit"]
    assert len(played.events("step")) == 2


def test_requests_that_overlap_are_charged_once(play: Any) -> None:
    elapsed: list[float] = []

    async def go(client: Client) -> None:
        began = asyncio.get_running_loop().time()
        await asyncio.gather(client.ask(), client.ask())
        elapsed.append(asyncio.get_running_loop().time() - began)

    played = play_with(play, go, "Together/m")
    costs = [event.data["cost"][1] for event in played.events("step")]
    assert len(costs) == 2
    assert 0.2e6 <= sum(costs) <= elapsed[0] * 1e6


def test_what_is_due_happens_before_a_request_goes_on(play: Any) -> None:
    async def go(client: Client) -> None:
        await client.ask()
        await asyncio.sleep(0.05)
        await client.ask()

    source = """
    @entry()
    def errand(env, agent):
        env.after(0.000001, lambda: env.reward("fired", 0))
        agent.act("go")
        return run_checkers({"done": lambda: True})
    """
    SCENARIOS["now"] = go
    agent = AgentConfig(
        name="asking",
        import_path=f"{__name__}:Asking",
        model_name=f"{__name__}:Answering/m",
        kwargs={"scenario": "now"},
    )
    played = play(source, agent)
    assert played.error is None
    kinds = [event.kind for event in played.events("step", "fired")]
    assert kinds.index("fired") < max(place for place, kind in enumerate(kinds) if kind == "step")


# -- sent on to a provider ----------------------------------------------------------------------------------------


def test_a_request_of_the_providers_own_api_is_sent_on_and_its_stream_comes_as_it_comes(play: Any) -> None:
    sent: list[Any] = []

    async def go(client: Client) -> None:
        body = {"model": "small", "stream": True, "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
        headers = {"anthropic-beta": "x-1", "authorization": f"Bearer {client.token}", "cookie": "c"}
        received = b""
        query = f"beta=true&key={client.token}"
        async with client.http.stream("POST", f"/v1/messages?{query}", json=body, headers=headers) as answer:
            assert answer.headers["content-type"] == "text/event-stream"
            async for chunk in answer.aiter_bytes():
                received += chunk
                client.model.seen.set()  # without the first piece the second never comes
        assert received.decode() == START + piece("one") + piece(" two") + END
        sent.extend(client.model.sent)

    played = play_with(play, go, "Provider/stepwise")
    [done] = completions(played)
    assert done.message.text == "one two"
    assert done.usage == Usage(7, 4)
    [(body, path, headers)] = sent
    assert body["messages"] == [{"role": "user", "content": "hi"}]
    assert path == "/v1/messages?beta=true"
    assert headers.keys() == {"anthropic-beta"}


def test_who_hangs_up_in_the_middle_of_a_stream_has_taken_a_step(play: Any) -> None:
    async def go(client: Client) -> None:
        with contextlib.suppress(httpx.HTTPError):
            async with client.http.stream("POST", "/v1/messages", json=STREAMED) as answer:
                async for _ in answer.aiter_bytes():
                    break

    played = play_with(play, go, "Provider/endless")
    [done] = completions(played)
    assert done.stop == "other"
    assert done.message.text.startswith("one")


STREAMED = {"model": "m", "stream": True, "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize(
    ("model", "told"),
    [("breaking", "the line broke"), ("cut", "ModelFault"), ("endless", "over 32 MiB"), ("deep", "cannot be read")],
)
def test_an_answer_that_goes_wrong_is_an_outage(play: Any, model: str, told: str) -> None:
    async def go(client: Client) -> None:
        with contextlib.suppress(httpx.HTTPError):
            async with client.http.stream("POST", "/v1/messages", json=STREAMED) as answer:
                async for _ in answer.aiter_bytes():
                    pass

    played = play_with(play, go, f"Provider/{model}")
    assert "ModelFault" in played.error
    assert told in played.error
    assert played.result.verdict.reward is None
    assert played.events("step") == []


@pytest.mark.parametrize(("model", "status", "kind"), [("busy", 429, "ModelFault"), ("toolong", 400, "ModelRefused")])
def test_errors_of_the_provider_reach_the_program(play: Any, model: str, status: int, kind: str) -> None:
    async def go(client: Client) -> None:
        answer = await client.ask()
        assert answer.status_code == status
        assert model in answer.text

    played = play_with(play, go, f"Provider/{model}")
    assert played.error.startswith(kind)


@pytest.mark.parametrize("model", ["Provider/unknown", "Failing/m"])
def test_what_is_said_of_the_engines_own_key_stays_outside(play: Any, model: str) -> None:
    async def go(client: Client) -> None:
        answer = await client.ask()
        assert answer.status_code in (400, 502)
        assert answer.headers["x-should-retry"] == "false"
        assert "sk-fake" not in answer.text

    assert "Model" in play_with(play, go, model).error


def test_an_outage_that_passes_is_none(play: Any) -> None:
    async def go(client: Client) -> None:
        client.model.name = "busy"
        assert (await client.ask()).status_code == 429
        client.model.name = "fine"
        assert (await client.ask(stream=True)).status_code == 200

    assert play_with(play, go, "Provider/fine").said == ["stop completed"]


# -- hostile programs ---------------------------------------------------------------------------------------------


def test_requests_that_are_none_are_refused_and_nothing_is_asked(play: Any) -> None:
    async def go(client: Client) -> None:
        deep = b'{"messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
        for body in (b"", b"{", b"[]", b"\xff\xfe", b"nul", b'{"messages": 7}', deep):
            answer = await client.http.post("/v1/messages", content=body)
            assert answer.status_code == 400, body[:20]
            assert answer.json()["type"] == "error"
        with contextlib.suppress(httpx.HTTPError):
            answer = await client.http.post("/v1/messages", content=b" " * (33 << 20))
            assert answer.status_code == 413
        assert client.model.asked == []
        assert (await client.ask()).status_code == 200

    assert play_with(play, go).said == ["stop completed"]
