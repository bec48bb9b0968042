"""Errors as Notion's interface gives them."""

from __future__ import annotations

from typing import Any

STATUS = {
    "validation_error": 400,
    "invalid_json": 400,
    "invalid_request_url": 400,
    "invalid_request": 400,
    "missing_version": 400,
    "unauthorized": 401,
    "restricted_resource": 403,
    "object_not_found": 404,
    "conflict_error": 409,
    "rate_limited": 429,
    "internal_server_error": 500,
    "service_unavailable": 503,
    "gateway_timeout": 504,
}


class ApiError(Exception):
    """A request that is refused.

    Args:
        code: One of `STATUS`.
        message: What is wrong, in Notion's way of saying it.
        retry_after: Seconds to wait, of `rate_limited`.
    """

    def __init__(self, code: str, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = STATUS[code]
        self.retry_after = retry_after

    def body(self, request_id: str) -> dict[str, Any]:
        """The answer to send."""
        return {
            "object": "error",
            "status": self.status,
            "code": self.code,
            "message": self.message,
            "request_id": request_id,
        }


def invalid(where: str, wanted: str, *given: Any) -> ApiError:
    """The error for a part of a body that is not what it should be.

    Args:
        where: Its path, such as `body.children[0].type`.
        wanted: What it should be, such as `a string`.
        given: What it is; nothing: it is missing.
    """
    if given and isinstance(given[0], (dict, list)):
        shown = "{...}" if isinstance(given[0], dict) else "[...]"
    elif given:
        shown = str(given[0])[:100] if not isinstance(given[0], bool) else str(given[0]).lower()
        shown = f'"{shown}"' if isinstance(given[0], str) else "null" if given[0] is None else shown
    else:
        shown = "undefined"
    return ApiError("validation_error", f"body failed validation: {where} should be {wanted}, instead was `{shown}`.")


def not_found(kind: str, id: str) -> ApiError:
    """The error for what is not there, or not shared with who asks."""
    return ApiError(
        "object_not_found",
        f"Could not find {kind} with ID: {id}. Make sure the relevant pages and databases are shared with your "
        "integration.",
    )
