"""What one client of an HTTP server may use."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class HttpLimits:
    """What one client may use. Times are wall seconds: they are about a client that hangs, not about the world."""

    header_bytes: int = 64 * 1024
    body_bytes: int = 16 * 1024 * 1024
    idle_seconds: float = 60.0
    """Between requests, between two pieces of a body, and for a client that does not read its answer."""
    request_seconds: float = 120.0
    """For a request to arrive, its body included."""
    connections: int = 64
    """At the same time, of one caller."""
