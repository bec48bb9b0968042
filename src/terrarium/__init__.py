"""Living worlds for LLM agents: build them, drive agents through them, judge what they did, keep every event.

Importing this does nothing; what is named here is loaded when it is first used.
"""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` itself takes longer to load than a small process to start
if TYPE_CHECKING:
    from typing import Any

    from terrarium.core.agent import Reply
    from terrarium.core.allowed import allowed
    from terrarium.core.errors import TerrariumError
    from terrarium.core.message import Message, TextBlock, ThinkingBlock, ToolResultBlock, ToolUseBlock
    from terrarium.core.task import Limits, Task, entry
    from terrarium.core.trajectory import Trajectory, TrajectoryMetrics
    from terrarium.core.verdict import Check, Verdict
    from terrarium.result.info import AgentDatasetStats, AgentInfo, ExceptionInfo, JobStats, TaskInfo, TimingInfo
    from terrarium.run.config import AgentConfig, JobConfig, RetryConfig, SandboxConfig, TaskConfig
    from terrarium.run.job import Job, JobResult
    from terrarium.run.spec import TrialResult
    from terrarium.run.trial import Trial, TrialConfig
    from terrarium.task.checking import CheckerResults, aggregate_results, check, run_checkers

__version__ = "0.1.0"

_HOME = {
    "AgentConfig": "terrarium.run.config",
    "AgentDatasetStats": "terrarium.result.info",
    "AgentInfo": "terrarium.result.info",
    "Check": "terrarium.core.verdict",
    "CheckerResults": "terrarium.task.checking",
    "ExceptionInfo": "terrarium.result.info",
    "Job": "terrarium.run.job",
    "JobConfig": "terrarium.run.config",
    "JobResult": "terrarium.run.job",
    "JobStats": "terrarium.result.info",
    "Limits": "terrarium.core.task",
    "Message": "terrarium.core.message",
    "Reply": "terrarium.core.agent",
    "RetryConfig": "terrarium.run.config",
    "SandboxConfig": "terrarium.run.config",
    "Task": "terrarium.core.task",
    "TaskConfig": "terrarium.run.config",
    "TaskInfo": "terrarium.result.info",
    "TerrariumError": "terrarium.core.errors",
    "TextBlock": "terrarium.core.message",
    "ThinkingBlock": "terrarium.core.message",
    "TimingInfo": "terrarium.result.info",
    "ToolResultBlock": "terrarium.core.message",
    "ToolUseBlock": "terrarium.core.message",
    "Trajectory": "terrarium.core.trajectory",
    "TrajectoryMetrics": "terrarium.core.trajectory",
    "Trial": "terrarium.run.trial",
    "TrialConfig": "terrarium.run.trial",
    "TrialResult": "terrarium.run.spec",
    "Verdict": "terrarium.core.verdict",
    "aggregate_results": "terrarium.task.checking",
    "allowed": "terrarium.core.allowed",
    "check": "terrarium.task.checking",
    "entry": "terrarium.core.task",
    "run_checkers": "terrarium.task.checking",
}

__all__ = [
    "AgentConfig",
    "AgentDatasetStats",
    "AgentInfo",
    "Check",
    "CheckerResults",
    "ExceptionInfo",
    "Job",
    "JobConfig",
    "JobResult",
    "JobStats",
    "Limits",
    "Message",
    "Reply",
    "RetryConfig",
    "SandboxConfig",
    "Task",
    "TaskConfig",
    "TaskInfo",
    "TerrariumError",
    "TextBlock",
    "ThinkingBlock",
    "TimingInfo",
    "ToolResultBlock",
    "ToolUseBlock",
    "Trajectory",
    "TrajectoryMetrics",
    "Trial",
    "TrialConfig",
    "TrialResult",
    "Verdict",
    "aggregate_results",
    "allowed",
    "check",
    "entry",
    "run_checkers",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'terrarium' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOME[name]), name)
