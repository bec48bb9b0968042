"""Prices of models: a table that comes with the package `genai-prices`, and what a user says instead.

Prices change. The table is as old as the installed release of the package (`price_source` says which); `--model-price`
wins over it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from terrarium.core.errors import ConfigError
from terrarium.core.message import Usage

Price = Callable[[Usage], float | None]
"""US dollars of what one answer used; None where no price is known."""

PACKAGE = "genai-prices"
_MILLION = 1_000_000
_FORM = "US dollars per million tokens as input/output, input/output/cached or input/output/cached/cache-write"


def price_of(provider: str, model: str, given: object = None) -> Price:
    """What tokens of a model cost.

    Args:
        provider: Who sells it: `openai`, `anthropic`, `google`, `openrouter`, ...
        model: Its name there.
        given: What the user says, in place of the table: see `parse_price`; None: nothing.

    Raises:
        ConfigError: `given` is no price.
    """
    if given is not None:
        return _flat(parse_price(given))

    def price(usage: Usage) -> float | None:
        return _by_table(provider, model, usage)

    return price


def parse_price(given: object) -> tuple[float, ...]:
    """Dollars per million tokens: (input, output, cached input, input written into a cache).

    Args:
        given: Text such as `1.25/10` or `1.25/10/0.125/1.5`, or a list of these numbers. Cached input costs what input
            costs, unless it is said.

    Raises:
        ConfigError: It is nothing of the kind.
    """
    parts: Sequence[Any] = given.split("/") if isinstance(given, str) else given if isinstance(given, list) else ()
    try:
        numbers = [float(part) for part in parts]
    except (TypeError, ValueError):
        numbers = []
    if not 2 <= len(numbers) <= 4 or not all(0 <= number < _MILLION for number in numbers):
        raise ConfigError(f"a price is {_FORM}, such as 1.25/10, not {given!r}")
    return (*numbers, *[numbers[0]] * (4 - len(numbers)))


@functools.cache
def price_source() -> str | None:
    """The table and its version, as records tell it; None where it is not installed."""
    try:
        return f"{PACKAGE} {version(PACKAGE)}"
    except PackageNotFoundError:
        return None


def _flat(dollars: tuple[float, ...]) -> Price:
    fresh, output, cached, written = dollars

    def price(usage: Usage) -> float:
        plain = max(0, usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens)
        spent = plain * fresh + usage.cached_tokens * cached + usage.cache_write_tokens * written
        return (spent + usage.output_tokens * output) / _MILLION

    return price


def _by_table(provider: str, model: str, usage: Usage) -> float | None:
    try:  # here, at the first answer: the table takes most of a second to import
        from genai_prices import Usage as Sold
        from genai_prices import calc_price
    except ImportError:
        return None
    sold = Sold(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cached_tokens,
        cache_write_tokens=usage.cache_write_tokens,
    )
    try:
        return float(calc_price(sold, model_ref=model, provider_id=provider).total_price)
    except (LookupError, ValueError):
        return None
