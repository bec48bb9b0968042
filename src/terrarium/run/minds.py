"""The minds of simulated people: what plays each, from what its program says and which model the job names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from terrarium.agent.solution import PlayedAgent
from terrarium.agent.user.by_model import ModelUser
from terrarium.agent.user.script import ScriptedUser
from terrarium.core.agent import Agent
from terrarium.core.errors import ConfigError
from terrarium.core.message import Message
from terrarium.core.model import Completion, Model
from terrarium.core.tool import Tool
from terrarium.model.remembered import remembered
from terrarium.run.config import PeopleConfig
from terrarium.run.models import make_model, model_class


class LentModel:
    """A model that is made when it is first asked: a replay asks none.

    Args:
        spec: Such as `openai/gpt-5`.
        settings: Of its client.
        known: What it answered before, and need not be asked again.
    """

    def __init__(self, spec: str, settings: Mapping[str, Any], known: Sequence[Completion]) -> None:
        self.name = spec
        self._settings, self._known = dict(settings), known
        self._model: Model | None = None

    async def generate(self, messages: Sequence[Message], tools: Sequence[Tool]) -> Completion:
        """Its answer.

        Raises:
            ModelFault: It cannot be had.
        """
        if self._model is None:
            self._model = remembered(make_model(self.name, self._settings), self._known)
        return await self._model.generate(messages, tools)

    async def close(self) -> None:
        """Give it up; the client stays open for others."""
        self._model = None


def mind_of(
    people: PeopleConfig,
    name: str,
    settings: Mapping[str, Any],
    script: Callable[..., Any] | None,
    lives: bool,
    known: Sequence[Completion] = (),
) -> Agent:
    """What plays one person: the job's model for people where they are described for one, else their script.

    Args:
        people: Of the job.
        name: Who.
        settings: What the program said of them.
        script: A generator function over their seat; None: what the settings hold.
        lives: Whether they act by themselves.
        known: What their model answered before, and need not be asked again.

    Raises:
        ConfigError: Neither is there, the script is not understood, or there is no such model.
    """
    for_model = bool(settings["persona"] or settings["goal"])
    if for_model and people.model_name is not None:
        model_class(people.model_name)
        model = LentModel(people.model_name, people.model_kwargs, known)
        return ModelUser(model, name, settings["persona"], settings["goal"], settings["knows"], lives)
    if script is not None:
        return PlayedAgent(script, {}, "script")
    if settings["script"] is not None:
        return ScriptedUser(settings["script"])
    if for_model:
        raise ConfigError(
            f"the simulated person {name!r} is played by a model, and the job names none: say which with "
            "--user-model provider/name ([people] model_name in a job file), or give the person a script"
        )
    raise ConfigError(f"env.user({name!r}) needs a script, or a persona or goal for a model")
