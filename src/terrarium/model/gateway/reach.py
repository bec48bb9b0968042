"""What a request may reach that goes on to a provider: the model, and nothing else.

A provider's API can do more than ask a model: search the web, fetch addresses, ask MCP servers, run programs, and read
what lies in the account of the engine's key. From a world without a network none of that may be had.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from terrarium.core.errors import Refused

_SAID = frozenset({"model", "messages", "max_tokens", "metadata", "stream", "temperature", "top_p", "top_k", "tools"})
_SAID |= {"tool_choice", "system", "stop", "stop_sequences", "seed", "user", "n"}
_OPENAI = frozenset({"parallel_tool_calls", "stream_options", "logprobs", "top_logprobs", "prompt_cache_key"})
_OPENAI |= {"prompt_cache_retention", "prompt_cache_options", "safety_identifier", "store"}
_FIELDS = {
    "anthropic": _SAID | {"thinking", "output_config", "output_format", "context_management", "cache_control"},
    "openai_chat": _SAID
    | _OPENAI
    | {"max_completion_tokens", "reasoning_effort", "reasoning", "response_format", "verbosity", "modalities"}
    | {"frequency_penalty", "presence_penalty", "logit_bias", "prediction", "functions", "function_call"}
    | {"min_p", "repetition_penalty", "chat_template_kwargs", "enable_thinking", "thinking"},
    "openai_responses": _SAID
    | _OPENAI
    | {"input", "instructions", "max_output_tokens", "max_tool_calls", "reasoning", "text", "include", "truncation"}
    | {"client_metadata", "context_management"},
    "google": frozenset({"contents", "tools"})
    | {"systemInstruction", "system_instruction", "toolConfig", "tool_config", "safetySettings", "safety_settings"}
    | {"generationConfig", "generation_config"},
}
"""What goes on. Other fields name servers, containers, other models and accounts, or change what an answer costs."""
_TOOLS = {
    "anthropic": ("custom", "bash_", "text_editor_", "computer_", "memory_", "tool_search_tool_"),
    "openai_chat": ("function", "custom"),
    "openai_responses": ("function", "custom", "namespace", "local_shell", "apply_patch", "tool_search", "computer"),
}
"""How the types of the tools begin that whoever asks runs itself."""
_DECLARED = ("functionDeclarations", "function_declarations")
_OWN = {"anthropic": ("input",), "google": ("args", "response")}
"""Where the arguments and results of tools stand, which mean nothing to the provider."""
_ELSEWHERE = frozenset({"image_url", "video_url", "audio_url", "file_url", "file_id"})
_ELSEWHERE |= {"fileData", "file_data", "fileUri", "file_uri"}
_QUERY = ("alt", "beta")


def within_reach(name: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """A request without what reaches further than the model; tools that the provider would run are left out.

    Args:
        name: Of the wire format.
        body: Nested less deep than Python's stack.

    Raises:
        Refused: It refers to what lies elsewhere, and says nothing without it.
    """
    kept = {key: value for key, value in body.items() if key in _FIELDS[name]}
    if isinstance(kept.get("tools"), list):
        kept["tools"] = [tool for tool in (_tool(name, tool) for tool in kept["tools"]) if tool is not None]
        if not kept["tools"]:  # of nothing nothing can be chosen
            for key in ("tools", "tool_choice", "toolConfig", "tool_config"):
                kept.pop(key, None)
    for key in ("messages", "input", "contents", "system"):
        _check(kept.get(key), _OWN.get(name, ()), f"request.{key}")
    return kept


def query_within_reach(query: Mapping[str, str]) -> dict[str, str]:
    """The parameters of a request's address that say how it is meant; none that says who asks."""
    return {key: query[key] for key in _QUERY if key in query}


def _tool(name: str, tool: Any) -> Any:
    if not isinstance(tool, Mapping):
        return tool
    if name == "google":
        declared = {key: tool[key] for key in _DECLARED if key in tool}
        return declared or None
    kind = tool.get("type", "custom")
    if not isinstance(kind, str) or not kind.startswith(_TOOLS[name]):
        return None
    if kind == "namespace" and isinstance(tool.get("tools"), list):
        return {**tool, "tools": [inner for one in tool["tools"] if (inner := _tool(name, one)) is not None]}
    return tool


def _check(tree: Any, own: tuple[str, ...], where: str) -> None:
    if isinstance(tree, list):
        for number, item in enumerate(tree):
            _check(item, own, f"{where}[{number}]")
        return
    if not isinstance(tree, Mapping):
        return
    source = tree.get("source")
    kind = source.get("type") if isinstance(source, Mapping) else None
    if kind in ("url", "file") or tree.get("type") == "container_upload":
        raise Refused(f"{where} lies elsewhere: send its data itself")
    for key, value in tree.items():
        if key in own:
            continue
        if key in _ELSEWHERE and value is not None:
            address = value.get("url") if isinstance(value, Mapping) else value
            if not (isinstance(address, str) and address.startswith("data:")):
                # Not all that is called so is elsewhere: an OpenAI file has its bytes in `file_data`.
                raise Refused(f"{where}.{key} lies elsewhere: send its data itself")
        else:
            _check(value, own, f"{where}.{key}")
