"""Living worlds for LLM agents: build them, drive agents through them, judge what they did, keep every event.

Importing this does nothing; what is named here is loaded when it is first used.
"""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` itself takes longer to load than a small process to start
if TYPE_CHECKING:
    from typing import Any

    from terrarium.core.agent import Reply
    from terrarium.core.errors import TerrariumError
    from terrarium.core.task import Limits, Task, entry
    from terrarium.core.verdict import Check, Verdict
    from terrarium.run.config import AgentConfig, JobConfig, TaskConfig
    from terrarium.run.job import Job
    from terrarium.run.trial import Trial, TrialConfig
    from terrarium.task.checking import CheckerResults, aggregate_results, check, run_checkers

__version__ = "0.1.0"

_HOME = {
    "AgentConfig": "terrarium.run.config",
    "Check": "terrarium.core.verdict",
    "CheckerResults": "terrarium.task.checking",
    "Job": "terrarium.run.job",
    "JobConfig": "terrarium.run.config",
    "Limits": "terrarium.core.task",
    "Reply": "terrarium.core.agent",
    "Task": "terrarium.core.task",
    "TaskConfig": "terrarium.run.config",
    "TerrariumError": "terrarium.core.errors",
    "Trial": "terrarium.run.trial",
    "TrialConfig": "terrarium.run.trial",
    "Verdict": "terrarium.core.verdict",
    "aggregate_results": "terrarium.task.checking",
    "check": "terrarium.task.checking",
    "entry": "terrarium.core.task",
    "run_checkers": "terrarium.task.checking",
}

__all__ = [
    "AgentConfig",
    "Check",
    "CheckerResults",
    "Job",
    "JobConfig",
    "Limits",
    "Reply",
    "Task",
    "TaskConfig",
    "TerrariumError",
    "Trial",
    "TrialConfig",
    "Verdict",
    "aggregate_results",
    "check",
    "entry",
    "run_checkers",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'terrarium' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOME[name]), name)
