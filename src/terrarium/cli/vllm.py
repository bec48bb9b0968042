"""`terrarium vllm`: a vLLM server of one's own."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from terrarium.model.vllm.settings import VllmSettings


@click.group("vllm")
def command() -> None:
    """Start, watch and stop a vLLM server on this machine.

    vLLM itself is not part of Terrarium and needs a GPU: install it into the environment whose `vllm` is found first,
    or name what runs it with --launch-command.
    """


_OPTIONS = [
    click.option("--checkpoint", metavar="PATH", help="Where the weights are, where that is not MODEL."),
    click.option("--served-model-name", metavar="NAME", help="What requests call it. Default: MODEL."),
    click.option("--host", default="127.0.0.1", show_default=True, help="The address it listens at."),
    click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535), help="Its port."),
    click.option(
        "--tensor-parallel-size", metavar="N", type=click.IntRange(1), help="Over how many GPUs it is spread."
    ),
    click.option("--max-model-len", metavar="N", type=click.IntRange(1), help="Tokens of a conversation at most."),
    click.option("--dtype", metavar="TYPE", help="Of the weights: auto, bfloat16, ..."),
    click.option("--gpu-memory-utilization", metavar="PART", type=float, help="Which part of a GPU's memory it takes."),
    click.option("--tool-call-parser", metavar="NAME", help="A parser of vLLM's, auto (by family) or none."),
    click.option("--reasoning-parser", metavar="NAME", help="Likewise, for reasoning."),
    click.option("--chat-template", metavar="FILE", help="The template of its prompts. Default: the model's own."),
    click.option("--startup-timeout", metavar="SECONDS", type=float, help="Until it must be well. Default: 600."),
    click.option("--launch-command", metavar="COMMAND", help="What is run. Default: vllm serve."),
    click.option("--env", multiple=True, metavar="KEY=VALUE", help="A variable of its environment; repeatable."),
    click.argument("additional_args", nargs=-1, type=click.UNPROCESSED),
]


def _with_settings(function: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_OPTIONS):
        function = option(function)
    return click.argument("model_name", metavar="MODEL")(function)


@command.command("start")
@_with_settings
def start(**given: Any) -> None:
    """Start a server of MODEL and wait until it is well; it stays when this command ends.

    What follows `--` goes to vLLM as it is. One that serves MODEL at that port already is left as it is.
    """
    from terrarium.model.vllm.server import start as start_server

    server = start_server(_settings(given), _say)
    click.echo(f"{server.model} is served at {server.url}/v1 (process {server.process.pid})")


@command.command("run")
@click.option("--foreground", is_flag=True, default=True, help="In the foreground, which `run` always is.")
@_with_settings
def run(foreground: bool, **given: Any) -> None:
    """Run a server of MODEL in the foreground, its output on this terminal, until Ctrl-C."""
    import signal

    from terrarium.model.vllm.server import launch

    settings = _settings(given)
    for line in settings.advice:
        _say(line)
    process = launch(settings)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to both
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    code = process.wait()
    raise SystemExit(code if code >= 0 else 128 - code)


@command.command("stop")
@click.option("--port", type=click.IntRange(1, 65535), help="Only the server at that port. Default: all.")
@click.option("--force", is_flag=True, help="Kill it at once instead of asking it to end.")
@click.option("--grace", default=30.0, show_default=True, metavar="SECONDS", help="Until it is killed otherwise.")
def stop(port: int | None, force: bool, grace: float) -> None:
    """Stop the servers that were started from here, with everything they started."""
    from terrarium.model.vllm.server import stop as stop_server
    from terrarium.model.vllm.state import all_running

    found = [server for server in all_running() if port in (None, server.port)]
    for server in found:
        stop_server(server, force, grace)
        click.echo(f"stopped {server.model} at port {server.port} (process {server.process.pid})")
    if not found:
        click.echo("no server runs" + (f" at port {port}" if port else ""))


@command.command("status")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def status(as_json: bool) -> None:
    """Say which servers were started from here, and how they are. Exit code 1: none is well."""
    from terrarium.cli.safe_text import one_line
    from terrarium.model.vllm.server import health
    from terrarium.model.vllm.settings import VllmSettings
    from terrarium.model.vllm.state import all_running, in_use

    told = []
    for server in all_running():
        host = server.url.removeprefix("http://").rpartition(":")[0].strip("[]")
        state = health(VllmSettings.of({"model_name": server.model, "host": host, "port": server.port}))
        told.append(
            {
                "model": server.model,
                "url": f"{server.url}/v1",
                "port": server.port,
                "pid": server.process.pid,
                "state": "healthy" if state == "healthy" else "starting or not well",
                "automatic": server.automatic,
                "in_use": in_use(server.port),
                "log": server.log,
            }
        )
    if as_json:
        click.echo(json.dumps(told))
    for one in [] if as_json else told:
        use = ("in use" if one["in_use"] else "in use by nobody") if one["automatic"] else ""
        line = f"{one['model']} at {one['url']}: {one['state']}, process {one['pid']}, log {one['log']}"
        click.echo(one_line(f"{line}{', started for clients, ' + use if use else ''}", 2000))
    if not (told or as_json):
        click.echo("no server runs")
    raise SystemExit(0 if any(one["state"] == "healthy" for one in told) else 1)


def _settings(given: dict[str, Any]) -> VllmSettings:
    from terrarium.core.errors import ConfigError
    from terrarium.model.vllm.settings import VllmSettings

    variables: dict[str, str] = {}
    for pair in given.pop("env"):
        name, equals, value = pair.partition("=")
        if not (name and equals):
            raise ConfigError("a variable is written as KEY=VALUE")
        variables[name] = value
    known = {key: value for key, value in given.items() if value not in (None, ())}
    return VllmSettings.of({**known, "env": variables})


def _say(line: str) -> None:
    from terrarium.cli.safe_text import one_line

    click.echo(one_line(line, 500), err=True)
