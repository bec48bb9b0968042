"""A streamed answer of Chat Completions, put together from its chunks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from terrarium.core.errors import ModelFault
from terrarium.model.wire import openai_terms as terms
from terrarium.model.wire.wire import Tree

_HEAD = ("id", "created", "model", "service_tier", "system_fingerprint", "prompt_token_ids")
_WORDS = ("content", "reasoning_content", "reasoning", "refusal")


class ChatStream:
    """Takes chunks as they come; `body` is the answer as it would have come whole.

    Servers differ in how they number the tool calls: some say no number, some give every call the same.
    """

    def __init__(self) -> None:
        self._head: Tree = {}
        self._words: dict[str, list[str]] = {word: [] for word in _WORDS}
        self._calls: list[Tree] = []
        self._by_index: dict[Any, Tree] = {}
        self._logprobs: list[Any] = []
        self._token_ids: list[int] | None = None
        self._finish: str | None = None
        self._usage: Any = None

    def add(self, chunk: Mapping[str, Any]) -> None:
        """Take in one chunk.

        Raises:
            ModelFault: It tells of an error, or is no chunk at all.
        """
        if not isinstance(chunk, Mapping):
            raise ModelFault("the stream holds something that is no chunk of Chat Completions")
        if chunk.get("error"):
            raise terms.failed(chunk["error"], "")
        for key in _HEAD:
            if chunk.get(key) is not None:
                self._head.setdefault(key, chunk[key])
        self._usage = chunk.get("usage") or self._usage
        choices = chunk.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, Mapping) and choice.get("index", 0) in (0, None):
                self._choice(choice)

    def body(self) -> Tree:
        """The whole answer.

        Raises:
            ModelFault: The stream ended before its end.
        """
        if self._finish is None:
            raise ModelFault("the stream was cut off: no chunk says why the answer ended")
        message: Tree = {"role": "assistant", "content": None, "refusal": None}
        message |= {word: "".join(found) for word, found in self._words.items() if found}
        if self._calls:
            message["tool_calls"] = [_whole(call) for call in self._calls]
        choice: Tree = {"index": 0, "message": message, "logprobs": None, "finish_reason": self._finish}
        if self._logprobs:
            choice["logprobs"] = {"content": self._logprobs, "refusal": None}
        if self._token_ids is not None:
            choice["token_ids"] = self._token_ids
        body = {**self._head, "object": "chat.completion", "choices": [choice]}
        return body if self._usage is None else {**body, "usage": self._usage}

    def _choice(self, choice: Mapping[str, Any]) -> None:
        delta = choice.get("delta")
        if isinstance(delta, Mapping):
            for word, found in self._words.items():
                if isinstance(delta.get(word), str) and delta[word]:
                    found.append(delta[word])
            calls = delta.get("tool_calls")
            for call in calls if isinstance(calls, list) else ():
                if isinstance(call, Mapping):
                    self._call(call)
        logprobs = choice.get("logprobs")
        if isinstance(logprobs, Mapping) and isinstance(logprobs.get("content"), list):
            self._logprobs += logprobs["content"]
        if (ids := terms.integers(choice.get("token_ids"))) is not None:
            self._token_ids = [*(self._token_ids or ()), *ids]
        if isinstance(choice.get("finish_reason"), str):
            self._finish = choice["finish_reason"]

    def _call(self, piece: Mapping[str, Any]) -> None:
        function = piece.get("function")
        function = function if isinstance(function, Mapping) else {}
        index, name = piece.get("index"), piece.get("id")
        index = index if isinstance(index, int) else None
        known = self._by_index.get(index) if index is not None or not name else None
        if known is None and index is None and not name and self._calls:
            known = self._calls[-1]
        if known is not None and name and known["id"] and name != known["id"] and function.get("name"):
            known = None  # another call under the same number
        if known is None:
            known = {"id": "", "name": "", "arguments": []}
            self._calls.append(known)
            self._by_index[index] = known
        known["id"] = known["id"] or name or ""
        known["name"] = known["name"] or function.get("name") or ""
        if function.get("arguments"):
            known["arguments"].append(function["arguments"])


def _whole(call: Tree) -> Tree:
    parts = call["arguments"]
    whole = "".join(parts) if all(isinstance(part, str) for part in parts) else parts[0]
    return {"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": whole}}
