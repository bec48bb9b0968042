"""Scripts of a model server: files of answers, with the faults that go with them."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from terrarium.core.errors import ConfigError, unknown_key
from terrarium.core.message import Message
from terrarium.core.model import Completion
from terrarium.core.tool import Tool
from terrarium.model.scripted import ScriptedModel
from terrarium.model.server.fault import Fault

Per = Literal["server", "conversation"]
_KEYS = ("answers", "per", "faults")


@dataclass(frozen=True)
class Script:
    """Answers and faults.

    Attributes:
        answers: In order; see `ScriptedModel` for their forms.
        per: Whose order it is: the `server`'s, one answer for each request; or each `conversation`'s, whose request
            gets the answer behind those that the assistant has given in it already.
        faults: What goes wrong.
    """

    answers: Sequence[Any]
    per: Per = "conversation"
    faults: Sequence[Fault] = field(default_factory=tuple)

    def model(self, name: str) -> ScriptedModel:
        """What answers so.

        Raises:
            ConfigError: An answer is not understood.
        """
        whole = ScriptedModel(list(self.answers), name)  # also where they are given by conversation: it looks at all
        return whole if self.per == "server" else ByConversation(self.answers, name)


class ByConversation(ScriptedModel):
    """Answers each conversation from the first answer on, by how often the assistant has spoken in it.

    Args:
        answers: For each conversation.
        name: What the model is called.
    """

    def __init__(self, answers: Sequence[Any], name: str = "scripted") -> None:
        self._list = list(answers)
        super().__init__(self._answer, name)

    async def generate(self, messages: Sequence[Message], tools: Sequence[Tool]) -> Completion:
        """The next answer of this conversation.

        Raises:
            ModelFault: The list is at its end.
        """
        if _spoken(messages) >= len(self._list):
            return await ScriptedModel([], self.name).generate(messages, tools)
        return await super().generate(messages, tools)

    def _answer(self, messages: Sequence[Message], tools: Sequence[Tool]) -> Any:
        answer = self._list[_spoken(messages)]
        return Completion(answer, "tool_use" if answer.tool_uses else "end") if isinstance(answer, Message) else answer


def _spoken(messages: Sequence[Message]) -> int:
    return sum(message.role == "assistant" for message in messages)


def read_script(path: Path | str) -> Script:
    """The script in a file: TOML or JSON with the keys `answers`, `per` and `faults`, a JSON list of answers, or JSONL.

    Raises:
        ConfigError: It cannot be read, or is not understood; says where.
    """
    path = Path(path)
    try:
        tree = _parsed(path.read_text("utf-8"), path.suffix)
    except OSError as error:
        raise ConfigError(f"cannot read the script {path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is no {path.suffix.removeprefix('.').upper() or 'JSON'}: {error}") from None
    if isinstance(tree, list):
        tree = {"answers": tree}
    if not isinstance(tree, Mapping) or not isinstance(tree.get("answers"), list):
        raise ConfigError(f"the script {path} has no list `answers`")
    for key in tree:
        if key not in _KEYS:
            raise unknown_key(f"the script {path}", key, _KEYS)
    per, faults = tree.get("per", "conversation"), tree.get("faults", [])
    if per not in get_args(Per):
        raise ConfigError(f"the script {path}: `per` is server or conversation, not {per!r}")
    if not isinstance(faults, list):
        raise ConfigError(f"the script {path}: `faults` is a list of tables or texts")
    return Script(tree["answers"], per, tuple(Fault.of(fault) for fault in faults))


def _parsed(text: str, suffix: str) -> Any:
    if suffix == ".toml":
        return tomllib.loads(text)
    if suffix == ".jsonl":
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    return json.loads(text)
