"""What results tell under the names that other multi-turn engines use: small records, made when they are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class ExceptionInfo:
    """What ended a trial that has no verdict."""

    exception_type: str
    exception_message: str
    exception_traceback: str = ""


@dataclass(frozen=True)
class TimingInfo:
    """When something began and ended by the wall clock; None where that was not recorded."""

    started_at: datetime | None
    finished_at: datetime | None
    duration_sec: float


@dataclass(frozen=True)
class TaskInfo:
    """Which task a trial was of; `source` is its taskset."""

    name: str
    path: str
    source: str = "adhoc"


@dataclass(frozen=True)
class AgentInfo:
    """Who acted in a trial."""

    name: str
    import_path: str | None = None
    model_name: str | None = None
    version: str = ""


@dataclass(frozen=True)
class AgentDatasetStats:
    """One agent with one model on one taskset: `score_stats` and `exception_stats` name the trials behind each."""

    n_trials: int = 0
    n_errors: int = 0
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    score_stats: Mapping[float, list[str]] = field(default_factory=dict)
    exception_stats: Mapping[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class JobStats:
    """A whole job; the keys are `<agent>__<model>__<taskset>`."""

    n_trials: int = 0
    n_errors: int = 0
    agent_dataset_stats: Mapping[str, AgentDatasetStats] = field(default_factory=dict)


def exception_info(error: Mapping[str, Any] | None) -> ExceptionInfo | None:
    """The error of a result; None where there is none."""
    if error is None:
        return None
    return ExceptionInfo(str(error["type"]), str(error["message"]), str(error.get("traceback") or ""))
