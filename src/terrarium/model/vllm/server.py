"""Starting and stopping a vLLM server, and waiting until it is well."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from terrarium.core.errors import ConfigError, ModelFault
from terrarium.model.vllm.process import Identity
from terrarium.model.vllm.settings import VllmSettings
from terrarium.model.vllm.state import Running, folder, forget, locked, remember, running

Tell = Callable[[str], None]
Health = Literal["healthy", "other", "down"]

_KEY = "VLLM_API_KEY"
_LINES = 15  # of a log that are told
_EVERY = 5.0  # seconds between two words on how far it is


def health(settings: VllmSettings, seconds: float = 5.0) -> Health:
    """How the server at the settings' address is.

    Returns:
        `healthy`: it is well and serves the model; `other`: something answers that does not; `down`: nothing does.
    """
    try:
        _get(settings.url + settings.health_check_path, seconds)
        listed = json.loads(_get(f"{settings.url}/v1/models", seconds))
        names = [model["id"] for model in listed["data"]]
    except urllib.error.HTTPError as error:
        error.close()
        return "other"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return "other" if not isinstance(error, OSError) else "down"
    return "healthy" if settings.name in names else "other"


def start(settings: VllmSettings, tell: Tell = lambda line: None, automatic: bool = False) -> Running:
    """Start a server and wait until it is well. One that was started before for the same model is taken.

    Args:
        settings: What it serves, where and how.
        tell: Told how far it is, in lines.
        automatic: It is to be stopped when no client uses it any more.

    Raises:
        ConfigError: The port is taken, or there is no such command.
        ModelFault: It ended, or was not well in time; it runs no more then.
    """
    with locked(settings.port):
        found = running(settings.port)
        if found is not None and found.model != settings.name:
            raise ConfigError(
                f"port {settings.port} is that of the server of {found.model}: stop it with `terrarium vllm stop "
                f"--port {settings.port}`, or take another port"
            )
        server = found or _spawn(settings, tell, automatic)
    if found is not None:
        tell(f"{found.model} is served already, or about to be, by process {found.process.pid}")
        wait(settings, found, tell)
        return found
    try:
        wait(settings, server, tell)
    except BaseException:  # also Ctrl-C: what nobody waits for must not hold a GPU
        with locked(settings.port):
            server.process.end(force=True)
            forget(settings.port)
        raise
    return server


def stop(server: Running, force: bool = False, grace: float = 30.0) -> None:
    """End a server and everything it started.

    Args:
        server: Which.
        force: Kill it at once.
        grace: Seconds that it has to end by itself otherwise.

    Raises:
        EngineFault: It cannot be ended.
    """
    with locked(server.port):
        server.process.end(force, grace)
        if running(server.port) is None:
            forget(server.port)


def wait(settings: VllmSettings, server: Running, tell: Tell) -> None:
    """Wait until a server that was started is well.

    Raises:
        ModelFault: It has ended, or time is up.
    """
    began = time.monotonic()
    told, pause = began, 0.05
    while True:
        if not server.process.alive:
            raise ModelFault(_why(server, "ended before it was well", tell))
        if health(settings) == "healthy":
            return
        now = time.monotonic()
        if now - began > settings.startup_timeout:
            raise ModelFault(_why(server, f"was not well after {settings.startup_timeout:g} s", tell))
        if now - told > _EVERY:
            told = now
            last = tail(server.log, 1)
            tell(f"waiting for {server.model}, {now - began:.0f} s{': ' + last[0][:200] if last else ''}")
        time.sleep(pause)
        pause = min(1.0, pause * 1.5)


def tail(log: str, lines: int = _LINES) -> list[str]:
    """The last lines of a log that say something."""
    try:
        with Path(log).open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 65536))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    return [line.strip()[:500] for line in text.splitlines() if line.strip()][-lines:]


def launch(settings: VllmSettings, output: int | None = None) -> subprocess.Popen[bytes]:
    """Run the command, as the leader of a session of its own where its output goes to a file.

    Raises:
        ConfigError: There is no such command, or something is at the port already.
    """
    if health(settings, 1.0) != "down" or _is_taken(settings):
        raise ConfigError(f"something else listens at port {settings.port}: end it, or take another port")
    command = settings.command()
    if shutil.which(command[0]) is None:
        raise ConfigError(
            f"there is no command {command[0]!r}: install vLLM (it needs a GPU), or set launch_command to what runs it"
        )
    # A server may run code that comes with a model: the keys of other providers are no business of its.
    own = {name: value for name, value in os.environ.items() if name == _KEY or not name.endswith("_API_KEY")}
    environment = {**own, **settings.env}
    if output is None:
        return subprocess.Popen(command, env=environment)
    return subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
    )


def _spawn(settings: VllmSettings, tell: Tell, automatic: bool) -> Running:
    for line in settings.advice:
        tell(line)
    log = folder() / f"{settings.port}.log"
    with log.open("wb") as file:
        process = launch(settings, file.fileno())
    identity = Identity.of(process.pid)
    server = Running(
        identity or Identity(process.pid, 0, ""), settings.url, settings.port, settings.name, str(log), automatic
    )
    process.returncode = 0  # else Python warns when this object goes: the process is meant to outlive it
    remember(server)
    tell(f"started {settings.name} as process {process.pid}; its output goes to {log}")
    return server


def _why(server: Running, what: str, tell: Tell) -> str:
    lines = tail(server.log)
    for line in lines:
        tell(f"    {line}")
    ends = f"; its log ends: {' / '.join(lines[-3:])}" if lines else "; its log is empty"
    return f"the vLLM server of {server.model} {what} (log: {server.log}){ends}"


def _get(url: str, seconds: float) -> bytes:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    key = os.environ.get(_KEY)
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"} if key else {})
    with opener.open(request, timeout=seconds) as answer:
        body: bytes = answer.read(1 << 20)
        return body


def _is_taken(settings: VllmSettings) -> bool:
    """Whether a port cannot be listened at."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        socket.create_server((settings.host, settings.port), family=family).close()
    except OSError:
        return True
    return False
