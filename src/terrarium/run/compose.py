"""The one file that knows every family: it makes the parts of a trial by their names."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from terrarium.core.agent import Agent
from terrarium.core.capability import Beside, Capability, Claims, Traits
from terrarium.core.errors import AgentFault, ConfigError, SandboxFault, TerrariumError, UsageError
from terrarium.core.model import Completion
from terrarium.core.offers import offers
from terrarium.core.person import person_of
from terrarium.core.registry import find
from terrarium.core.sandbox import Ground, Sandbox, caps_of
from terrarium.core.seeds import child_seed
from terrarium.core.task import Task
from terrarium.core.values import Value
from terrarium.core.world import World
from terrarium.model.remembered import remembered
from terrarium.run.config import AgentConfig, SandboxConfig
from terrarium.run.models import look_at, make_model, price_for
from terrarium.task.module import package_of
from terrarium.task.source import beside

WORKSPACE = "workspace"
MCP = "mcp"
_RESOURCES = {
    "cpu_seconds": ("cpu_seconds", "cpu_cap"),
    "cpus": ("cpus", "cpu_cap"),
    "files": ("files", "disk_cap"),
    "memory": ("memory", "memory_cap"),
    "processes": ("processes", "process_cap"),
    "storage": ("disk", "disk_cap"),
}
"""What each key of `resources` caps, and the feature of a sandbox that can."""


def specs(task: Task, provider: SandboxConfig) -> list[tuple[str, Mapping[str, Value]]]:
    """The capabilities of a task with their settings, in the order they are opened.

    A workspace is always there, one for each agent where there are several. One that the task neither asked for nor
    configured is emulated, unless the job names a sandbox. Where a workspace has a network, the agents' tools are on
    it, by MCP.
    """
    wanted = [(spec, dict(task.capabilities_config.get(spec, {}))) for spec in task.capabilities]
    if not any(spec.partition(":")[0] == WORKSPACE for spec, _ in wanted):
        usual: dict[str, Value] = {"sandbox": "memory"} if provider.name == "auto" else {}
        wanted.append((WORKSPACE, dict(task.capabilities_config.get(WORKSPACE) or usual)))
    own = {f"{WORKSPACE}:{agent}": agent for agent in task.agents}
    found: list[tuple[str, Mapping[str, Value]]] = []
    for spec, config in wanted:
        if len(task.agents) == 1 or "agents" in config:
            found.append((spec, config))
        elif spec == WORKSPACE:
            told = task.capabilities_config
            found += [(name, {**config, **told.get(name, {}), "agents": [agent]}) for name, agent in own.items()]
        elif spec in own:
            found.append((spec, {**config, "agents": [own[spec]]}))
        else:
            found.append((spec, config))
    if MCP not in task.capabilities and any(_networked(spec, config, provider) for spec, config in found):
        found.append((MCP, {}))
    return found


def _networked(spec: str, config: Mapping[str, Value], provider: SandboxConfig) -> bool:
    """Whether it is a workspace from whose sandbox agents' programs reach the services of the world."""
    return spec.partition(":")[0] == WORKSPACE and "network" in find("sandbox", _place(config, provider)[0]).supports


def open_capability(spec: str, config: Mapping[str, Value], task: Task | None = None) -> Capability:
    """The capability of a spec `type` or `type:instance`, not yet open; `config["import_path"]` names one of your own.

    Its module is looked for beside the task first, then where Python imports from.

    Raises:
        NotRegistered: There is no such type.
        ConfigError: It cannot be imported.
    """
    own = config.get("import_path")
    package = _beside(str(own), task) if own and task is not None else ""
    made: Capability = find("capability", str(own or spec.partition(":")[0]), package)()
    if offers(made, Beside) and task is not None and task.path:
        made.beside(Path(task.path).parent, lambda target: find("capability", target, _beside(target, task)))
    return made


def _beside_if_nowhere_else(target: str, task: Task | None) -> str:
    top = target.partition(":")[0].partition(".")[0]
    elsewhere = task is None or top in sys.modules or importlib.util.find_spec(top) is not None
    return "" if elsewhere or task is None else _beside(target, task)


