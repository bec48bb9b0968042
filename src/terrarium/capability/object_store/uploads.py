"""What clients ask of uploads in parts."""

from __future__ import annotations

import hashlib

from terrarium.capability.object_store.answer import Answer, Asked, document, refused
from terrarium.capability.object_store.buckets import local, parsed, text
from terrarium.capability.object_store.objects import about, source_of
from terrarium.capability.object_store.shelf import Shelf

_SMALLEST = 5 * 1024 * 1024  # bytes of every part but the last


class Uploads:
    """Requests that name an object and an upload of it.

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
        shelf, id = self._shelf, asked.query.get("uploadId", "")
        if asked.method == "POST" and "uploads" in asked.query:
            begun = shelf.begin(asked.bucket, asked.key, **about(asked.headers))
            pairs = [("Bucket", asked.bucket), ("Key", asked.key), ("UploadId", begun)]
            return document("InitiateMultipartUploadResult", pairs)
        shelf.upload(asked.bucket, asked.key, id)
        match asked.method:
            case "PUT":
                return self._part(asked, id)
            case "POST":
                return self._complete(asked, id)
            case "DELETE":
                shelf.abort(id)
                return Answer(204)
            case "GET":
                return self._parts(asked, id)
        raise refused("MethodNotAllowed", "The specified method is not allowed against this resource.")

    def _part(self, asked: Asked, id: str) -> Answer:
        try:
            number = int(asked.query.get("partNumber", ""))
        except ValueError:
            raise refused("InvalidArgument", "partNumber is a number") from None
        if "x-amz-copy-source" not in asked.headers:
            return Answer(headers={"etag": f'"{self._shelf.add_part(id, number, asked.body)}"'})
        source = source_of(self._shelf, asked)
        data = self._shelf.content(source)
        span = asked.headers.get("x-amz-copy-source-range", "")
        if span:
            low, dash, high = span.removeprefix("bytes=").partition("-")
            if not (dash and low.isdecimal() and high.isdecimal() and int(low) <= int(high) < len(data)):
                raise refused("InvalidArgument", "x-amz-copy-source-range is bytes=first-last of the source")
            data = data[int(low) : int(high) + 1]
        etag = self._shelf.add_part(id, number, data)
        return document("CopyPartResult", [("LastModified", self._shelf.site.clock.now), ("ETag", f'"{etag}"')])

    def _complete(self, asked: Asked, id: str) -> Answer:
        there = self._shelf.parts(id)
        wanted = [
            (text(part, "PartNumber"), text(part, "ETag").strip('"'))
            for part in parsed(asked.body)
            if local(part) == "Part"
        ]
        if not wanted or len(wanted) > 10_000 or not all(n.isdecimal() and len(n) < 6 for n, _ in wanted):
            raise refused("MalformedXML", "name the parts and their numbers")
        numbers = [int(number) for number, _ in wanted]
        if sorted(set(numbers)) != numbers:
            raise refused("InvalidPartOrder", "The list of parts was not in ascending order")
        for number, etag in wanted:
            if int(number) not in there or there[int(number)]["etag"] != etag:
                raise refused("InvalidPart", f"part {number} was not uploaded, or has another entity tag")
        if any(there[number]["size"] < _SMALLEST for number in numbers[:-1]):
            raise refused("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
        sums = b"".join(bytes.fromhex(there[number]["etag"]) for number in numbers)
        data = b"".join(self._shelf.content(there[number]) for number in numbers)
        begun = self._shelf.upload(asked.bucket, asked.key, id)
        kept = {"type": begun["type"], "headers": begun["headers"], "metadata": begun["metadata"]}
        etag = f"{hashlib.md5(sums).hexdigest()}-{len(numbers)}"
        self._shelf.put(asked.bucket, asked.key, data, etag=etag, freed=len(data), **kept)
        self._shelf.abort(id)
        pairs = [("Location", f"/{asked.bucket}/{asked.key}"), ("Bucket", asked.bucket), ("Key", asked.key)]
        return document("CompleteMultipartUploadResult", [*pairs, ("ETag", f'"{etag}"')])

    def _parts(self, asked: Asked, id: str) -> Answer:
        found = [
            (
                "Part",
                [
                    ("PartNumber", number),
                    ("LastModified", part["modified"]),
                    ("ETag", f'"{part["etag"]}"'),
                    ("Size", part["size"]),
                ],
            )
            for number, part in self._shelf.parts(id).items()
        ]
        head = [("Bucket", asked.bucket), ("Key", asked.key), ("UploadId", id), ("IsTruncated", False)]
        return document("ListPartsResult", [*head, *found])
