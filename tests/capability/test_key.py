"""Keys of service accounts, read by the library that Google's clients read them with."""

from __future__ import annotations

import random

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from terrarium.capability.google_sheets.key import _prime, primes, private_text, public_key


@pytest.mark.parametrize("number", [0, 1, 7])
def test_a_key_is_written_as_the_library_writes_it(number: int) -> None:
    text = private_text(number)
    key = load_pem_private_key(text.encode("ascii"), None)
    assert isinstance(key, RSAPrivateKey)
    assert key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii") == text
    told = [one.public_bytes(Encoding.PEM, PublicFormat.PKCS1) for one in (key.public_key(), public_key(number))]
    assert told[0] == told[1]


def test_the_first_agents_key_is_found_as_the_others_are() -> None:
    stream = random.Random("service account 0")
    assert primes(0) == (_prime(stream), _prime(stream))
    assert len({primes(number) for number in range(3)}) == 3