def _beside(target: str, task: Task) -> str:
    """The package of the task's folder, where it holds the module of `package.module:Name`; else nothing."""
    if not task.path or ":" not in target:
        return ""
    folder = Path(task.path).parent
    return package_of(folder) if beside(target.partition(":")[0], folder) else ""


def traits(task: Task, provider: SandboxConfig) -> Traits:
    """What may be claimed of a trial of this task, as far as its capabilities are concerned."""
    joined = Traits()
    for spec, config in specs(task, provider):
        made = open_capability(spec, config, task)
        joined = joined & (made.claims(config) if offers(made, Claims) else made.traits)
        if spec.partition(":")[0] == WORKSPACE:
            kind = find("sandbox", _place(config, provider)[0])
            joined = joined & Traits(
                deterministic=kind.deterministic,
                snapshots="snapshot" in kind.supports,
                sees_writes=hasattr(kind, "watch"),
            )
    return joined


def deterministic(config: AgentConfig, traits: Traits, task: Task) -> bool:
    """Whether equal runs of this agent and task, in a world of these traits, write equal journals."""
    timing: str = agent_class(config, task).timing
    costs = task.limits.costs()
    known = None not in (costs.model, costs.tool, costs.command) or task.limits.costs_from is not None
    return traits.deterministic and timing == "fixed" and known and not task.entry.wall


def places(task: Task, provider: SandboxConfig) -> dict[str, str]:
    """The sandbox of every workspace of a task, and what it stands on, by the name of the capability."""
    found: dict[str, str] = {}
    for spec, config in specs(task, provider):
        if spec.partition(":")[0] == WORKSPACE:
            name, settings = _place(config, provider)
            kind, own = find("sandbox", name), {key: value for key, value in settings.items() if key != "unsafe"}
            found[spec] = f"{name} on {kind(Ground(settings=own)).base}" if hasattr(kind, "base") else name
    return found


def deviations(task: Task, provider: SandboxConfig) -> dict[str, list[str]]:
    """What the workspaces of a task ask for and do not get here, as sentences, by the name of the capability."""
    found: dict[str, list[str]] = {}
    for spec, config in specs(task, provider):
        if spec.partition(":")[0] == WORKSPACE:
            name, settings = _place(config, provider)
            told = [f"{key} is not used: it is for containers" for key in ("command", "image") if config.get(key)]
            resources = config.get("resources")
            for key in _unenforced(name, settings) if resources else ():
                if isinstance(resources, Mapping) and key in resources:
                    told.append(f"resources: {key} is not enforced by the sandbox {name} on this machine")
            if told:
                found[spec] = told
    return found


def _unenforced(name: str, settings: Mapping[str, Any]) -> list[str]:
    """The keys of `resources` that a sandbox does nothing about on this machine."""
    from terrarium.sandbox.tier import UNENFORCED

    kind = find("sandbox", name)
    own = {key: value for key, value in settings.items() if key != "unsafe"}
    by: Mapping[str, str] = kind(Ground(settings=own)).caps_by if hasattr(kind, "caps_by") else {}
    return [
        key for key, (cap, feature) in _RESOURCES.items() if feature not in kind.supports or by.get(cap) == UNENFORCED
    ]


def _place(config: Mapping[str, Value], provider: SandboxConfig) -> tuple[str, dict[str, Any]]:
    """(name or import path, settings) of the sandbox: what the task says, else what the job says.

    Raises:
        ConfigError: `sandbox` is neither a name nor a table with one.
    """
    asked = config.get("sandbox")
    if asked is None:
        name, settings = provider.import_path or provider.name, dict(provider.kwargs)
    elif isinstance(asked, str):
        name, settings = asked, {}
    elif isinstance(asked, Mapping) and isinstance(asked.get("name"), str):
        name, settings = asked["name"], {key: value for key, value in asked.items() if key != "name"}
    else:
        raise ConfigError(f"sandbox must be a name, or a table with a name and settings, not {asked!r}")
    return (_best() if name == "auto" else name), settings


