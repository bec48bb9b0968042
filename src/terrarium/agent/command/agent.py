"""An agent that is a command-line program in its sandbox."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from terrarium.agent.command.program import McpServer, Program
from terrarium.agent.command.template import Part, file_of, filled, plain, words_of
from terrarium.agent.command.transcript import Lines, Transcript
from terrarium.core.agent import Reply, Seat, StopReason, TurnOver
from terrarium.core.errors import AgentFault, ConfigError, NotFound, Refused, SandboxFault
from terrarium.core.gateway import Gateway, ModelAddress
from terrarium.core.message import Message, TextBlock
from terrarium.core.model import Model
from terrarium.core.sandbox import AgentSandbox, ExecResult

_FOREVER = 7 * 86_400.0  # seconds: the limits of turn and trial end it
_GRACE = 5.0  # seconds for a program to end by itself once its model answers no more
_SKILLS_BYTES = 20 * 1024 * 1024
_TAIL = 1000  # characters of what it wrote last
_UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_BASH_ENV = b"unset FAKETIME_SHARED\n"
"""Each bash reads it when it begins. The library that shows world time tells its children by that variable where its
memory is; programs that give theirs the variables they began with leave it out, and then every subshell of a bash that
ends takes that memory away from the others, which complain."""
_WORLD = "world"  # what the world's own MCP server is called


class CommandAgent:
    """Runs a program for each turn, and lets it go on where it stopped by its own session.

    The program asks its model at the gateway, and has the world's tools by MCP. What it leaves running in the
    background goes on after the turn; without a turn, nobody answers it.

    Args:
        program: Which.
        model: What it asks.
        gateway: Where.
        skills: A folder of the machine with skills, each a folder with a `SKILL.md`.
        mcp_servers: Further MCP servers by name: tables of `url` and `headers`, or of `command`, `args` and `env`.
        env: Further variables.
        args: Further words of its command line.

    Raises:
        ConfigError: A setting is wrong.
    """

    timing: ClassVar[Literal["fixed", "measured"]] = "measured"
    wants_model: ClassVar[bool] = True
    wants_gateway: ClassVar[bool] = True
    wants_sandbox: ClassVar[bool] = True
    tells_messages: ClassVar[bool] = True

    def __init__(
        self,
        program: Program,
        model: Model,
        gateway: Gateway,
        *,
        skills: str | None = None,
        mcp_servers: Mapping[str, Any] | None = None,
        env: Mapping[str, str] | None = None,
        args: Sequence[str] = (),
    ) -> None:
        self.program = program
        self._gateway = gateway
        self._skills = _skills(program, skills)
        self._servers = [McpServer.of(name, told) for name, told in sorted((mcp_servers or {}).items())]
        if self._servers and program.servers is None:
            raise ConfigError(f"{program.name} has no MCP servers")
        if isinstance(args, str) or not all(isinstance(word, str) for word in args):
            raise ConfigError(f"args of {program.name} must be a list of words, not {args!r:.100}")
        self._env, self._args = {str(key): str(value) for key, value in (env or {}).items()}, list(args)
        self._session: str | None = None
        self._furnished = False

    async def open(self, seat: Seat) -> None:
        """Nothing is started before the first turn."""

    async def act(self, instruction: Message, seat: Seat, resumed: bool = False) -> Reply:
        """One turn: the program runs to its end.

        Raises:
            AgentFault: It ended with an error, or cannot be started.
            ModelFault: Its model had no answer for it.
            SandboxFault: There is no sandbox with a network.
        """
        sandbox = seat.sandbox
        if sandbox is None:
            raise SandboxFault(f"{self.program.name} runs in a sandbox, and its seat has none")
        transcript = self.program.transcript()
        try:
            address = await self._gateway.open(seat)
            values = self._values(seat, sandbox, address, instruction.text)
            await self._write(sandbox, values)
            result = await self._run(sandbox, values, transcript)
        except BaseException:
            self._gateway.abandon()
            raise
        finally:
            self._session = transcript.session or self._session
        try:
            fault = await self._gateway.settle()
        except TurnOver as over:
            return _reply(transcript, over.stop)
        if fault is not None:
            raise fault
        if result is None or result.exit_code != 0:
            raise AgentFault(f"{self.program.name} {self.program.version} {_how(result, transcript)}")
        return _reply(transcript, StopReason.COMPLETED)

    def save(self) -> bytes | None:
        """Which session it continues; all else is in its files."""
        return json.dumps({"session": self._session}).encode()

    def load(self, memory: bytes) -> None:
        """Continue that session."""
        self._session = json.loads(memory)["session"]

    async def close(self) -> None:
        """Nobody answers the program any more; idempotent."""
        await self._gateway.close()

    # -- inside ---------------------------------------------------------------------------------------------------

    async def _run(self, sandbox: AgentSandbox, values: Mapping[str, str], transcript: Transcript) -> ExecResult | None:
        """How it ended; None: it had to be ended, as its model answered no more."""
        program, lines = self.program, Lines(transcript.line)
        words = words_of(program.resumed if values["session"] and self._session else program.first, values)
        running = asyncio.ensure_future(
            sandbox.exec(
                [*words, *self._args],
                timeout=_FOREVER,
                env={
                    "BASH_ENV": f"{program.home}/bash_env",
                    **{key: filled(text, values) for key, text in program.env.items()},
                    **self._env,
                },
                stdin=filled(program.stdin, values).encode(),
                output=lines.feed,
            )
        )
        over = asyncio.ensure_future(self._gateway.ended())
        try:
            await asyncio.wait({running, over}, return_when=asyncio.FIRST_COMPLETED)
            if not running.done():
                await asyncio.wait({running}, timeout=_GRACE)
            if not running.done():
                return None
            result = running.result()
            lines.end()
            if program.log:
                await self._read_log(sandbox, filled(program.log, values), transcript)
            return result
        finally:
            over.cancel()
            running.cancel()
            await asyncio.wait({running, over})

    async def _read_log(self, sandbox: AgentSandbox, path: str, transcript: Transcript) -> None:
        try:
            transcript.file(await sandbox.read(path))
        except (NotFound, Refused):
            pass  # it came to no account of what it did

    def _values(self, seat: Seat, sandbox: AgentSandbox, address: ModelAddress, instruction: str) -> dict[str, str]:
        from uuid import uuid4

        program = self.program
        servers = self._all_servers(sandbox)
        values = {
            "bin": program.bin,
            "home": program.home,
            "instruction": instruction,
            "system_prompt": seat.system_prompt or "",
            "session": self._session or str(uuid4()),
            "url": address.url,
            "token": address.token,
            "model": address.model,
            "workdir": sandbox.workdir,
        }
        values["mcp"] = filled(program.servers[0], values) if program.servers and servers else ""
        return values

    def _all_servers(self, sandbox: AgentSandbox) -> list[McpServer]:
        """The world's own, where there is one, and those of the settings."""
        url, token = sandbox.env.get("TERRARIUM_MCP_URL"), sandbox.env.get("TERRARIUM_MCP_TOKEN", "")
        own = [McpServer(_WORLD, url=url, headers={"Authorization": f"Bearer {token}"})] if url else []
        return [*own, *self._servers]

    async def _write(self, sandbox: AgentSandbox, values: Mapping[str, str]) -> None:
        """Write its files; skills only once, as they may change them."""
        program = self.program
        files: dict[str, list[Part]] = {filled(path, values): list(parts) for path, parts in program.files.items()}
        if program.servers is not None and values["mcp"]:
            part = plain(program.servers[1](self._all_servers(sandbox)))
            files.setdefault(values["mcp"], []).append(part)
        await sandbox.write(f"{program.home}/bash_env", _BASH_ENV)
        for path, parts in files.items():
            await sandbox.write(path, file_of(parts, values).encode(), mode=0o600)
        if not self._furnished:
            for name, content in self._skills.items():
                await sandbox.write(f"{filled(program.skills, values)}/{name}", content)
            self._furnished = True


