"""Access keys: which agent signs with what, and whether a request is signed with it.

The formats are those of "Authenticating Requests (AWS Signature Version 4)" in the reference of Amazon S3, and for
addresses also of "Signing and authenticating REST requests (AWS Signature Version 2)": Amazon's client for Python signs
addresses so where nobody says otherwise.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote

from terrarium.core.errors import Refused
from terrarium.core.seeds import Rng, child_seed

UNSIGNED = "UNSIGNED-PAYLOAD"
_SCHEME = "AWS4-HMAC-SHA256"
_HEADER = re.compile(
    rf"{_SCHEME}\s+Credential=(?P<credential>[^,\s]+)\s*,\s*SignedHeaders=(?P<signed>[^,\s]+)\s*,\s*"
    r"Signature=(?P<signature>[0-9a-f]{64})"
)
_NAMED = re.compile(
    "acl|cors|delete|lifecycle|location|logging|notification|partNumber|policy|requestPayment|restore|tagging|torrent|"
    "uploadId|uploads|versionId|versioning|versions|website|response-(cache-control|content-(disposition|encoding|"
    "language|type)|expires)"
)  # what version 2 signs of a query
_LONGEST = 7 * 24 * 3600  # seconds that a signed address may be good for


@dataclass(frozen=True)
class Key:
    """What one agent signs with."""

    agent: str
    id: str
    secret: str = field(repr=False)


@dataclass(frozen=True)
class Asked:
    """A request as it came, before anything was decoded.

    Attributes:
        method: In capitals.
        path: Encoded as sent.
        query: The pairs in their order, decoded.
        headers: By lower-case name.
        bucket: The one that the host names; empty where the path names it.
    """

    method: str
    path: str
    query: Sequence[tuple[str, str]]
    headers: Mapping[str, str]
    bucket: str = ""


class Keys:
    """The access keys of the agents of a world; the same in every run with the same seed.

    Args:
        seed: Of the capability.
        agents: Names of the agents.
    """

    def __init__(self, seed: int, agents: Sequence[str]) -> None:
        self._by_agent = {agent: _made(seed, agent) for agent in agents}
        self._by_id = {key.id: key for key in self._by_agent.values()}

    def of(self, agent: str) -> Key:
        """The key of an agent."""
        return self._by_agent[agent]

    def signer(self, asked: Asked, now: datetime) -> tuple[str | None, str]:
        """Who signed a request, and what they say of its body: a sha256, or a word such as `UNSIGNED-PAYLOAD`.

        Returns:
            The agent, or None where it is not signed.

        Raises:
            Refused: The signature is wrong, or the address has expired.
        """
        told = dict(asked.query)
        if "X-Amz-Signature" in told:
            return self._in_address(asked, told, now), UNSIGNED
        if "Signature" in told and "AWSAccessKeyId" in told:
            return self._in_old_address(asked, told, now), UNSIGNED
        header = asked.headers.get("authorization")
        if header is None:
            return None, asked.headers.get("x-amz-content-sha256", UNSIGNED)
        found = _HEADER.fullmatch(header.strip())
        if found is None:
            raise Refused(
                "the Authorization header is not one of AWS4-HMAC-SHA256", code="AuthorizationHeaderMalformed"
            )
        payload = asked.headers.get("x-amz-content-sha256", UNSIGNED)
        date = asked.headers.get("x-amz-date", "")
        return self._checked(asked, asked.query, found.groupdict(), date, payload), payload

    def _in_address(self, asked: Asked, told: Mapping[str, str], now: datetime) -> str:
        try:
            begun = datetime.strptime(told["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            good = int(told["X-Amz-Expires"])
            parts = {"credential": told["X-Amz-Credential"], "signed": told["X-Amz-SignedHeaders"]}
        except (KeyError, ValueError):
            raise Refused("the signed address lacks a part", code="AuthorizationQueryParametersError") from None
        if not 0 < good <= _LONGEST:
            raise Refused("X-Amz-Expires is 1 to 604800 seconds", code="AuthorizationQueryParametersError")
        parts["signature"] = told["X-Amz-Signature"]
        query = [(name, value) for name, value in asked.query if name != "X-Amz-Signature"]
        agent = self._checked(asked, query, parts, told["X-Amz-Date"], UNSIGNED)
        if now > begun + timedelta(seconds=good):
            raise Refused("Request has expired", code="AccessDenied")
        return agent

    def _in_old_address(self, asked: Asked, told: Mapping[str, str], now: datetime) -> str:
        """Version 2."""
        key = self._known(told["AWSAccessKeyId"])
        expires = told.get("Expires", "")
        if not re.fullmatch("[0-9]{1,12}", expires):
            raise Refused("Expires is a number of seconds since 1970", code="AccessDenied")
        named = {name: value for name, value in told.items() if name.startswith(("x-amz-", "content-"))}
        given = {**named, **asked.headers}
        lines = [asked.method, given.get("content-md5", ""), given.get("content-type", ""), expires]
        lines += [f"{name}:{given[name].strip()}" for name in sorted(given) if name.startswith("x-amz-")]
        query = [f"{name}={value}" if value else name for name, value in sorted(asked.query) if _NAMED.fullmatch(name)]
        path = quote(unquote(asked.path), safe="/~")
        place = f"/{asked.bucket}{path}" if asked.bucket else path
        lines.append("?".join([place, *(["&".join(query)] if query else [])]))
        wanted = b64encode(hmac.digest(key.secret.encode(), "\n".join(lines).encode(), "sha1"))
        if not hmac.compare_digest(wanted, told["Signature"].encode()):
            raise _mismatch()
        if now.timestamp() > int(expires):
            raise Refused("Request has expired", code="AccessDenied")
        return key.agent

    def _known(self, id: str) -> Key:
        if id not in self._by_id:
            raise Refused(
                "The AWS Access Key Id you provided does not exist in our records.", code="InvalidAccessKeyId"
            )
        return self._by_id[id]

    def _checked(
        self, asked: Asked, query: Sequence[tuple[str, str]], parts: Mapping[str, str], date: str, payload: str
    ) -> str:
        name, *scope = parts["credential"].split("/")
        key = self._known(name)
        if len(scope) != 4 or scope[2:] != ["s3", "aws4_request"] or not date.startswith(scope[0]):
            raise Refused("the credential is not for S3 on this day", code="AuthorizationHeaderMalformed")
        signed = parts["signed"].split(";")
        lines = "".join(f"{name}:{' '.join(asked.headers.get(name, '').split())}\n" for name in signed)
        told = "&".join(f"{_encoded(name)}={_encoded(value)}" for name, value in sorted(query))
        path = quote(unquote(asked.path), safe="/~")
        canonical = "\n".join([asked.method, path, told, lines, ";".join(signed), payload])
        text = "\n".join([_SCHEME, date, "/".join(scope), hashlib.sha256(canonical.encode()).hexdigest()])
        secret = f"AWS4{key.secret}".encode()
        for word in scope:
            secret = hmac.digest(secret, word.encode(), "sha256")
        wanted = hmac.digest(secret, text.encode(), "sha256").hex()
        if not hmac.compare_digest(wanted.encode(), parts["signature"].encode()):
            raise _mismatch()
        return key.agent


def _mismatch() -> Refused:
    told = "The request signature we calculated does not match the signature you provided."
    return Refused(told, code="SignatureDoesNotMatch")


def _made(seed: int, agent: str) -> Key:
    rng = Rng(child_seed(seed, "access key", agent))
    return Key(agent, f"AKIA{rng.token('id', 16).upper()}", rng.token("secret", 40))


def _encoded(text: str) -> str:
    return quote(text, safe="~")
