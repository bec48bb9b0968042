"""`terrarium serve-model`: a local server that speaks the APIs of model providers."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from terrarium.model.server.server import ModelServer


@click.command("serve-model")
@click.argument("policy", default="echo")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option(
    "--port", default=8377, show_default=True, type=click.IntRange(0, 65535), help="The port; 0: any that is free."
)
@click.option("--name", default="", help="What the model is called. Default: as its source says.")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="KIND[,KEY=VALUE...]",
    help="What goes wrong: an HTTP status or a kind; keys: at, times, chance, seed, after, seconds, size, depth. "
    "Repeatable.",
)
@click.option("--delay", default=0.0, metavar="SECONDS", type=click.FloatRange(0), help="Before each answer.")
@click.option(
    "--require-key", "key", metavar="KEY", help="Answer 401 to clients that send another. Default: any will do."
)
@click.option("--log", metavar="FILE", help="Append each request to FILE, as JSON without keys.")
def command(policy: str, name: str, **settings: Any) -> None:
    """Serve the APIs of OpenAI, Anthropic and Google on this machine, without any model.

    POLICY says who answers: `echo` (says what it was told; the default), `tools` (calls each tool that the prompt
    names), a script (.json, .jsonl, .toml), `cassette:FILE`, `solution:PATH` (the reference solutions of the tasks
    there, each a model with its task's name), or `package.module:function` of messages and tools.

    Kinds of faults: stall, slow, malformed, empty, truncated, cut, duplicate_ids, content_type, drop, huge, deep,
    deep_body, control, surrogate, and any HTTP status from 400 to 599. `--fault 429,at=2,after=1` is one that hits the
    second request.
    """
    from terrarium.model.server.server import ModelServer
    from terrarium.run.served import brain

    answers, faults = brain(policy, name)
    server = ModelServer(answers, **{**settings, "faults": [*settings["faults"], *faults]}, keep=0)
    asyncio.run(_serve(server))


async def _serve(server: ModelServer) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    await server.open()
    try:
        click.echo(f"serving {', '.join(server.app.names)} at {server.url}")
        click.echo(f"  OpenAI     {server.url}/v1   (chat completions, responses)")
        click.echo(f"  Anthropic  {server.url}")
        click.echo(f"  Google     {server.url}")
        await ended.wait()
    finally:
        await server.close()
