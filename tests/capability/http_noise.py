"""Requests that nearly mean something: bodies with pieces spoiled, and a few odd headers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hypothesis import strategies as st


@st.composite
def spoiled(draw: st.DrawFn, bodies: Sequence[str]) -> bytes:
    """A body that means something, with pieces taken out, doubled, or replaced by noise."""
    data = draw(st.sampled_from(bodies)).encode()
    for _ in range(draw(st.integers(0, 3))):
        low, high = sorted((draw(st.integers(0, len(data))), draw(st.integers(0, len(data)))))
        piece = draw(st.one_of(st.binary(max_size=6), st.just(data[low:high] * 2), st.just(b"")))
        data = data[:low] + piece + data[high:]
    return data[:100_000]


def picked(headers: Mapping[str, Sequence[str]]) -> st.SearchStrategy[dict[str, str]]:
    """At most three of these headers, each with one of its texts."""
    return st.dictionaries(st.sampled_from(sorted(headers)), st.integers(0, 9), max_size=3).map(
        lambda chosen: {name: headers[name][number % len(headers[name])] for name, number in chosen.items()}
    )