def _best() -> str:
    """The best sandbox that this machine gives; where it gives none, the one that is emulated."""
    from terrarium.sandbox.tier import tier

    return {1: "local", 2: "landlock"}.get(tier().number, "memory")


def place(agent: AgentConfig, provider: SandboxConfig) -> SandboxConfig:
    """Where commands run: as the job says; where it says nothing, a real sandbox for an agent that cannot do without.

    A class of agents says so by `wants_sandbox = True`.
    """
    if provider.name != "auto" or provider.import_path is not None:
        return provider
    wanted = getattr(_class_if_known(agent), "wants_sandbox", False)
    return provider.model_copy(update={"name": "local"}) if wanted else provider


def _mounts(agent: AgentConfig | None) -> Mapping[str, str]:
    """Folders of the machine that the agent's own programs need in its sandbox, by path inside."""
    asked = None if agent is None else getattr(_class_if_known(agent), "mounts", None)
    return dict(asked(agent.kwargs)) if asked is not None and agent is not None else {}


def program(agent: AgentConfig) -> dict[str, Any]:
    """What the header of a trial says of the program that an agent is; nothing for one that is none.

    A class says so by `installed(kwargs)`.
    """
    try:
        asked = getattr(agent_class(agent), "installed", None)
        return {} if asked is None else {"program": dict(asked(agent.kwargs))}
    except TerrariumError:
        return {}  # it cannot be run either, and then that is said


def _class_if_known(agent: AgentConfig) -> Any:
    """What makes the agent; None where it lies beside the task or cannot be made, which is said elsewhere."""
    try:
        return agent_class(agent)
    except TerrariumError:
        return None


def sandboxes(
    provider: SandboxConfig, acting: AgentConfig | None = None
) -> Callable[[World, str, Mapping[str, Value]], Sandbox]:
    """Makes the sandbox of a world for the capability of a spec and its settings.

    Args:
        provider: Where commands run unless the task says otherwise.
        acting: Who acts: its class may say by `mounts(kwargs)` which folders are in the sandboxes of workspaces.
    """

    def make(here: World, spec: str, config: Mapping[str, Value]) -> Sandbox:
        name, settings = _place(config, provider)
        served = list(config.get("agents") or here.agents)
        # What serves an agent in another sandbox does not act as the agent, unless its capability says so.
        own = spec.partition(":")[0] == WORKSPACE
        caller = config.get("caller")
        agent = caller if isinstance(caller, str) else served[0] if own and len(served) == 1 else None
        ground = Ground(
            clock=here.clock,
            name=spec,
            agent=agent,
            network=here.network,
            caps=caps_of(config.get("resources") or {}),
            settings=settings,
            changed=lambda change: here.changed(spec, change),
            actor=here.actor,
            keep=False,
            person=person_of(here.people, agent),
            packages=_packages(spec, config),
            mounts=_mounts(acting) if own else {},
        )
        network = config.get("network")
        if name == "local" or (network == "sandbox" and name != "memory"):
            from terrarium.sandbox.choice import choose

            return choose(replace(ground, settings={**settings, "network": network}))
        kind = find("sandbox", name)
        if network == "sandbox" and "network" not in kind.supports:
            raise SandboxFault(f"{spec} needs a network, which the sandbox {name!r} does not have")
        if (ground.packages or ground.mounts) and "mounts" not in kind.supports:
            what = "packages" if ground.packages else "the programs of its agent"
            raise SandboxFault(f"{spec} needs {what}, which the sandbox {name!r} cannot have; use the sandbox 'local'")
        made: Sandbox = kind(ground)
        return made

    return make


def _packages(spec: str, config: Mapping[str, Value]) -> Sequence[str]:
    found: Value = config.get("packages") or ()
    if not isinstance(found, (list, tuple)) or not all(isinstance(name, str) for name in found):
        raise ConfigError(f"{spec}: packages must be a list of names of Python packages, not {found!r:.100}")
    return tuple(found)


