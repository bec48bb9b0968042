"""What a trial is, and how it ended: two frozen records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from terrarium.core.errors import RETRIED
from terrarium.core.journal import SCHEMA
from terrarium.core.values import decode, digest, encode
from terrarium.core.verdict import Verdict
from terrarium.run.config import AgentConfig, SandboxConfig


@dataclass(frozen=True)
class TrialSpec:
    """The unit of scheduling and of statistics. `attempt` counts in statistics; a retry after a failure does not.

    `id` is the sha256 of everything that decides it: the task's digest, the agent, the seed and the attempt.
    """

    task: str
    path: str
    task_digest: str
    agent: AgentConfig
    seed: int = 0
    attempt: int = 1
    taskset: str = "adhoc"
    limits: Mapping[str, Any] = field(default_factory=dict)
    snapshot: str = "auto"
    sandbox: SandboxConfig = field(default_factory=SandboxConfig)
    baseline: bool = False
    """It is the null agent's, run to be printed beside the others."""

    @cached_property
    def id(self) -> str:
        """Its name in a run: 64 hexadecimal characters."""
        return digest(
            {
                "task": self.task_digest,
                "name": self.task,
                "agent": self.agent.public(),
                "attack": None,
                "seed": self.seed,
                "attempt": self.attempt,
                "limits": dict(self.limits),
                "sandbox": self.sandbox.public(),
                "baseline": self.baseline,
            }
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data that `of_json` reads."""
        plain = {key: getattr(self, key) for key in self.__dataclass_fields__}
        records = {"agent": self.agent.model_dump(mode="json"), "sandbox": self.sandbox.model_dump(mode="json")}
        return {**plain, **records, "limits": dict(self.limits)}

    @classmethod
    def of_json(cls, plain: Mapping[str, Any]) -> TrialSpec:
        """The inverse of `to_json`."""
        records = {
            "agent": AgentConfig.model_validate(plain["agent"]),
            "sandbox": SandboxConfig.model_validate(plain["sandbox"]),
        }
        return cls(**{**plain, **records})


@dataclass(frozen=True)
class TrialResult:
    """How a trial ended. `verdict.reward` is None where it could not be scored; then `error` says why."""

    trial: TrialSpec
    verdict: Verdict
    stop: str
    error: Mapping[str, Any] | None
    tries: int
    seconds: float
    totals: Mapping[str, Any] = field(default_factory=dict)

    @property
    def scored(self) -> bool:
        """Whether it came to a verdict."""
        return self.error is None and self.verdict.reward is not None

    @property
    def retried(self) -> bool:
        """Whether it failed in a way that another try may mend."""
        return self.error is not None and self.error["boundary"] in RETRIED

    def to_json(self) -> dict[str, Any]:
        """Plain data that `of_json` reads."""
        return {
            "schema": SCHEMA,
            "id": self.trial.id,
            "trial": {
                **self.trial.to_json(),
                "agent": self.trial.agent.public(),
                "sandbox": self.trial.sandbox.public(),
            },
            "verdict": encode(self.verdict),
            "stop": self.stop,
            "error": dict(self.error) if self.error else None,
            "tries": self.tries,
            "seconds": self.seconds,
            "totals": dict(self.totals),
        }

    @classmethod
    def of_json(cls, plain: Mapping[str, Any]) -> TrialResult:
        """The inverse of `to_json`."""
        return cls(
            TrialSpec.of_json(plain["trial"]),
            decode(plain["verdict"]),
            plain["stop"],
            plain["error"],
            plain["tries"],
            plain["seconds"],
            plain["totals"],
        )
