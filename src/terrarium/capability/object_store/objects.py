"""What clients ask of objects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from terrarium.capability.object_store.answer import Answer, Asked, document, object_headers, refused
from terrarium.capability.object_store.shelf import Shelf
from terrarium.core.rows import Fields

METADATA_LIMIT = 2048  # bytes of all metadata of one object
_KEPT = ("cache-control", "content-disposition", "content-encoding", "content-language", "expires")
_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")


class Objects:
    """Requests that name an object.

    Args:
        shelf: The buckets.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    def do(self, asked: Asked) -> Answer:
        """One request.

        Raises:
            NotFound, Refused: What `Shelf` raises.
        """
        if {"acl", "tagging", "retention", "legal-hold", "torrent", "restore", "select"} & asked.query.keys():
            raise refused("NotImplemented", "objects of this store have no such setting")
        match asked.method:
            case "GET" | "HEAD":
                return self._read(asked)
            case "PUT":
                copied = "x-amz-copy-source" in asked.headers
                return self._copy(asked) if copied else self._write(asked)
            case "DELETE":
                self._shelf.remove(asked.bucket, asked.key)
                return Answer(204)
        raise refused("MethodNotAllowed", "The specified method is not allowed against this resource.")

    def _read(self, asked: Asked) -> Answer:
        fields = self._shelf.find(asked.bucket, asked.key)
        headers = object_headers(fields)
        if asked.headers.get("if-match", headers["etag"]).strip() not in ("*", headers["etag"], fields["etag"]):
            raise refused("PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
        if asked.headers.get("if-none-match", "").strip() in ("*", headers["etag"], fields["etag"]):
            return Answer(304, headers={"etag": headers["etag"]})
        for name, value in asked.query.items():
            if name.startswith("response-") and name.removeprefix("response-") in (*_KEPT, "content-type"):
                headers[name.removeprefix("response-")] = checked_text(value)
        size = fields["size"]
        span = _span(asked.headers.get("range", ""), size)
        if span is not None:
            headers["content-range"] = f"bytes {span[0]}-{span[1] - 1}/{size}"
        low, high = span or (0, size)
        headers["content-length"] = str(high - low)
        body = b"" if asked.method == "HEAD" else self._shelf.content(fields)[low:high]
        return Answer(206 if span else 200, body, headers)

    def _write(self, asked: Asked) -> Answer:
        self._condition(asked)
        fields = self._shelf.put(asked.bucket, asked.key, asked.body, **about(asked.headers))
        return Answer(headers={"etag": f'"{fields["etag"]}"'})

    def _condition(self, asked: Asked) -> None:
        wanted, unwanted = asked.headers.get("if-match"), asked.headers.get("if-none-match")
        if wanted is None and unwanted is None:
            return
        there = self._shelf.store.get("object", f"{asked.bucket}/{asked.key}")
        if unwanted == "*" and there is not None:
            raise refused("PreconditionFailed", "the object is there already")
        if wanted is not None and (there is None or wanted.strip('" ') not in ("*", there["etag"])):
            raise refused("PreconditionFailed", "the object is not there, or has changed")

    def _copy(self, asked: Asked) -> Answer:
        source = source_of(self._shelf, asked)
        if asked.headers.get("x-amz-metadata-directive", "COPY") == "REPLACE":
            kept = about(asked.headers)
        else:
            kept = {"type": source["type"], "headers": source["headers"], "metadata": source["metadata"]}
        fields = self._shelf.put(asked.bucket, asked.key, self._shelf.content(source), **kept)
        return document("CopyObjectResult", [("LastModified", fields["modified"]), ("ETag", f'"{fields["etag"]}"')])


def source_of(shelf: Shelf, asked: Asked) -> Fields:
    """The row of the object that `x-amz-copy-source` names.

    Raises:
        NotFound, Refused: There is none, or they may not read it.
    """
    bucket, _, key = unquote(asked.headers["x-amz-copy-source"]).removeprefix("/").partition("/")
    return shelf.find(bucket, key.partition("?versionId=")[0])


def about(headers: Mapping[str, str]) -> dict[str, Any]:
    """What the headers of a request say of a new object: `type`, `headers` and `metadata`.

    Raises:
        Refused: There is too much metadata, or a header cannot be sent back.
    """
    metadata = {
        name.removeprefix("x-amz-meta-"): checked_text(value)
        for name, value in sorted(headers.items())
        if name.startswith("x-amz-meta-")
    }
    if sum(len(name) + len(value) for name, value in metadata.items()) > METADATA_LIMIT:
        raise refused("MetadataTooLarge", f"Your metadata headers exceed {METADATA_LIMIT} bytes")
    kept = {name: checked_text(headers[name]) for name in _KEPT if name in headers}
    coding = [word for word in kept.pop("content-encoding", "").split(",") if word.strip() not in ("", "aws-chunked")]
    if coding:
        kept["content-encoding"] = ",".join(coding)
    return {
        "type": checked_text(headers.get("content-type", "binary/octet-stream")),
        "headers": kept,
        "metadata": metadata,
    }


def checked_text(value: str) -> str:
    """Text that can stand in a header.

    Raises:
        Refused: It cannot.
    """
    if len(value) > METADATA_LIMIT or not value.isprintable() or not all(ord(char) < 256 for char in value):
        raise refused("InvalidArgument", f"{value[:80]!r} cannot stand in a header")
    return value


def _span(asked: str, size: int) -> tuple[int, int] | None:
    """(begin, end) of a `Range` header; None: all of it.

    Raises:
        Refused: Nothing is there.
    """
    found = _RANGE.fullmatch(asked.strip())
    if found is None or found[1] == found[2] == "":
        return None
    if found[1] == "":
        low, high = max(0, size - int(found[2])), size
    else:
        low, high = int(found[1]), min(size, int(found[2]) + 1 if found[2] else size)
    if low >= high:
        raise refused("InvalidRange", "The requested range is not satisfiable")
    return low, high
