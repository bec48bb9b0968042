"""Bodies in the content coding `aws-chunked`, which S3's clients use to send checksums after the content."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Callable, Mapping

from terrarium.core.errors import Refused

_SUMS: Mapping[str, Callable[[bytes], bytes]] = {
    "x-amz-checksum-crc32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
    "x-amz-checksum-sha1": lambda data: hashlib.sha1(data).digest(),
    "x-amz-checksum-sha256": lambda data: hashlib.sha256(data).digest(),
    "content-md5": lambda data: hashlib.md5(data).digest(),
}


def unpacked(body: bytes) -> tuple[bytes, dict[str, str]]:
    """(content, trailers by lower-case name) of a body in `aws-chunked`.

    Signatures of single chunks are not looked at: that of the head covers who sends it.

    Raises:
        Refused: It is not one.
    """
    content, at = bytearray(), 0
    while True:
        end = body.find(b"\r\n", at, at + 1024)
        size = body[at:end].partition(b";")[0].strip() if end >= 0 else b""
        if not size or len(size) > 8 or not all(char in b"0123456789abcdefABCDEF" for char in size):
            raise Refused("the body is not in the coding aws-chunked", code="InvalidRequest")
        length, at = int(size, 16), end + 2
        if length == 0:
            break
        if body[at + length : at + length + 2] != b"\r\n":
            raise Refused("a chunk of the body is shorter than it says", code="IncompleteBody")
        content += body[at : at + length]
        at += length + 2
    lines = (line.partition(":") for line in body[at : at + 8192].decode("latin-1").split("\r\n"))
    return bytes(content), {name.strip().lower(): value.strip() for name, colon, value in lines if colon}


def check_sums(content: bytes, told: Mapping[str, str]) -> None:
    """Compare a body with the checksums that were sent with it; those of a kind not known here are let pass.

    Raises:
        Refused: One differs.
    """
    for name, made in _SUMS.items():
        if name in told and base64.b64encode(made(content)).decode() != told[name]:
            code = "BadDigest" if name != "content-md5" or len(told[name]) == 24 else "InvalidDigest"
            raise Refused(f"the {name} you specified did not match what we received", code=code)