def _skills(program: Program, folder: str | None) -> dict[str, bytes]:
    """The files of a folder of skills, by path below it.

    Raises:
        ConfigError: It is not there, or too large; or the program has no skills.
    """
    if folder is None:
        return {}
    place = Path(folder)
    if not program.skills:
        raise ConfigError(f"{program.name} has no skills")
    if not place.is_dir():
        raise ConfigError(f"skills must be a folder: {folder!r} is none")
    files = [path for path in sorted(place.rglob("*")) if path.is_file() and not path.is_symlink()]
    if sum(path.stat().st_size for path in files) > _SKILLS_BYTES:
        raise ConfigError(f"the skills in {folder!r} are over {_SKILLS_BYTES >> 20} MiB")
    return {path.relative_to(place).as_posix(): path.read_bytes() for path in files}


def _reply(transcript: Transcript, stop: StopReason) -> Reply:
    messages = transcript.messages or ([Message("assistant", [TextBlock(transcript.text)])] if transcript.text else [])
    return Reply(transcript.text, messages, stop.value)


def _how(result: ExecResult | None, transcript: Transcript) -> str:
    """How it ended badly, in one line that a terminal can be shown."""
    if result is None:
        return "did not end"
    code = result.exit_code
    ended = f"was killed by signal {code - 128}" if code > 128 else f"ended with exit code {code}"
    if code == 127:
        ended = "is not installed in the sandbox, or lacks a library (exit code 127)"
    told = transcript.error or result.stderr.strip() or result.stdout.strip()
    return f"{ended}: {_UNSAFE.sub(' ', told[-_TAIL:])}" if told else ended
