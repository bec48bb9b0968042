"""The one file that knows every family: it makes the parts of a trial by their names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from terrarium.core.agent import Agent
from terrarium.core.capability import Capability, Traits
from terrarium.core.clock import Clock
from terrarium.core.errors import ConfigError, TerrariumError
from terrarium.core.registry import find
from terrarium.core.sandbox import Ground, Sandbox
from terrarium.core.seeds import child_seed
from terrarium.core.task import Task
from terrarium.core.values import Value
from terrarium.core.world import World
from terrarium.run.config import AgentConfig

WORKSPACE = "workspace"


def specs(task: Task) -> list[tuple[str, Mapping[str, Value]]]:
    """The capabilities of a task with their settings, in the order they are opened; a workspace is always there."""
    wanted = list(task.capabilities)
    if not any(spec.partition(":")[0] == WORKSPACE for spec in wanted):
        wanted.append(WORKSPACE)
    return [(spec, task.capabilities_config.get(spec, {})) for spec in wanted]


def open_capability(spec: str, config: Mapping[str, Value]) -> Capability:
    """The capability of a spec `type` or `type:instance`, not yet open; `config["import_path"]` names one of your own.

    Raises:
        NotRegistered: There is no such type.
        ConfigError: It cannot be imported.
    """
    made: Capability = find("capability", str(config.get("import_path") or spec.partition(":")[0]))()
    return made


def traits(task: Task) -> Traits:
    """What may be claimed of a trial of this task, as far as its capabilities are concerned."""
    joined = Traits()
    for spec, config in specs(task):
        joined = joined & open_capability(spec, config).traits
    return joined


def deterministic(config: AgentConfig, task: Task) -> bool:
    """Whether equal runs of this agent and task write equal journals."""
    timing: str = find("agent", config.import_path or config.name).timing
    return traits(task).deterministic and timing == "fixed"


def sandboxes(world: Callable[[], World], clock: Clock) -> Callable[[str], Sandbox]:
    """Makes the sandbox of the capability of a spec: the memory sandbox, on the world's clock and journal."""

    def make(spec: str) -> Sandbox:
        here = world()
        ground = Ground(
            clock=clock,
            name=spec,
            network=here.network,
            changed=lambda change: here.changed(spec, change),
            actor=here.actor,
            keep=False,
        )
        made: Sandbox = find("sandbox", "memory")(ground)
        return made

    return make


def make_agent(config: AgentConfig, task: Task, name: str, seed: int) -> Agent:
    """The agent called `name` in a task.

    Raises:
        NotRegistered: There is no such agent.
        ConfigError: Its settings are wrong, or the task has no solution for the oracle.
    """
    made = find("agent", config.import_path or config.name)
    arguments: dict[str, Any] = dict(config.kwargs)
    if config.import_path is None and config.name == "oracle":
        arguments = {"solution": task.entry.solutions.get(name), "params": dict(task.params), **arguments}
    elif config.import_path is None and config.name == "random":
        arguments.setdefault("seed", child_seed(seed, "agent", name))
    elif config.import_path is None and config.name == "scripted" and isinstance(arguments.get("script"), str):
        arguments["script"] = find("agent", arguments["script"])
    if config.model_name is not None:
        arguments["model"] = config.model_name
    try:
        agent: Agent = made(**arguments)
    except TerrariumError:
        raise
    except Exception as error:
        raise ConfigError(f"agent {config.label!r} cannot be made: {type(error).__name__}: {error}") from error
    return agent
