"""Whether something offers an optional contract, asked once for each class.

`isinstance` of a protocol looks at every member each time: before Python 3.12 that was a twentieth of a short trial.
"""

from __future__ import annotations

from typing import Any, TypeGuard, TypeVar

T = TypeVar("T")

_known: dict[tuple[type, Any], bool] = {}


def offers(one: object, contract: type[T]) -> TypeGuard[T]:
    """`isinstance` for a runtime protocol whose members are methods of classes."""
    key = type(one), contract
    found = _known.get(key)
    if found is None:
        found = _known[key] = isinstance(one, contract)
    return found
