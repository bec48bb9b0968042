"""The settings of a vLLM server, and the command they make."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from terrarium.core.errors import ConfigError, unknown_key
from terrarium.model.vllm.families import family_of

AUTO, NONE = "auto", "none"


class VllmSettings(BaseModel):
    """What a server serves, where and how.

    Attributes:
        model_name: The model: a name at Hugging Face, or a folder.
        checkpoint: Where its weights are, where that is not what it is called.
        served_model_name: What requests call it; default: `model_name`.
        host: The address it listens at.
        port: The port.
        tensor_parallel_size: Over how many GPUs it is spread.
        max_model_len: Tokens of a conversation at most.
        dtype: Of the weights: `auto`, `bfloat16`, ...
        gpu_memory_utilization: Which part of a GPU's memory it may take.
        additional_args: Further arguments of the command.
        env: Variables of its environment, besides those there are.
        request_timeout: Seconds that a client waits for an answer.
        launch_command: What is run; arguments are added to it.
        tool_call_parser: How its tool calls are read: a name of vLLM's; `auto`: by its family; `none`: not at all.
        reasoning_parser: How its reasoning is told apart, likewise.
        chat_template: The path of the template of its prompts; default: its own.
        prefer_existing_server: Take a healthy server that serves the model, whoever started it.
        auto_start_server: Start one where there is none.
        health_check_path: What is asked to see whether it is well.
        startup_timeout: Seconds until it must be.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    model_name: str = Field(min_length=1)
    checkpoint: str | None = None
    served_model_name: str = ""
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=1, le=65535)
    tensor_parallel_size: int | None = Field(None, ge=1)
    max_model_len: int | None = Field(None, ge=1)
    dtype: str | None = None
    gpu_memory_utilization: float | None = Field(None, gt=0, le=1)
    additional_args: tuple[str, ...] = ()
    env: dict[str, str] = Field(default_factory=dict)
    request_timeout: float = Field(600.0, gt=0)
    launch_command: tuple[str, ...] = ("vllm", "serve")
    tool_call_parser: str = AUTO
    reasoning_parser: str = AUTO
    chat_template: str | None = None
    prefer_existing_server: bool = True
    auto_start_server: bool = True
    health_check_path: str = "/health"
    startup_timeout: float = Field(600.0, gt=0)

    @field_validator("launch_command", "additional_args", mode="before")
    @classmethod
    def _words(cls, given: Any) -> Any:
        return tuple(shlex.split(given)) if isinstance(given, str) else given

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> VllmSettings:
        """The settings in a table.

        Raises:
            ConfigError: A key is unknown, or a value makes no sense; names it.
        """
        for key in given:
            if key not in cls.model_fields:
                raise unknown_key("the settings of vLLM", key, cls.model_fields)
        try:
            return cls.model_validate(dict(given))
        except ValidationError as error:
            problem = error.errors()[0]
            raise ConfigError(f"vLLM: {'.'.join(map(str, problem['loc']))}: {problem['msg']}") from None

    @property
    def name(self) -> str:
        """What requests call the model."""
        return self.served_model_name or self.model_name

    @property
    def url(self) -> str:
        """Where clients reach the server, without a path; a server at all addresses is reached at this machine's."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def command(self) -> list[str]:
        """The arguments that start it."""
        family = family_of(self.model_name) or family_of(self.checkpoint or "")
        tools, reasoning = (family.tools, family.reasoning) if family else (None, None)
        options: dict[str, Any] = {
            "host": self.host,
            "port": self.port,
            "served-model-name": self.name,
            "tensor-parallel-size": self.tensor_parallel_size,
            "max-model-len": self.max_model_len,
            "dtype": self.dtype,
            "gpu-memory-utilization": self.gpu_memory_utilization,
            "tool-call-parser": _chosen(self.tool_call_parser, tools),
            "reasoning-parser": _chosen(self.reasoning_parser, reasoning),
            "chat-template": self.chat_template,
        }
        found = [*self.launch_command, self.checkpoint or self.model_name]
        if options["tool-call-parser"] is not None:
            found.append("--enable-auto-tool-choice")
        for option, value in options.items():
            if value is not None:
                found += [f"--{option}", str(value)]
        return [*found, *self.additional_args]

    @property
    def advice(self) -> list[str]:
        """What its user should know before it starts, in sentences."""
        family, found = family_of(self.model_name) or family_of(self.checkpoint or ""), []
        if self.tool_call_parser == AUTO and (family is None or family.tools is None):
            found.append(
                f"no tool parser is known for {self.model_name}: set tool_call_parser, or let the agent speak of "
                "tools as text (tool_loop, calls=text)"
            )
        if family is not None and family.template and self.chat_template is None:
            found.append(f"{self.model_name} needs chat_template={family.template} of vLLM's examples to use tools")
        return found


def _chosen(given: str, known: str | None) -> str | None:
    return known if given == AUTO else None if given == NONE else given
