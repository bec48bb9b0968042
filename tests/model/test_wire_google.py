"""What is particular in the wire format of Google."""

from __future__ import annotations

import pytest

from terrarium.core.errors import ModelFault
from terrarium.core.message import ImageBlock, Message, ToolResultBlock, ToolUseBlock, Usage
from terrarium.core.model import Completion
from terrarium.model.wire.google import GoogleWire

GOOGLE = GoogleWire()
MODEL = "gemini-3-pro"
PNG = ImageBlock(b"\x89PNG...", "image/png")


@pytest.mark.parametrize(
    ("model", "thinking"),
    [
        ("gemini-3-pro", {"thinkingLevel": "MEDIUM", "includeThoughts": True}),
        ("gemini-2.5-flash", {"thinkingBudget": 8192, "includeThoughts": True}),
    ],
)
def test_google_thinks_by_level_or_by_budget(model, thinking):
    body = GOOGLE.request(model, [], [], {"reasoning": "medium"})
    assert body["generationConfig"]["thinkingConfig"] == thinking


def test_google_signatures_go_back_where_they_came_from():
    parts = [
        {"text": "I think", "thought": True},
        {"text": "so", "thoughtSignature": "c2ln"},
        {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "Y2FsbA=="},
        {"functionCall": {"id": "b", "name": "f", "args": {}}},
    ]
    body = {"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}]}
    message = GOOGLE.read_answer(body).message
    again = GOOGLE.request(MODEL, [message], [], {})["contents"][0]["parts"]
    assert again[0] == {"text": "so"}
    assert again[1] == {"text": "", "thoughtSignature": "c2ln"}
    assert [part.get("thoughtSignature") for part in again[2:]] == ["Y2FsbA==", None]


def test_google_history_of_another_model_carries_the_word_for_no_signature():
    message = Message("assistant", [ToolUseBlock("a", "f"), ToolUseBlock("b", "f")])
    parts = GOOGLE.request(MODEL, [message], [], {})["contents"][0]["parts"]
    assert [part.get("thoughtSignature") for part in parts] == ["skip_thought_signature_validator", None]
    parts = GOOGLE.request("gemini-2.5-pro", [message], [], {})["contents"][0]["parts"]
    assert not any("thoughtSignature" in part for part in parts)


def test_google_images_in_results_stand_beside_them_for_older_models():
    messages = [
        Message("assistant", [ToolUseBlock("a", "f")]),
        Message("tool", [ToolResultBlock("a", "x", images=[PNG])]),
    ]
    new, old = (GOOGLE.request(m, messages, [], {})["contents"][1]["parts"] for m in (MODEL, "gemini-2.0-flash"))
    assert len(new) == 1
    assert "inlineData" in new[0]["functionResponse"]["parts"][0]
    assert "parts" not in old[0]["functionResponse"]
    assert "inlineData" in old[1]
    assert new[0]["functionResponse"]["name"] == "f"


@pytest.mark.parametrize(
    ("reason", "stop"), [("SAFETY", "refusal"), ("MAX_TOKENS", "length"), ("OTHER", "other"), ("NEW", "other")]
)
def test_google_finish_reasons(reason, stop):
    body = {"candidates": [{"content": {"parts": [{"text": "x"}]}, "finishReason": reason}]}
    assert GOOGLE.read_answer(body).stop == stop


def test_google_malformed_calls_are_faults_that_say_so():
    candidate = {"finishReason": "MALFORMED_FUNCTION_CALL", "finishMessage": "print(default_api.f("}
    with pytest.raises(ModelFault, match="MALFORMED_FUNCTION_CALL: print"):
        GOOGLE.read_answer({"candidates": [candidate]})


def test_google_a_blocked_prompt_is_a_refusal():
    body = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 5}}
    assert GOOGLE.read_answer(body) == Completion(Message("assistant", []), "refusal", Usage(5))
    assert GOOGLE.read_answer(GOOGLE.assemble([body])).stop == "refusal"


def test_google_token_ids_and_log_probabilities():
    chosen = [{"token": "a", "tokenId": 5, "logProbability": -0.5}, {"token": "b", "tokenId": 6, "logProbability": -1}]
    candidate = {"content": {"parts": [{"text": "ab"}]}, "finishReason": "STOP"}
    whole = {"candidates": [{**candidate, "logprobsResult": {"chosenCandidates": chosen}}]}
    completion = GOOGLE.read_answer(whole)
    assert completion.logprobs == [-0.5, -1.0]
    assert completion.completion_token_ids == [5, 6]


def test_google_requests_in_snake_case_without_ids_and_with_schemas_in_capitals():
    body = {
        "system_instruction": {"parts": [{"text": "be brief"}]},
        "contents": [
            {"parts": [{"text": "hi"}]},
            {"role": "model", "parts": [{"function_call": {"name": "f", "args": {"a": 1}}}] * 2},
            {"role": "user", "parts": [{"function_response": {"name": "f", "response": {"result": 3}}}] * 2},
        ],
        "tools": [{"function_declarations": [{"name": "f", "parameters": {"type": "OBJECT", "properties": {}}}]}],
        "generation_config": {"max_output_tokens": 7},
    }
    asked = GOOGLE.read_request(body, "/v1beta/models/my%20model:streamGenerateContent?alt=sse")
    assert (asked.model, asked.stream, asked.parameters) == ("my model", True, {"max_tokens": 7})
    assert asked.messages[0] == Message("system", "be brief")
    calls = asked.messages[2].tool_uses
    assert [call.id for call in calls] == [block.tool_use_id for block in asked.messages[3].content]
    assert len({call.id for call in calls}) == 2
    assert asked.messages[3].content[0].content == '{"result": 3}'
    assert asked.tools[0].parameters == {"type": "object", "properties": {}}
