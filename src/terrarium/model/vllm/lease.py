"""The use of a vLLM server by a client: the one that is there, or one that is started and stopped for it."""

from __future__ import annotations

import asyncio
import atexit

from terrarium.core.errors import ConfigError, ModelFault
from terrarium.model.vllm.server import Tell, health, start, wait
from terrarium.model.vllm.settings import VllmSettings
from terrarium.model.vllm.state import Use, forget, locked, running


class Lease:
    """One client's use of a server; several clients, also of several processes, share what was started for one.

    Args:
        settings: Which server.
        use: That it is used.
    """

    def __init__(self, settings: VllmSettings, use: Use) -> None:
        self.url = f"{settings.url}/v1"
        """The base address for an OpenAI client."""
        self._port = settings.port
        self._use: Use | None = use
        atexit.register(self._end)

    async def release(self) -> None:
        """Use it no more; the last user of a server that was started for clients stops it. Idempotent."""
        await asyncio.to_thread(self._end)

    def _end(self) -> None:
        use, self._use = self._use, None
        if use is None:
            return
        atexit.unregister(self._end)
        with locked(self._port):
            server = running(self._port)
            if server is not None and server.automatic and use.was_last():
                server.process.end()
                forget(self._port)
            use.end()


async def lease(settings: VllmSettings, tell: Tell = lambda line: None) -> Lease:
    """Have a server that is well and serves the model.

    Raises:
        ConfigError: The port is taken by something else.
        ModelFault: There is none and none may be started, or it did not come up.
    """
    return await asyncio.to_thread(_lease, settings, tell)


def _lease(settings: VllmSettings, tell: Tell) -> Lease:
    use = Use(settings.port)
    try:
        found, state = running(settings.port), health(settings)
        ours = (
            found is not None and found.model == settings.name and (settings.prefer_existing_server or found.automatic)
        )
        if ours and found is not None:
            wait(settings, found, tell)
        elif state == "healthy" and settings.prefer_existing_server:
            tell(f"taking the server of {settings.name} at {settings.url}")
        elif state == "healthy":
            raise ConfigError(
                f"a server of {settings.name} is at port {settings.port} already, and prefer_existing_server is off: "
                "stop it, or take another port"
            )
        elif not settings.auto_start_server:
            raise ModelFault(
                f"no server of {settings.name} is at {settings.url}: start one with `terrarium vllm start "
                f"{settings.model_name}`, or set auto_start_server"
            )
        else:
            start(settings, tell, automatic=True)
    except BaseException:
        use.end()
        raise
    return Lease(settings, use)
