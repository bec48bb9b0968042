"""Families of models, and how vLLM must be told to read their tool calls and their reasoning.

As vLLM's manual had it in July 2026. Templates are files of vLLM's own `examples/` folder: where a model needs one, it
must be given by its path. What a server is told by its settings wins over this table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """Models that speak alike.

    Attributes:
        pattern: Found in the model's name, in small letters.
        tools: The tool parser; None: vLLM knows none, calls must be spoken of as text.
        reasoning: The reasoning parser; None: the model does not show any.
        template: The chat template it needs for tools, in vLLM's `examples/`; None: its own will do.
    """

    pattern: str
    tools: str | None
    reasoning: str | None = None
    template: str | None = None


FAMILIES = (
    Family(r"qwen3[.-]?\d*-coder", "qwen3_xml"),
    Family(r"qwen3", "hermes", "qwen3"),
    Family(r"qwq", "hermes", "deepseek_r1"),
    Family(r"qwen2\.5-coder", None),
    Family(r"llama-xlam", "xlam", template="tool_chat_template_xlam_llama.jinja"),
    Family(r"xlam", "xlam", template="tool_chat_template_xlam_qwen.jinja"),
    Family(r"deepseek-r1-distill", None, "deepseek_r1"),
    Family(r"qwen2\.5", "hermes"),
    Family(r"hermes-[23]", "hermes"),
    Family(r"gpt-oss", "openai", "openai_gptoss"),
    Family(r"deepseek-v3\.1", "deepseek_v31", "deepseek_v3", "tool_chat_template_deepseekv31.jinja"),
    Family(r"deepseek-v3", "deepseek_v3", template="tool_chat_template_deepseekv3.jinja"),
    Family(r"deepseek-r1", "deepseek_v3", "deepseek_r1", "tool_chat_template_deepseekr1.jinja"),
    Family(r"llama-?4", "llama4_pythonic", template="tool_chat_template_llama4_pythonic.jinja"),
    Family(r"llama-?3\.2", "llama3_json", template="tool_chat_template_llama3.2_json.jinja"),
    Family(r"llama-?3\.[13]", "llama3_json", template="tool_chat_template_llama3.1_json.jinja"),
    Family(r"mistral|ministral|magistral|devstral", "mistral"),
    Family(r"glm-4\.7", "glm47", "glm45"),
    Family(r"glm-4\.[56]", "glm45", "glm45"),
    Family(r"kimi-k2", "kimi_k2"),
    Family(r"minimax-m2", "minimax_m2", "minimax_m2_append_think"),
    Family(r"hunyuan-a13b", "hunyuan_a13b", "hunyuan_a13b"),
    Family(r"command-a-reasoning", "cohere_command3", "cohere_command3"),
    Family(r"granite-4", "granite4"),
    Family(r"granite-20b-functioncalling", "granite-20b-fc", template="tool_chat_template_granite_20b_fc.jinja"),
    Family(r"granite-3\.0", "granite", template="tool_chat_template_granite.jinja"),
    Family(r"granite-3", "granite", "granite"),
    Family(r"olmo-3.*think", "olmo3", "olmo3"),
    Family(r"olmo-3", "olmo3"),
    Family(r"jamba", "jamba"),
    Family(r"internlm2", "internlm", template="tool_chat_template_internlm2_tool.jinja"),
    Family(r"functiongemma", "functiongemma", template="tool_chat_template_functiongemma.jinja"),
    Family(r"apertus", "apertus", template="tool_chat_template_apertus.jinja"),
)
"""The first whose pattern is found counts."""


def family_of(model: str) -> Family | None:
    """The family of a model, by its name; None: it is in none that is known here."""
    name = model.lower()
    return next((family for family in FAMILIES if re.search(family.pattern, name)), None)
