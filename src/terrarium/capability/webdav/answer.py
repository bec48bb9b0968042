"""What a request comes to: an answer, or a reason why not."""

from __future__ import annotations

from dataclasses import dataclass, field

from terrarium.capability.webdav.xml import document, tag


@dataclass(frozen=True)
class Answer:
    """Status, headers and body of an answer."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


class Failed(Exception):
    """A request that cannot be granted.

    Args:
        status: The status code.
        precondition: The element that says which condition of the protocol did not hold (RFC 4918, section 16).
        message: What happened, for people.
        inside: What stands in that element.
    """

    def __init__(self, status: int, precondition: str | None = None, message: str = "", inside: str = "") -> None:
        super().__init__(message or precondition or str(status))
        self.status = status
        self.precondition = precondition
        self.message = message
        self.inside = inside

    def answer(self) -> Answer:
        """It as an answer."""
        if self.precondition is None:
            text = f"{self.message or 'that cannot be done'}\n"
            return Answer(self.status, text.encode(), {"content-type": "text/plain; charset=utf-8"})
        told = tag(self.precondition, self.inside)
        if self.message:
            told += tag("DAV:responsedescription", text=self.message)
        return xml_answer(self.status, document("DAV:error", told))


def xml_answer(status: int, body: str) -> Answer:
    """An answer of XML."""
    return Answer(status, body.encode(), {"content-type": "application/xml; charset=utf-8"})
