"""A command-line agent of one's own, described in a TOML file."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from terrarium.agent.command.account import Account
from terrarium.agent.command.agent import CommandAgent
from terrarium.agent.command.program import Program, usual_servers
from terrarium.agent.command.template import Word
from terrarium.agent.command.transcript import Transcript
from terrarium.core.errors import ConfigError, unknown_key
from terrarium.core.gateway import Gateway
from terrarium.core.model import Model
from terrarium.core.registry import find

_TEXTS = ("name", "version", "wire", "stdin", "log", "skills", "home")
_KEYS = (*_TEXTS, "env", "files", "first", "folder", "resumed", "servers", "transcript")
_WIRES = ("anthropic", "google", "openai_chat", "openai_responses")


class TextTranscript(Account):
    """Takes all of the standard output for what the agent says."""

    def line(self, line: str) -> None:
        """One line of it."""
        text = f"{self.text}\n{line}".strip()
        self.begin()
        self.say(text)


class DeclaredAgent(CommandAgent):
    """Runs what a file describes.

    Args:
        model: What it asks.
        gateway: Where.
        file: The description: the attributes of a `Program` as TOML, and `folder`, which is what the sandbox sees as
            `$bin`, by default that of the file.
        settings: As of every `CommandAgent`.

    Raises:
        ConfigError: The file cannot be read, or describes nothing that can be run.
    """

    def __init__(self, model: Model, gateway: Gateway, *, file: str, **settings: Any) -> None:
        super().__init__(program_of(Path(file)), model, gateway, **settings)

    @classmethod
    def mounts(cls, kwargs: Mapping[str, Any]) -> Mapping[str, str]:
        """The folder with the program.

        Raises:
            ConfigError: As above; or the folder is not there.
        """
        file = kwargs.get("file")
        if not isinstance(file, str):
            raise ConfigError("the agent 'command' needs a description: -k file=mine.toml")
        program = program_of(Path(file))
        folder = Path(file).parent / str(_read(Path(file)).get("folder", "."))
        if not folder.is_dir():
            raise ConfigError(f"{file}: the folder {str(folder)!r} is not there")
        return {program.bin: str(folder.resolve())}

    @classmethod
    def installed(cls, kwargs: Mapping[str, Any]) -> Mapping[str, str]:
        """What a record says of the program.

        Raises:
            ConfigError: As above.
        """
        file = Path(str(kwargs.get("file")))
        program = program_of(file)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        return {"package": f"file:{program.name}", "version": program.version, "digest": digest}


def program_of(file: Path) -> Program:
    """The program that a file describes.

    Raises:
        ConfigError: It cannot be read, or describes nothing that can be run.
    """
    told = _read(file)
    for key in told:
        if key not in _KEYS:
            raise unknown_key(str(file), key, _KEYS)
    for key in _TEXTS:
        if not isinstance(told.get(key, ""), str):
            raise ConfigError(f"{file}: {key} must be text, not {told[key]!r:.80}")
    name, wire = told.get("name", ""), told.get("wire", "openai_chat")
    if not name.isidentifier():
        raise ConfigError(f"{file}: name must be letters, digits and '_', not {name!r:.80}")
    if wire not in _WIRES:
        raise ConfigError(f"{file}: wire is {wire!r:.80}; there are: {', '.join(_WIRES)}")
    first = _words(file, "first", told.get("first"))
    servers = told.get("servers")
    return Program(
        name=name,
        version=told.get("version", ""),
        wire=wire,
        first=first,
        resumed=_words(file, "resumed", told["resumed"]) if "resumed" in told else first,
        transcript=_transcript(file, told.get("transcript", "text")),
        env=_texts(file, "env", told.get("env", {})),
        stdin=told.get("stdin", "$instruction"),
        files={path: (text,) for path, text in _texts(file, "files", told.get("files", {})).items()},
        servers=(str(servers), usual_servers) if servers is not None else None,
        log=told.get("log", ""),
        skills=told.get("skills", ""),
        home=told.get("home", f"/var/tmp/{name}"),
    )


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{file} cannot be read as the description of an agent: {error}") from None


def _words(file: Path, key: str, told: Any) -> list[Word]:
    whole = isinstance(told, list) and told and all(isinstance(word, (str, list)) for word in told)
    if not whole or not all(isinstance(part, str) for word in told for part in word):
        raise ConfigError(f"{file}: {key} must be a list of words; words that go together are a list in it")
    return [word if isinstance(word, str) else tuple(word) for word in told]


def _texts(file: Path, key: str, told: Any) -> Mapping[str, str]:
    if not isinstance(told, dict) or not all(isinstance(value, str) for value in told.values()):
        raise ConfigError(f"{file}: {key} must be a table of texts")
    return told


def _transcript(file: Path, name: Any) -> Callable[[], Transcript]:
    """What reads its account: plain text, that of another agent by its name, or a class by its import path."""
    if name == "text":
        return TextTranscript
    if not isinstance(name, str):
        raise ConfigError(f"{file}: transcript must be text, not {name!r:.80}")
    found = find("agent", name)
    described = getattr(found, "described", None)
    made: Callable[[], Transcript] = described.transcript if described is not None else found
    return made
