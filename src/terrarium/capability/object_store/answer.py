"""Answers of the S3 interface: XML documents, and errors as its clients know them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from xml.sax.saxutils import escape

from terrarium.core.errors import Refused, TerrariumError
from terrarium.core.rows import Fields
from terrarium.http.date import http_date

_SPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_STATUS = {
    "AccessDenied": 403, "AuthorizationHeaderMalformed": 400, "BadDigest": 400, "BucketAlreadyExists": 409,
    "BucketAlreadyOwnedByYou": 409, "BucketNotEmpty": 409, "EntityTooLarge": 400, "InvalidAccessKeyId": 403,
    "InvalidRange": 416, "MethodNotAllowed": 405, "NoSuchBucket": 404, "NoSuchBucketPolicy": 404,
    "NoSuchCORSConfiguration": 404, "NoSuchKey": 404, "NoSuchLifecycleConfiguration": 404, "NoSuchTagSet": 404,
    "NoSuchUpload": 404, "NotImplemented": 501, "PreconditionFailed": 412, "RequestTimeout": 400,
    "ServerSideEncryptionConfigurationNotFoundError": 404, "SignatureDoesNotMatch": 403, "TooManyBuckets": 400,
}  # fmt: skip
"""The HTTP status of a code; 400 where it is not here. From "Error responses" in the reference of Amazon S3."""


@dataclass
class Asked:
    """A request, read and checked.

    Attributes:
        method: In capitals.
        bucket: Its name; empty: none.
        key: Of the object; empty: none.
        query: The parameters; of one that is there without a value, the empty text.
        headers: By lower-case name.
        body: The content, out of its coding.
    """

    method: str
    bucket: str
    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass
class Answer:
    """A response: its status, body and headers."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def document(name: str, content: Any, **headers: str) -> Answer:
    """An answer with an XML document.

    Args:
        name: Of its root.
        content: Pairs of name and content in their order; content is text, a number, a truth value, a time, or pairs.
        headers: More of them.
    """
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<{name} xmlns="{_SPACE}">{_xml(content)}</{name}>'
    return Answer(200, text.encode(), {"content-type": "application/xml", **headers})


def failure(error: TerrariumError, resource: str, request: str) -> Answer:
    """The answer that tells of an error."""
    code = error.code or "InvalidArgument"
    pairs = [("Code", code), ("Message", str(error)), ("Resource", resource), ("RequestId", request)]
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{_xml(pairs)}</Error>'
    return Answer(_STATUS.get(code, 400), text.encode(), {"content-type": "application/xml"})


def refused(code: str, message: str) -> Refused:
    """An error with a code of S3's."""
    return Refused(message, code=code)


def object_headers(fields: Fields) -> dict[str, str]:
    """What every answer about an object says of it."""
    return {
        "etag": f'"{fields["etag"]}"',
        "last-modified": http_date(fields["modified"]),
        "content-type": fields["type"],
        "accept-ranges": "bytes",
        **fields["headers"],
        **{f"x-amz-meta-{name}": text for name, text in fields["metadata"].items()},
    }


def stamp(moment: datetime) -> str:
    """A time as the documents have it."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"


def _xml(content: Any) -> str:
    if isinstance(content, Sequence) and not isinstance(content, str):
        return "".join(f"<{name}>{_xml(inner)}</{name}>" for name, inner in _pairs(content))
    if isinstance(content, bool):
        return "true" if content else "false"
    return escape(stamp(content) if isinstance(content, datetime) else str(content))


def _pairs(content: Iterable[Any]) -> Iterable[tuple[str, Any]]:
    return ((name, inner) for name, inner in content)