def own_function(target: str, task: Task) -> Any:
    """A function of somebody's own at `package.module:name`, which may lie beside the task.

    Raises:
        ConfigError: It cannot be imported.
    """
    return find("agent", target, _beside_if_nowhere_else(target, task))


def agent_class(config: AgentConfig, task: Task | None = None) -> Any:
    """What makes the agent. A module of its own that Python cannot import from elsewhere may lie beside the task.

    Raises:
        NotRegistered: There is none of that name.
        AgentFault: Its own code cannot be imported.
    """
    if config.import_path is None:
        return find("agent", config.name)
    try:
        return find("agent", config.import_path, _beside_if_nowhere_else(config.import_path, task))
    except UsageError as error:
        raise AgentFault(str(error)) from error


def refusal(config: AgentConfig) -> str | None:
    """Why no agent can be made of this, as far as that is known without making one; None where nothing is known."""
    try:
        made = agent_class(config)
        model: dict[str, Any] = {} if config.model_name is None else {"model": config.model_name}
        if getattr(made, "wants_model", False):
            model = {"model": None}
        if getattr(made, "wants_gateway", False):
            model["gateway"] = None
        if getattr(made, "wants_model", False) or "gateway" in model:
            look_at(_wanted(config), config.model_kwargs)
        inspect.signature(made).bind(**config.kwargs, **model)
    except TerrariumError as error:
        return str(error)
    except TypeError as error:
        return f"agent {config.label!r} refuses its settings: {error}"
    except ValueError:  # it has no signature that could be read
        return None
    return None


def make_agent(config: AgentConfig, task: Task, name: str, seed: int, known: Sequence[Completion] = ()) -> Agent:
    """The agent called `name` in a task.

    Args:
        config: What the job says of it.
        task: The task.
        name: Which of its agents.
        seed: Of the trial.
        known: What its model answered before, and need not be asked again.

    Raises:
        NotRegistered: There is no such agent.
        ConfigError: The task has no solution for the oracle.
        AgentFault: Its own code cannot be imported, or refuses its settings.
    """
    made = agent_class(config, task)
    arguments: dict[str, Any] = dict(config.kwargs)
    if config.import_path is None and config.name == "oracle":
        solutions = task.entry.solutions
        if solutions and name not in solutions:
            raise ConfigError(f"agent {name!r} has no solution: decorate one with @<task>.solution(agent={name!r})")
        arguments = {"solution": solutions.get(name), "params": dict(task.params), **arguments}
    elif config.import_path is None and config.name == "random":
        arguments.setdefault("seed", child_seed(seed, "agent", name))
    elif config.import_path is None and config.name == "scripted" and isinstance(arguments.get("script"), str):
        script = arguments["script"]
        arguments["script"] = find("agent", script, _beside_if_nowhere_else(script, task))
    if getattr(made, "wants_model", False):
        model = make_model(_wanted(config), config.model_kwargs)
        arguments["model"] = remembered(model, known)
    elif config.model_name is not None:
        arguments["model"] = config.model_name
    if getattr(made, "wants_gateway", False):
        from terrarium.model.gateway.gateway import ModelGateway

        # What a lost journal had answered is nothing to a program: it begins its turn again, and asks another way.
        arguments["model"] = make_model(_wanted(config), config.model_kwargs)
        price = price_for(_wanted(config), config.model_kwargs)
        arguments["gateway"] = ModelGateway(name, arguments["model"], price)
    try:
        agent: Agent = made(**arguments)
    except TerrariumError:
        raise
    except Exception as error:
        raise AgentFault(f"agent {config.label!r} cannot be made: {type(error).__name__}: {error}") from error
    return agent


def _wanted(config: AgentConfig) -> str:
    """The name of the model that an agent cannot do without.

    Raises:
        ConfigError: None is given.
    """
    if config.model_name is None:
        raise ConfigError(f"agent {config.label!r} needs a model: say which with --model provider/name")
    return config.model_name
