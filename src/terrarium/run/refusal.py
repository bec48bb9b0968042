"""What happens to an agent that acts on though its turn is over."""

from __future__ import annotations

import asyncio

from terrarium.core.agent import StopReason, TurnOver

LIMIT = 1000  # refusals in one turn, which a loop that catches everything soon has behind it


class Refusal:
    """Counts what a seat refuses in one turn; after the last, the agent waits in its call for ever.

    Without that, an agent that catches `TurnOver` and tries again would never let anybody else run.
    """

    def __init__(self) -> None:
        self._count = 0
        self.spent = asyncio.Event()
        """Set once it has tried too often."""

    def over(self, stop: StopReason) -> TurnOver:
        """The exception that ends the turn."""
        self._count += 1
        return TurnOver(stop)

    def close(self) -> None:
        """Whatever the agent tries from now on never comes back to it."""
        self._count = LIMIT + 1

    async def passed(self) -> None:
        """Come back to who may still act, or at least ask."""
        if self._count > LIMIT:
            self.spent.set()
            await asyncio.get_running_loop().create_future()
