"""Keys and tokens of service accounts: what an agent signs with, and what the API accepts.

Nothing of it is state: the first agent of every world has the same key, the second another, and tokens follow from the
world's seed. So a world that was opened again knows them, and opening one with one agent makes no key. That keys can be
worked out by who knows this file does no harm: the server takes an account's token only from the agent whose it is.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from terrarium.capability.google_sheets.account import Account, Accounts

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

TOKEN_URI = "https://oauth2.googleapis.com/token"
LASTS = 3600
_BITS = 1024
"""Enough: a key opens nothing but one world, and longer ones take long to make."""
_FIRST = (
    int(
        "cc1de956a0e565e557791d25811f3b7936ba296ce66d8c03ad5a4f3f540082fd"
        "8570a7664f58c7b7b6f902a2018a4cdedd96393b6795705b474b7fbf189a1bb7",
        16,
    ),
    int(
        "d82003e3399543d3ace50493eaebd5c04dc47d369d77e48de5abb82f3be0e9de"
        "faaeefc4f4fa1506e9b778ca32b47fc2596fc86a904a192e9aaa154a3777492f",
        16,
    ),
)  # the primes of the first agent's key: nearly every world needs them, and they take 0.05 s to find
_SMALL = [n for n in range(3, 2000, 2) if all(n % d for d in range(3, int(n**0.5) + 1, 2))]


@dataclass(frozen=True)
class Token:
    """What an access token says.

    Attributes:
        address: Whose it is.
        expires: World time in seconds since 1970.
        scopes: What it is for.
    """

    address: str
    expires: int
    scopes: Sequence[str]


@functools.lru_cache(maxsize=64)
def primes(number: int) -> tuple[int, int]:
    """What the key of a world's first agent is made of, of the second and so on."""
    if number == 0:
        return _FIRST
    stream = random.Random(f"service account {number}")
    p, q = _prime(stream), _prime(stream)
    while q == p:
        q = _prime(stream)
    return p, q


def public_key(number: int) -> RSAPublicKey:
    """The public half of a key."""
    from cryptography.hazmat.primitives.asymmetric import rsa

    p, q = primes(number)
    return rsa.RSAPublicNumbers(65537, p * q).public_key()


