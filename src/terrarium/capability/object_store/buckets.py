"""What clients ask of buckets."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from itertools import islice
from typing import Any
from urllib.parse import quote
from xml.etree.ElementTree import Element, ParseError

from terrarium.capability.object_store.answer import Answer, Asked, document, refused, stamp
from terrarium.capability.object_store.shelf import Shelf, checked_key
from terrarium.core.errors import Refused
from terrarium.core.rows import Fields

REGION = "us-east-1"
_PAGE = 1000
_MISSING = {
    "policy": "NoSuchBucketPolicy",
    "tagging": "NoSuchTagSet",
    "cors": "NoSuchCORSConfiguration",
    "lifecycle": "NoSuchLifecycleConfiguration",
    "encryption": "ServerSideEncryptionConfigurationNotFoundError",
}
_ELSE = ("accelerate", "acl", "logging", "notification", "object-lock", "publicAccessBlock", "replication", "website")


class Buckets:
    """Requests that name a bucket and no object.

    Args:
        shelf: The buckets.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    def all(self) -> Answer:
        """The buckets that whoever asks may read."""
        found = [
            ("Bucket", [("Name", row.key), ("CreationDate", row.fields["created"])])
            for row in self._shelf.store.table("bucket")
            if self._shelf.access(row.fields) != "none"
        ]
        return document("ListAllMyBucketsResult", [("Owner", _OWNER), ("Buckets", found)])

    def do(self, asked: Asked) -> Answer:
        """One request.

        Raises:
            NotFound, Refused: What `Shelf` raises.
        """
        match asked.method:
            case "PUT" if not asked.query:
                self._shelf.make_bucket(asked.bucket)
                return Answer(headers={"location": f"/{asked.bucket}"})
            case "DELETE" if not asked.query:
                self._shelf.remove_bucket(asked.bucket)
                return Answer(204)
            case "HEAD":
                self._shelf.bucket(asked.bucket)
                return Answer(headers={"x-amz-bucket-region": REGION})
            case "POST" if "delete" in asked.query:
                return self._delete(asked)
            case "GET":
                return self._about(asked)
        raise refused("NotImplemented", "this store does not do that with buckets")

    def _about(self, asked: Asked) -> Answer:
        self._shelf.bucket(asked.bucket)
        for word, code in _MISSING.items():
            if word in asked.query:
                raise refused(code, f"The bucket has no {word}")
        if "location" in asked.query:
            return document("LocationConstraint", "")
        if "versioning" in asked.query:
            return document("VersioningConfiguration", "")
        if "uploads" in asked.query:
            return self._uploads(asked)
        if "versions" in asked.query or any(word in asked.query for word in _ELSE):
            raise refused("NotImplemented", "this store keeps no versions, and its buckets have no such setting")
        return self._list(asked)

    # -- listing --------------------------------------------------------------------------------------------------

    def _list(self, asked: Asked) -> Answer:
        query, newer = asked.query, asked.query.get("list-type") == "2"
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        try:
            limit = min(_PAGE, int(query.get("max-keys") or _PAGE))
            token = base64.urlsafe_b64decode(query.get("continuation-token", "")).decode()
        except (ValueError, binascii.Error):
            raise refused("InvalidArgument", "max-keys or the continuation token cannot be one") from None
        if limit < 0:
            raise refused("InvalidArgument", "max-keys must not be negative")
        after = (token or query.get("start-after", "")) if newer else query.get("marker", "")
        found = list(islice(self._entries(asked.bucket, prefix, delimiter, after), limit + 1))
        more, found = len(found) > limit > 0, found[:limit]
        coded = query.get("encoding-type") == "url"

        def told(text: str) -> str:
            return quote(text, safe="/") if coded else text

        last = found[-1][0] if found else ""
        common = [("CommonPrefixes", [("Prefix", told(key))]) for key, fields in found if fields is None]
        pairs: list[tuple[str, Any]] = [("Name", asked.bucket), ("Prefix", told(prefix)), ("MaxKeys", limit)]
        pairs += [("Delimiter", told(delimiter))] if delimiter else []
        pairs += [("EncodingType", "url")] if coded else []
        pairs += [("IsTruncated", more)]
        if newer:
            pairs += [("KeyCount", len(found))]
            pairs += [("StartAfter", told(query["start-after"]))] if query.get("start-after") else []
            pairs += [("ContinuationToken", query["continuation-token"])] if token else []
            pairs += [("NextContinuationToken", base64.urlsafe_b64encode(last.encode()).decode())] if more else []
        else:
            pairs += [("Marker", told(after))]
            pairs += [("NextMarker", told(last))] if more else []
        pairs += [("Contents", _entry(told(key), fields)) for key, fields in found if fields is not None]
        return document("ListBucketResult", pairs + common)

    def _entries(self, bucket: str, prefix: str, delimiter: str, after: str) -> Iterator[tuple[str, Fields | None]]:
        """Keys with their rows, and common prefixes with None, in order."""
        group = ""
        for key, fields in self._shelf.listed(bucket, prefix, after):
            if group and key.startswith(group):
                continue
            end = key.find(delimiter, len(prefix)) if delimiter else -1
            if end < 0:
                yield key, fields
                continue
            group = key[: end + len(delimiter)]
            if group != after:
                yield group, None

    def _uploads(self, asked: Asked) -> Answer:
        found = [
            ("Upload", [("Key", row.fields["key"]), ("UploadId", row.key), ("Initiated", row.fields["begun"])])
            for row in self._shelf.store.table("upload")
            if row.fields["bucket"] == asked.bucket
        ]
        return document("ListMultipartUploadsResult", [("Bucket", asked.bucket), ("IsTruncated", False), *found])

    # -- removing -------------------------------------------------------------------------------------------------

    def _delete(self, asked: Asked) -> Answer:
        root = parsed(asked.body)
        wanted = [text(each, "Key") for each in root if local(each) == "Object"]
        if not wanted or len(wanted) > _PAGE:
            raise refused("MalformedXML", "name 1 to 1000 objects")
        self._shelf.bucket(asked.bucket, "write")
        quiet = text(root, "Quiet") == "true"
        told: list[tuple[str, Any]] = []
        for key in wanted:
            try:
                self._shelf.remove(asked.bucket, checked_key(key))
                told += [] if quiet else [("Deleted", [("Key", key)])]
            except Refused as error:
                told.append(("Error", [("Key", key[:1024]), ("Code", error.code or ""), ("Message", str(error))]))
        return document("DeleteResult", told)


_OWNER = [("ID", "terrarium"), ("DisplayName", "terrarium")]


def _entry(key: str, fields: Fields) -> list[tuple[str, Any]]:
    return [
        ("Key", key),
        ("LastModified", stamp(fields["modified"])),
        ("ETag", f'"{fields["etag"]}"'),
        ("Size", fields["size"]),
        ("StorageClass", "STANDARD"),
    ]


def parsed(body: bytes) -> Element:
    """The root of an XML body.

    Raises:
        Refused: It is none, or defines entities.
    """
    from defusedxml.common import DefusedXmlException  # type: ignore[import-untyped]
    from defusedxml.ElementTree import fromstring  # type: ignore[import-untyped]

    try:
        found: Element = fromstring(body, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        raise refused("MalformedXML", "The XML you provided was not well-formed") from None
    return found


def local(element: Element) -> str:
    """The name of an element without its namespace."""
    return element.tag.rpartition("}")[2]


def text(element: Element, name: str) -> str:
    """The text of the first child of that name; empty where there is none."""
    return next((child.text or "" for child in element if local(child) == name), "")
