"""What the service answers where it says no, in Google's form."""

from __future__ import annotations

from typing import Any

from terrarium.core.errors import CapabilityFault, NotFound, Refused

_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    409: "ALREADY_EXISTS",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    501: "UNIMPLEMENTED",
}
_REASON = {400: "badRequest", 401: "authError", 403: "forbidden", 404: "notFound", 429: "rateLimitExceeded"}


class Fault(Exception):
    """A request that cannot be done.

    Args:
        code: The HTTP status.
        message: What happened, for the client.
        reason: Drive's word for it; default: the usual one of the status.
        violations: Where in the body it is wrong: field and description.
    """

    def __init__(
        self, code: int, message: str, reason: str | None = None, violations: list[tuple[str, str]] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message if len(message) <= 1000 else message[:1000] + "…"
        self.reason = reason or _REASON.get(code, "badRequest")
        self.violations = violations or []

    def sheets(self) -> dict[str, Any]:
        """The body as the Sheets API writes it."""
        told: dict[str, Any] = {"code": self.code, "message": self.message, "status": _STATUS.get(self.code, "UNKNOWN")}
        if self.violations:
            fields = [{"field": field, "description": said} for field, said in self.violations]
            told["details"] = [{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": fields}]
        return {"error": told}

    def drive(self) -> dict[str, Any]:
        """The body as the Drive API writes it."""
        one = {"message": self.message, "domain": "global", "reason": self.reason}
        return {"error": {"code": self.code, "message": self.message, "errors": [one]}}

    def for_program(self) -> CapabilityFault:
        """The same as an error of the admin face and of the tools."""
        kind = NotFound if self.code == 404 else Refused
        return kind(self.message, code=str(self.code))


def bad(message: str) -> Fault:
    """A request that is wrong in itself (400)."""
    return Fault(400, message)


def missing() -> Fault:
    """A spreadsheet that is not there, or not for this caller (404)."""
    return Fault(404, "Requested entity was not found.")


def forbidden() -> Fault:
    """Something this caller may not do (403)."""
    return Fault(403, "The caller does not have permission", "insufficientFilePermissions")
