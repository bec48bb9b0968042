"""What gives way where a conversation grows too long for its model."""

from __future__ import annotations

import importlib
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from terrarium.agent.excerpt import excerpt
from terrarium.agent.tool_loop.history import Exchange, History, blocks_of
from terrarium.core.agent import Seat
from terrarium.core.errors import AgentFault, ConfigError, ModelRefused, nearest
from terrarium.core.message import Block, Message, TextBlock, ToolResultBlock
from terrarium.core.model import Completion, Model

_SHORT = 400  # characters of an old result, once it is shortened
_TOO_LONG = re.compile(
    r"context.?(length|window|size)|prompt is too long|exceeds? the maximum (number of|input) tokens|too many tokens",
    re.IGNORECASE,
)
_TELL = """\
Summarize the work so far for whoever continues it and has seen none of it: what was asked, what was done and found \
(names, ids, paths, figures, exact), what failed, and what is left to do. Answer with the summary only."""


@dataclass(frozen=True)
class Room:
    """What a strategy has to go by.

    Attributes:
        tokens: Of all exchanges, about, when it is done.
        keep: Exchanges at the end that stay.
        ask: Has the model answer messages of the strategy's own, as a step of the turn.
    """

    tokens: int
    keep: int
    ask: Callable[[Sequence[Message]], Awaitable[str]]


Strategy = Callable[[list[Exchange], Room], Awaitable[list[Exchange]]]
"""Gets all exchanges, the oldest first, and gives those that take their place."""


async def trim(exchanges: list[Exchange], room: Room) -> list[Exchange]:
    """Shorten old results, then drop old exchanges, then shorten what is left, until there is room.

    The last instruction stays.
    """
    made = list(exchanges)
    size = sum(exchange.tokens for exchange in made)
    places = _old(made, room.keep)

    def shorten(these: Sequence[int]) -> None:
        nonlocal size
        for place in these:
            if size <= room.tokens:
                return
            short = _shortened(made[place])
            size -= made[place].tokens - short.tokens
            made[place] = short

    shorten(places)
    dropped: set[int] = set()
    for place in places:
        if size <= room.tokens:
            break
        size -= made[place].tokens
        dropped.add(place)
    shorten([place for place in range(len(made)) if place not in dropped])
    if not dropped:
        return made
    note = f"[{len(dropped)} older exchanges were left out here, as the conversation grew too long.]"
    return _with_note([exchange for place, exchange in enumerate(made) if place not in dropped], note)


async def summary(exchanges: list[Exchange], room: Room) -> list[Exchange]:
    """Have the model sum up what is old; its summary takes the place of that."""
    places = set(_old(exchanges, room.keep))
    old = [exchange for place, exchange in enumerate(exchanges) if place in places]
    if len(old) < 2:  # a summary alone is not summed up again
        return await trim(exchanges, room)
    past = await trim(old, replace(room, keep=0))
    asked = [message for exchange in past for message in exchange.messages]
    told = (await room.ask([*_as_text(asked), Message("user", [TextBlock(_TELL)])])).strip()
    if not told:
        return await trim(exchanges, room)
    kept = [exchange for place, exchange in enumerate(exchanges) if place not in places]
    return _with_note(kept, f"[Summary of {len(old)} older exchanges]\n{told}")


async def none(exchanges: list[Exchange], room: Room) -> list[Exchange]:
    """Leave everything as it is."""
    return exchanges


STRATEGIES: dict[str, Strategy] = {"none": none, "summary": summary, "trim": trim}