@functools.lru_cache(maxsize=64)
def private_text(number: int) -> str:
    """The private half as PEM (PKCS 8). Written here, since the library for it takes 0.1 s to load, and worlds open."""
    p, q = primes(number)
    d = pow(65537, -1, (p - 1) * (q - 1))
    values = (0, p * q, 65537, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p))
    key = _der(0x30, b"".join(_der(2, value.to_bytes(value.bit_length() // 8 + 1, "big")) for value in values))
    rsa = bytes.fromhex("300d06092a864886f70d0101010500")  # rsaEncryption, without parameters
    text = base64.b64encode(_der(0x30, _der(2, b"\0") + rsa + _der(4, key))).decode("ascii")
    lines = "\n".join(text[at : at + 64] for at in range(0, len(text), 64))
    return f"-----BEGIN PRIVATE KEY-----\n{lines}\n-----END PRIVATE KEY-----\n"


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = bytes([size]) if size < 128 else b"\x82" + size.to_bytes(2, "big") if size > 255 else bytes([0x81, size])
    return bytes([tag]) + length + content


def _prime(stream: random.Random) -> int:
    bits = _BITS // 2
    while True:
        number = stream.getrandbits(bits) | (3 << (bits - 2)) | 1
        if all(number % small for small in _SMALL) and (number - 1) % 65537 and _is_prime(number, stream):
            return number


def _is_prime(number: int, stream: random.Random) -> bool:
    """Miller and Rabin's test, twenty rounds."""
    odd, twos = number - 1, 0
    while not odd % 2:
        odd, twos = odd // 2, twos + 1
    for _ in range(20):
        x = pow(stream.randrange(2, number - 1), odd, number)
        if x in (1, number - 1):
            continue
        for _ in range(twos - 1):
            x = x * x % number
            if x == number - 1:
                break
        else:
            return False
    return True


class Keys:
    """Gives out and looks at credentials and tokens.

    Args:
        accounts: Whose.
    """

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._secret = hashlib.sha256(f"tokens of {accounts.seed}".encode()).digest()
        self._seen: dict[str, Token] = {}  # looked at before; it can be dropped

    def credentials(self, account: Account) -> bytes:
        """The file of a service account, as Google's libraries read it."""
        address = account.service or account.address
        told = {
            "type": "service_account",
            "project_id": self._accounts.project,
            "private_key_id": self._sign(f"key {address}")[:40],
            "private_key": private_text(self._number(account)),
            "client_email": address,
            "client_id": account.permission,
            "auth_uri": "https://accounts.google.com/o/oauth2/auth",
            "token_uri": TOKEN_URI,
            "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
            "client_x509_cert_url": f"https://www.googleapis.com/robot/v1/metadata/x509/{address.replace('@', '%40')}",
            "universe_domain": "googleapis.com",
        }
        return (json.dumps(told, indent=2) + "\n").encode("ascii")

    def authorized_user(self, account: Account) -> bytes:
        """The file of a user who has logged in once: a refresh token."""
        told = {
            "type": "authorized_user",
            "client_id": f"{account.permission}.apps.googleusercontent.com",
            "client_secret": self._sign(f"client {account.address}")[:32],
            "refresh_token": f"1//{self._sign(f'refresh {account.address}')}",
            "token_uri": TOKEN_URI,
            "universe_domain": "googleapis.com",
        }
        return (json.dumps(told, indent=2) + "\n").encode("ascii")

    def refreshed(self, token: str, client: str, secret: str) -> Account | None:
        """Whose refresh token it is; None: nobody's."""
        for account in self._accounts.agents.values():
            told = json.loads(self.authorized_user(account))
            if _same(told["refresh_token"], token):
                return account if told["client_id"] == client and _same(told["client_secret"], secret) else None
        return None

    def asserted(self, assertion: str) -> tuple[Account, list[str]] | str:
        """Whose assertion it is (RFC 7523) and for which scopes; or why it is not accepted."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.hashes import SHA256

        try:
            head, body, signature = assertion.split(".")
            header, claims = json.loads(_decoded(head)), json.loads(_decoded(body))
            signed = _decoded(signature)
        except (ValueError, RecursionError):
            return "Bad Request"
        if not isinstance(header, dict) or not isinstance(claims, dict) or header.get("alg") != "RS256":
            return "Invalid JWT: it must be signed with RS256"
        issuer, subject = claims.get("iss"), claims.get("sub")
        account = next((one for one in self._accounts.agents.values() if one.service == issuer), None)
        if account is None:
            return "Invalid grant: account not found"
        public = public_key(self._number(account))
        try:
            public.verify(signed, f"{head}.{body}".encode("ascii", "replace"), PKCS1v15(), SHA256())
        except InvalidSignature:
            return "Invalid JWT Signature."
        if subject is not None and subject != issuer:
            return "Client is unauthorized to retrieve access tokens using this method."
        if claims.get("aud") not in (TOKEN_URI, "https://www.googleapis.com/oauth2/v4/token"):
            return "Invalid JWT: Failed audience check."
        scope = claims.get("scope", "")
        return account, scope.split()[:50] if isinstance(scope, str) else []

    def access(self, account: Account, scopes: Sequence[str], now: int) -> str:
        """An access token, for an hour of world time."""
        told = json.dumps([account.address, now + LASTS, list(scopes)], separators=(",", ":")).encode()
        body = base64.urlsafe_b64encode(told).decode().rstrip("=")
        return f"ya29.{body}.{self._sign(body)}"

    def token(self, text: str, now: int) -> Token | None:
        """What an access token says; None where it is none, or too old."""
        known = self._seen.get(text)
        if known is not None:
            return known if known.expires > now else None
        parts = text.split(".")
        if len(parts) != 3 or parts[0] != "ya29" or not _same(self._sign(parts[1]), parts[2]):
            return None
        told: Any = json.loads(_decoded(parts[1]))
        if len(self._seen) >= 256:
            self._seen.clear()
        self._seen[text] = Token(*told)
        return self._seen[text] if told[1] > now else None

    def _number(self, account: Account) -> int:
        return sorted(self._accounts.agents).index(account.agent or "")

    def _sign(self, text: str) -> str:
        return hmac.new(self._secret, text.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))


def _decoded(text: str) -> bytes:
    return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
