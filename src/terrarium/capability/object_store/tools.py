"""What agents may do with an object store, as tools."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from itertools import islice
from typing import Literal

from terrarium.capability.object_store.shelf import Shelf
from terrarium.core.capability import instance_tool
from terrarium.core.errors import Refused
from terrarium.core.tool import Tool
from terrarium.core.values import Value

_SHOWN = 200


class ObjectTools:
    """The tools of an object store; whoever calls one is known from the world.

    Args:
        shelf: The buckets.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    def tools(self, name: str) -> Sequence[Tool]:
        """All of them, for the capability of that name."""
        return [
            Tool.of(self._list, instance_tool(name, "list"), writes=False),
            Tool.of(self._read, instance_tool(name, "read"), writes=False),
            Tool.of(self._write, instance_tool(name, "write")),
            Tool.of(self._copy, instance_tool(name, "copy")),
            Tool.of(self._delete, instance_tool(name, "delete")),
        ]

    def _list(self, bucket: str | None = None, prefix: str = "", after: str = "") -> list[dict[str, Value]]:
        """List the buckets you can read, or the objects in one.

        Args:
            bucket: Its name; none: the buckets are listed.
            prefix: Only objects whose keys start with this.
            after: Only objects whose keys come after this one; for the next page of at most 200.

        Returns:
            `bucket` and what you may do there (`access`); or `key`, `size` in bytes, `type` and `modified`.
        """
        if bucket is None:
            rows = self._shelf.store.table("bucket")
            return [
                {"bucket": row.key, "access": self._shelf.access(row.fields)}
                for row in rows
                if self._shelf.access(row.fields) != "none"
            ]
        found = islice(self._shelf.listed(bucket, prefix, after), _SHOWN)
        return [
            {"key": key, "size": row["size"], "type": row["type"], "modified": row["modified"]} for key, row in found
        ]

    def _read(self, bucket: str, key: str, encoding: Literal["text", "base64"] = "text") -> str:
        """Read an object.

        Args:
            bucket: Where it is.
            key: Its key.
            encoding: base64 for content that is not text.

        Returns:
            The content, as text. Of binary content, unless it is asked for as base64, only that it is that.
        """
        data = self._shelf.content(self._shelf.find(bucket, key))
        if encoding == "base64":
            return base64.b64encode(data).decode()
        try:
            return data.decode()
        except UnicodeDecodeError:
            return f"{key} is binary ({len(data)} bytes); ask for it as base64"

    def _write(
        self, bucket: str, key: str, content: str, encoding: Literal["text", "base64"] = "text", type: str = ""
    ) -> str:
        """Store an object, in place of what was at its key.

        Args:
            bucket: Where.
            key: Its key, such as `reports/2030/q1.csv`.
            content: All of the new content.
            encoding: How `content` is given.
            type: Its media type, such as `text/csv`.
        """
        try:
            data = base64.b64decode(content, validate=True) if encoding == "base64" else content.encode()
        except (binascii.Error, UnicodeEncodeError):
            raise Refused("the content is neither text that UTF-8 can hold nor base64") from None
        self._shelf.put(bucket, key, data, type=type or ("text/plain" if encoding == "text" else "binary/octet-stream"))
        return f"stored {len(data)} bytes at {bucket}/{key}"

    def _copy(self, bucket: str, key: str, to_key: str, to_bucket: str | None = None) -> str:
        """Copy an object.

        Args:
            bucket: Where it is.
            key: Its key.
            to_key: The key of the copy.
            to_bucket: Where the copy goes; none: into the same bucket.
        """
        source = self._shelf.find(bucket, key)
        kept = {"type": source["type"], "headers": source["headers"], "metadata": source["metadata"]}
        self._shelf.put(to_bucket or bucket, to_key, self._shelf.content(source), **kept)
        return f"copied to {to_bucket or bucket}/{to_key}"

    def _delete(self, bucket: str, key: str) -> str:
        """Remove an object for good.

        Args:
            bucket: Where it is.
            key: Its key.
        """
        if not self._shelf.remove(bucket, key):
            raise Refused(f"there is no object {key!r} in {bucket!r}")
        return f"removed {bucket}/{key}"
