"""What a provider answers over HTTP, and what it means where it is no answer of the model."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from terrarium.core.errors import ModelFault, ModelRefused
from terrarium.core.message import TextBlock, ThinkingBlock, ToolUseBlock
from terrarium.core.model import Completion
from terrarium.model.retry import Failure, Kind
from terrarium.model.wire.tree import at, tables_at, text_at

MOST = 16 * 1024 * 1024  # bytes of one answer; a longer one is nothing that a model says
STREAM = 4 * MOST  # bytes of one that comes in pieces: each piece has a frame around it
_TAIL = 0.25  # seconds for what follows the end of an answer: read for the connection's sake alone
_LONGEST_WAIT = 3600.0  # a provider that wants more has no quota left for today
_SHOWN = 500  # characters of what a provider says, in messages


@dataclass(frozen=True)
class Answer:
    """An answer on its way.

    Attributes:
        status: Of HTTP.
        headers: By their names in small letters.
        chunks: The body, decoded, as it comes.
    """

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]

    @property
    def media_type(self) -> str:
        """What the body is, such as `text/event-stream`."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class Unanswered(Exception):
    """A request that came to nothing.

    Args:
        failure: Why.
        told: The status, the media type and the body of an answer that is an error.
    """

    def __init__(self, failure: Failure, told: tuple[int, str, bytes] | None = None) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.told = told


async def heard(
    answer: Answer, stall: float | None, most: int = MOST, ended: Callable[[], bool] = bool
) -> AsyncIterator[bytes]:
    """The body, piece by piece.

    Args:
        answer: Whose.
        stall: Seconds after which an answer that does not go on is given up; None: never.
        most: Bytes.
        ended: Whether all was said that belongs to it: what still comes is not waited for long.

    Raises:
        Unanswered: It stands still.
        ModelFault: It is larger than any answer.
    """
    size = 0
    chunks = aiter(answer.chunks)
    while True:
        try:
            async with asyncio.timeout(_TAIL if ended() else stall):
                chunk = await anext(chunks, None)
        except TimeoutError:
            raise Unanswered(Failure("stalled", f"nothing came for {stall} s in the middle of an answer")) from None
        if chunk is None:
            return
        size += len(chunk)
        if size > most:
            raise ModelFault(f"the answer is larger than {most >> 20} MiB")
        yield chunk


async def unanswered(answer: Answer, stall: float, kinds: Mapping[str, Kind]) -> Unanswered:
    """What an answer means whose status is no success; `kinds` says what the provider's words for errors do."""
    body = bytearray()
    with contextlib.suppress(Unanswered, ModelFault):
        async for chunk in heard(answer, stall):
            body += chunk
    try:
        tree = json.loads(bytes(body))
    except (ValueError, RecursionError):
        tree = None
    tree = tree[0] if isinstance(tree, list) and tree else tree
    error = at(tree, "error") or tree  # some servers of one's own put nothing around it
    said = error if isinstance(error, str) else text_at(error, "message")
    said = said or bytes(body[: 4 * _SHOWN]).decode("utf-8", "replace")
    code, word = text_at(error, "code"), text_at(error, "type") or text_at(error, "status")
    after = retry_after(answer.headers, error)
    kind = _kind(answer.status, answer.headers.get("x-should-retry"))
    if kind == "rate_limit" and "refused" in (kinds.get(code), kinds.get(word)):
        kind = "refused"  # the quota is used up
    if kind != "refused" and after is not None and after > _LONGEST_WAIT:
        kind, said = "refused", f"it wants us to wait {after / 3600:.1f} h: {said}"
    shown = "".join(letter if letter.isprintable() else " " for letter in said[:_SHOWN]).strip()
    head = f"HTTP {answer.status} {(code or word)[:80]}".rstrip()
    failure = Failure(kind, f"{head}: {shown}", after, code[:80] or str(answer.status))
    return Unanswered(failure, (answer.status, answer.media_type, bytes(body)))


def retry_after(headers: Mapping[str, str], error: object = None) -> float | None:
    """Seconds that a provider wants us to wait, by `retry-after-ms`, `retry-after` or Google's `retryDelay`."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        value = headers.get(name, "")
        seconds = _number(value)
        if seconds is not None:
            return seconds / unit
        with contextlib.suppress(ValueError, OverflowError):
            moment = parsedate_to_datetime(value)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            return max(0.0, (moment - datetime.now(UTC)).total_seconds())
    for detail in tables_at(error, "details"):
        seconds = _number(text_at(detail, "retryDelay").removesuffix("s"))
        if seconds is not None:
            return seconds
    return None


def json_object(text: str | bytes) -> dict[str, Any]:
    """The JSON object that a provider sent.

    Raises:
        ModelFault: It is none, or nested too deep to be read.
    """
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelFault(f"the answer is not JSON: {type(error).__name__}: {str(error)[:200]}") from None
    if not isinstance(tree, dict):
        raise ModelFault("the answer is JSON, but no object")
    return tree


def check_size(completion: Completion) -> None:
    """Refuse an answer that is too large to be worked with.

    Raises:
        ModelFault: It is.
    """
    size = 0
    for block in completion.message.content:
        if isinstance(block, TextBlock):
            size += len(block.text)
        elif isinstance(block, ThinkingBlock):
            size += len(block.thinking)
        elif isinstance(block, ToolUseBlock):
            size += len(block.input) if isinstance(block.input, str) else len(json.dumps(block.input))
    if size > MOST:
        raise ModelFault(f"the answer is larger than {MOST >> 20} MiB")


def check_json(completion: Completion) -> None:
    """Refuse an answer that should be JSON and is not.

    Raises:
        ModelFault: It is something else.
        ModelRefused: It never will be: the model refuses, or may not say that much.
    """
    if completion.stop in ("refusal", "length"):
        why = "it refuses" if completion.stop == "refusal" else "max_tokens are too few for it"
        raise ModelRefused(f"no JSON came: {why}", code=completion.stop)
    try:
        json.loads(completion.message.text)
    except (ValueError, RecursionError):
        raise ModelFault(f"the answer is no JSON: {completion.message.text[:100]!r}") from None


def failed_stream(error: ModelFault, kinds: Mapping[str, Kind]) -> Failure:
    """What it means that an answer cannot be understood, or that it tells of an error by that word or status."""
    code = error.code or ""
    kind = kinds.get(code, "malformed")
    if code.isdecimal() and len(code) == 3:
        kind = _kind(int(code), None)
    return Failure(kind, str(error), None, error.code)


def _kind(status: int, again: str | None) -> Kind:
    if again == "false":
        return "refused"
    if status in (429, 529):
        return "rate_limit"
    if status >= 500 or status in (408, 409, 425) or again == "true":
        return "server"
    return "refused" if status >= 400 else "malformed"


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 <= number < 10**9 else None
