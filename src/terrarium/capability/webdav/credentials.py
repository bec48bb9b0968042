"""Logging in with name and password (RFC 7617)."""

from __future__ import annotations

import base64
import binascii


def credentials(authorization: str) -> tuple[str, str] | None:
    """Name and password of an `Authorization: Basic` header; None where it holds none."""
    try:
        told = base64.b64decode(authorization.partition(" ")[2].strip(), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
    user, _, password = told.partition(":")
    return user, password