class Compaction:
    """Keeps a history within bounds.

    Args:
        name: Of a strategy, or `package.module:function`.
        context: Tokens of a request from which on there is compaction, down to half of them; 0: never.
        keep: Exchanges at the end that stay.

    Raises:
        ConfigError: There is no such strategy.
    """

    def __init__(self, name: str, context: int, keep: int) -> None:
        self._strategy = strategy(name)
        self._context, self._keep = context, keep

    async def make_room(
        self, history: History, seat: Seat, model: Model, overhead: Callable[[], Sequence[str]]
    ) -> None:
        """Compact the history where it is too long. A resumed turn does it again, to the same end.

        Raises:
            AgentFault: A strategy gave something else than exchanges.
            ModelFault: The model was asked and cannot be had.
        """
        if not self._context or self._strategy is none:
            return
        size = history.size(overhead, self._context // 4)
        if size < self._context:
            return

        async def ask(messages: Sequence[Message]) -> str:
            async def request() -> Completion:
                return await model.generate(list(messages), [])

            return (await seat.think(request)).message.text

        estimate = sum(exchange.tokens for exchange in history.exchanges)
        room = Room(max(0, self._context // 2 - (size - estimate)), self._keep, ask)
        made = await self._strategy(list(history.exchanges), room)
        if not _exchanges(made):
            raise AgentFault("a compaction strategy must give a list of exchanges")
        history.replace(made)

    async def shrink(self, history: History) -> bool:
        """Trim a history that a model found too long to about half; whether anything gave way.

        Nothing is asked here: it happens inside a request, of which the journal knows only the answer.
        """
        if not self._context or self._strategy is none:
            return False
        before = sum(exchange.tokens for exchange in history.exchanges)
        made = await trim(list(history.exchanges), Room(before // 2, self._keep, _nobody))
        if sum(exchange.tokens for exchange in made) >= before:
            return False
        history.replace(made)
        return True


def too_long(error: ModelRefused) -> bool:
    """Whether a model refused a request because it is longer than what it takes, in any provider's words."""
    return error.code == "context_length_exceeded" or bool(_TOO_LONG.search(str(error)))


async def _nobody(messages: Sequence[Message]) -> str:
    raise AssertionError("trimming asks no model")


def _exchanges(made: object) -> bool:
    return isinstance(made, list) and all(isinstance(one, Exchange) for one in made)


def strategy(name: str) -> Strategy:
    """The strategy of that name, or at `package.module:function`.

    Raises:
        ConfigError: There is none, or it cannot be imported.
    """
    if name in STRATEGIES:
        return STRATEGIES[name]
    module, colon, function = str(name).partition(":")
    if not colon:
        known = ", ".join(STRATEGIES)
        raise ConfigError(
            f"compaction must be {known} or package.module:function, not {name!r}{nearest(str(name), STRATEGIES)}"
        )
    try:
        found: Strategy = getattr(importlib.import_module(module), function)
    except Exception as error:
        raise ConfigError(f"the compaction {name!r} cannot be imported: {error}") from error
    return found


def _old(exchanges: Sequence[Exchange], keep: int) -> list[int]:
    """Places of the exchanges that may give way: not the last instruction, and not the last `keep`."""
    instructions = [place for place, exchange in enumerate(exchanges) if exchange.instruction]
    last = instructions[-1] if instructions else -1
    return [place for place in range(max(0, len(exchanges) - keep)) if place != last]


def _shortened(exchange: Exchange) -> Exchange:
    """The same exchange with results of a few words, and without images."""
    messages = []
    for message in exchange.messages:
        if message.role != "tool" or isinstance(message.content, str):
            messages.append(message)
            continue
        blocks: list[Block] = [
            replace(block, content=excerpt(block.content or "", _SHORT), images=[])
            if isinstance(block, ToolResultBlock)
            else block
            for block in message.content
        ]
        messages.append(Message(message.role, blocks))
    return Exchange(messages, exchange.instruction)


def _with_note(exchanges: list[Exchange], note: str) -> list[Exchange]:
    """The exchanges behind a note about what stood before them."""
    return [Exchange([Message("user", [TextBlock(note)])]), *exchanges]


def _as_text(messages: Sequence[Message]) -> list[Message]:
    """A conversation as one text to read: without tools on offer, some providers take no calls either."""
    lines = []
    for message in messages:
        for block in blocks_of(message):
            if isinstance(block, TextBlock):
                lines.append(f"{message.role}: {block.text}")
            elif isinstance(block, ToolResultBlock):
                lines.append(f"result: {block.content or ''}")
            elif block.type == "tool_use":
                lines.append(f"{message.role} calls {block.name}: {block.input}")
    return [Message("user", [TextBlock("\n\n".join(lines))])]
