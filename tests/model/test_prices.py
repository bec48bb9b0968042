from __future__ import annotations

import pytest

from terrarium.core.errors import ConfigError
from terrarium.core.message import Usage
from terrarium.model.prices import parse_price, price_of, price_source


def test_a_known_model_has_the_price_of_the_table() -> None:
    price = price_of("openai", "gpt-4o")
    fresh, cached = price(Usage(1_000_000)), price(Usage(1_000_000, cached_tokens=1_000_000))
    assert fresh is not None
    assert cached is not None
    assert 0 < cached < fresh < (price(Usage(0, 1_000_000)) or 0)
    assert (price_source() or "").startswith("genai-prices ")


def test_an_unknown_model_has_no_price_rather_than_none_at_all() -> None:
    assert price_of("openai", "gpt-of-tomorrow")(Usage(10, 10)) is None
    assert price_of("nobody", "gpt-4o")(Usage(10, 10)) is None


def test_what_the_user_says_wins() -> None:
    price = price_of("openai", "gpt-4o", "1/10/0.5/2")
    assert price(Usage(3_000_000, 1_000_000, cached_tokens=1_000_000, cache_write_tokens=1_000_000)) == 1 + 0.5 + 2 + 10
    assert price_of("x", "y", [2, 4])(Usage(1_000_000, 500_000, cached_tokens=1_000_000)) == 4.0


@pytest.mark.parametrize("given", ["1", "1/2/3/4/5", "a/b", "-1/2", "nan/1", "inf/1", 3, {"in": 1}, [True, None]])
def test_anything_else_is_no_price(given: object) -> None:
    with pytest.raises(ConfigError, match="million tokens"):
        parse_price(given)
