"""What a row shows of a file's content: short text as it is, else a digest, without reading what is not there."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from typing import Any

SHOWN = 64 * 1024
"""Bytes of text that a row shows as it is."""

_BLOCK = 64 * 1024
_ZEROS = bytes(_BLOCK)


def content_of(content: bytes) -> dict[str, Any]:
    """What a row shows of a content: text up to 64 KiB as it is, else its digest; see `digest_of_file`."""
    if len(content) <= SHOWN:
        try:
            return {"size": len(content), "content": content.decode()}
        except UnicodeDecodeError:
            return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    blocks = [(at, content[at : at + _BLOCK]) for at in range(0, len(content), _BLOCK)]
    return {"size": len(content), **_digest(iter(blocks), iter(blocks))}


def digest_of_file(file: int, size: int) -> dict[str, str]:
    """The digest of an open file of more than 64 KiB, in time that its place on disk bounds, not its size.

    `sha256` is that of the content. Where one of its blocks of 64 KiB is nothing but zeros, which need no place on
    disk, there is `blocks` instead: over the others, each with its offset.

    Raises:
        OSError: It cannot be read.
    """
    return _digest(_blocks(file, size), _blocks(file, size))


def _digest(first: Iterator[tuple[int, bytes]], again: Iterator[tuple[int, bytes]]) -> dict[str, str]:
    total, expected = hashlib.sha256(), 0
    for at, block in first:
        if at != expected or _is_empty(block):
            break
        total.update(block)
        expected = at + len(block)
    else:
        return {"sha256": total.hexdigest()}
    total = hashlib.sha256()
    for at, block in again:
        if not _is_empty(block):
            total.update(b"%d:%d:" % (at, len(block)))
            total.update(block)
    return {"blocks": total.hexdigest()}


def _is_empty(block: bytes) -> bool:
    return block == _ZEROS[: len(block)]


def _blocks(file: int, size: int) -> Iterator[tuple[int, bytes]]:
    """(Offset, content) of the blocks of a file, without those that lie in a hole; the last one is always there."""
    at = 0
    while at < size:
        try:
            at = max(at, os.lseek(file, at, os.SEEK_DATA) // _BLOCK * _BLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            at = max(at, (size - 1) // _BLOCK * _BLOCK)  # nothing but a hole from here on
        block = os.pread(file, min(_BLOCK, size - at), at)
        if not block:
            return
        yield at, block
        at += len(block)
