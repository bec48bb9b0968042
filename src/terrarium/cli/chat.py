"""`terrarium chat`: a person talks to an agent in a live world."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from terrarium.run.spec import TrialSpec

LIMITS = {"turns": 100_000, "trial_seconds": 30 * 86_400.0, "turn_seconds": 3600.0, "world_days": 3650.0}
"""Of a chat, which lasts as long as the person likes."""

TASK = '''"""A world to talk in."""

from terrarium import entry
from terrarium.task.checking import run_checkers


@entry(capabilities={capabilities!r})
def chat(env, agent):
    agent.act("")
    return run_checkers({{"the person ended it": lambda: True}})
'''


@click.command("chat")
@click.argument("place", required=False, metavar="[TASK]")
@click.option("--with", "capabilities", metavar="NAMES", help="A world with these, such as email,workspace.")
@click.option("--task", metavar="NAME", help="The task of that name, where TASK holds several.")
@click.option("-a", "--agent", default="tool_loop", show_default=True, metavar="AGENT", help="Whom to talk to.")
@click.option("--agent-import", metavar="MODULE:CLASS", help="An agent of your own.")
@click.option("-m", "--model", metavar="PROVIDER/NAME", help="The model of the agent.")
@click.option("-M", "--model-arg", "model_kwargs", multiple=True, metavar="KEY=VALUE", help="A setting of its client.")
@click.option("-k", "--kwarg", "kwargs", multiple=True, metavar="KEY=VALUE", help="A setting of the agent; repeatable.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the world.")
@click.option("--sandbox", metavar="NAME", help="Where commands run. Default: auto, the best this machine gives.")
@click.option("--limit", "limits", multiple=True, metavar="KEY=VALUE", help="A limit of the session; repeatable.")
@click.option("--approval", metavar="POLICY.TOML", help="Which tool calls are allowed, denied, asked about, modified.")
@click.option("--judge-model", metavar="PROVIDER/NAME", help="The model that judges where checks ask one.")
@click.option("-o", "--folder", metavar="FOLDER", help="Where to write. Default: outputs/chat-<date and time>.")
@click.option("--no-color", is_flag=True, help="Without colours.")
def command(place: str | None, capabilities: str | None, no_color: bool, **flags: Any) -> None:
    """Talk to an agent in a live world: that of a TASK, or one --with capabilities.

    Each line is an instruction, and one turn of the agent; its words and tool calls are shown as they happen. With a
    TASK, its program gets the world ready, and judges once you are done; a line that says /task tells the agent what
    the task would. Further commands: /next lets the program go on, /tools, /world, /cost, /save, /help, /quit. Ctrl-C
    ends the turn, not the session.

    The session is an ordinary run: `terrarium show`, `replay` and `fork` know it. Exit code 0: it ended in order.
    """
    from datetime import datetime

    from terrarium.cli.env_file import read_env_file
    from terrarium.cli.screen import screen
    from terrarium.cli.session import Session
    from terrarium.core.errors import ConfigError
    from terrarium.run.folder import RunFolder

    if (place is None) == (capabilities is None):
        raise ConfigError("say in which world: either a TASK, or --with email,workspace")
    read_env_file()
    folder = Path(flags["folder"] or Path("outputs") / f"chat-{datetime.now():%Y-%m-%d-%H-%M-%S}")
    if place is None:
        place = str(_world(folder, [name.strip() for name in str(capabilities).split(",") if name.strip()]))
    spec = _spec(place, folder, flags)
    code = Session(screen(color=not no_color), RunFolder(folder), spec).run()
    raise SystemExit(code)


def _world(folder: Path, names: list[str]) -> Path:
    """A task that is nothing but a world with these capabilities.

    Raises:
        ConfigError: It cannot be written.
        NotRegistered: There is no such capability.
    """
    from terrarium.core.errors import ConfigError
    from terrarium.core.registry import find

    for name in names:
        find("capability", name.partition(":")[0])  # raises, and names the nearest
    place = folder / "chat"
    try:
        place.mkdir(parents=True, exist_ok=True)
        (place / "task.py").write_text(TASK.format(capabilities=names), "utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write {place}: {error.strerror}") from None
    return place


def _spec(place: str, folder: Path, flags: dict[str, Any]) -> TrialSpec:
    """The trial that the session is: the next attempt, where the folder holds one."""
    from dataclasses import replace

    from terrarium.cli.flags import job_config, pairs
    from terrarium.run.config import TaskConfig
    from terrarium.run.folder import RunFolder
    from terrarium.run.trial import Trial, TrialConfig

    target = flags["agent_import"]
    names = [] if target else [flags["agent"]]
    told = {key: flags[key] for key in ("agent_import", "model", "model_kwargs", "kwargs", "sandbox", "approval")}
    told["judge_model"] = flags["judge_model"]
    job = job_config([place], None, {**told, "agents": names})
    config = TrialConfig(
        task=TaskConfig(path=place, name=flags["task"]),
        agent=job.agents[0],
        seed=flags["seed"],
        limits={**LIMITS, **pairs(flags["limits"], "--limit")},
        trial_dir=str(folder),
        snapshot="every-turn",
        sandbox_provider=job.sandbox_provider,
        approval=job.approval,
        judge=job.judge,
    )
    spec = replace(Trial(config).spec, chat=True)
    run = RunFolder(folder)
    while run.tries(spec.id):
        spec = replace(spec, attempt=spec.attempt + 1)
    with_terminal()
    return spec


def with_terminal() -> None:
    """Approvals are asked where the person sits."""
    import contextlib

    from terrarium.core.terminal import VARIABLE

    with contextlib.suppress(OSError):
        os.environ.setdefault(VARIABLE, os.ttyname(0))
