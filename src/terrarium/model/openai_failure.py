"""What went wrong with a request to OpenAI, or to a server that speaks as it does."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from terrarium.core.errors import ModelFault, ModelRefused, TerrariumError
from terrarium.model.retry import Failure, Kind

_REFUSED_CODES = frozenset(
    ["insufficient_quota", "billing_hard_limit_reached", "invalid_prompt", "context_length_exceeded", "invalid_api_key"]
)
_CODES: dict[str, Kind] = {"rate_limit_exceeded": "rate_limit", "server_error": "server", "overloaded": "server"}
_STATUS: dict[int, Kind] = {408: "timeout", 409: "server", 425: "server", 429: "rate_limit"}


class Stalled(Exception):
    """Nothing came for too long; `kind` says whether of the whole answer or of its next piece."""

    def __init__(self, message: str, kind: Kind) -> None:
        super().__init__(message)
        self.kind = kind


def classify(error: Exception) -> Failure | None:
    """What an exception of a request means; None where it has nothing to do with the provider."""
    if isinstance(error, Stalled):
        return Failure(error.kind, str(error))
    if isinstance(error, ModelFault):
        kind: Kind = "refused" if isinstance(error, ModelRefused) else "malformed"
        return Failure(_kind_of(error.code, kind), str(error), code=error.code)
    if isinstance(error, TerrariumError):
        return None
    if isinstance(error, (ValueError, RecursionError)):
        return Failure("malformed", f"the answer is malformed: {str(error)[:200]}")
    return _of_sdk(error)


def _of_sdk(error: Exception) -> Failure | None:
    import openai

    if isinstance(error, openai.APIStatusError):
        status = error.status_code
        told, code = _told(error)
        kind = _STATUS.get(status) or ("server" if status >= 500 else "refused")
        return Failure(
            _kind_of(code, kind), f"{status}: {told}", retry_after(error.response.headers), code or str(status)
        )
    if isinstance(error, openai.APITimeoutError):
        return Failure("timeout", "nobody answered in time")
    if isinstance(error, openai.APIConnectionError):
        return Failure("connection", f"no connection: {_why(error)}")
    # What is raised while a body is read comes from httpx or httpx2, whichever the SDK stands on.
    names = {kind.__name__ for kind in type(error).__mro__}
    if "TimeoutException" in names:
        return Failure("stalled", "the answer stalled")
    if "RequestError" in names or isinstance(error, OSError):
        return Failure("connection", f"the connection broke: {_why(error)}")
    if isinstance(error, openai.OpenAIError):
        return Failure("server", str(error)[:500])
    return None


def _kind_of(code: str | None, otherwise: Kind) -> Kind:
    if code is None or otherwise == "refused":
        return otherwise
    if code in _REFUSED_CODES:
        return "refused"
    if code.isdecimal() and len(code) == 3 and otherwise == "malformed":
        return _STATUS.get(int(code)) or ("server" if int(code) >= 500 else "refused")
    return _CODES.get(code, otherwise)


def _told(error: Any) -> tuple[str, str | None]:
    """What the provider says, and its word for it."""
    body = error.body
    told = body.get("message") if isinstance(body, Mapping) else body
    if not isinstance(told, str) or not told:
        told = str(error.message)
    code = error.code or (error.type if isinstance(error.type, str) else None)
    return " ".join(told.split())[:1000], None if code is None else str(code)[:100]


def _why(error: BaseException) -> str:
    cause = error.__cause__ or error
    return (str(cause) or type(cause).__name__)[:300]


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that an answer asks for, given as such, as milliseconds or as a date."""
    try:
        if (millis := headers.get("retry-after-ms")) is not None:
            return max(0.0, float(millis) / 1000)
        asked = headers.get("retry-after")
        if asked is None:
            return None
        try:
            return max(0.0, float(asked))
        except ValueError:
            until = parsedate_to_datetime(asked)
            return max(0.0, (until.astimezone(UTC) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None
