"""The process: Chromium in a sandbox that holds nothing else, on the network of its world as its agent.

Its debugging pipe is a connection that the engine accepts inside the sandbox, once: there is no debugging port, on the
machine or in the world.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
from pathlib import Path

from terrarium.capability.browser.devtools import Devtools
from terrarium.core.errors import CapabilityFault, ConfigError, SandboxFault
from terrarium.core.sandbox import ExecResult, Sandbox

START_SECONDS = 60.0
DOWNLOADS = "/root/downloads"
PLACES = (
    "/usr/lib/chromium/chromium-headless-shell",
    "/usr/bin/chromium-headless-shell",
    "/usr/lib/chromium/chromium",
    "/usr/bin/chromium",
    "/usr/lib64/chromium-browser/headless_shell",
    "/usr/lib64/chromium-browser/chromium-browser",
    "/usr/bin/chromium-browser",
)
"""Where distributions put it. It must be below /usr, which is what sandboxes have of the machine."""
INSTALL = "install Chromium, on Debian: apt-get install chromium-headless-shell"

_PIPE = ("127.0.0.1", 9)  # nothing else listens in a sandbox that has just been made
_FONTS = "/root/.fonts.conf"
_FONTS_TEXT = b"""<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>/usr/share/fonts</dir><dir>/usr/local/share/fonts</dir><cachedir>/tmp/fonts</cachedir>
  <alias><family>serif</family><prefer><family>DejaVu Serif</family></prefer></alias>
  <alias><family>sans-serif</family><prefer><family>DejaVu Sans</family></prefer></alias>
  <alias><family>monospace</family><prefer><family>DejaVu Sans Mono</family></prefer></alias>
</fontconfig>
"""
_FLAGS = (
    "--headless",
    "--remote-debugging-pipe",
    "--no-sandbox",  # its own needs namespaces, which nothing in ours can make; ours is around it
    "--user-data-dir=/tmp/profile",
    "--disable-background-networking",
    "--disable-breakpad",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--disable-features=AsyncDns,DialMediaRouteProvider,HttpsUpgrades,IsolateOrigins,MediaRouter,OptimizationHints,"
    "Translate,site-per-process",
    "--disable-site-isolation-trials",  # frames of a page are in one process, where its tree is whole
    "--force-color-profile=srgb",
    "--hide-scrollbars",
    # Names lead to the world's own services only, and its authority cannot be told to Chromium without tools that
    # sandboxes do not have.
    "--ignore-certificate-errors",
    "--lang=en-US",
    "--mute-audio",
    "--no-default-browser-check",
    "--no-first-run",
    "--no-proxy-server",
    "--password-store=basic",
)


def executable() -> str | None:
    """Where this machine has a Chromium that sandboxes can run; None where it has none."""
    return next((place for place in PLACES if os.access(place, os.X_OK)), None)


class Chromium:
    """A started browser. Made by `start`.

    Attributes:
        devtools: How to talk to it.
        sandbox: Where it runs.
    """

    def __init__(self, sandbox: Sandbox, devtools: Devtools, running: asyncio.Future[ExecResult]) -> None:
        self.sandbox = sandbox
        self.devtools = devtools
        self._running = running

    @classmethod
    async def start(
        cls, sandbox: Sandbox, folder: Path, flags: tuple[str, ...], env: dict[str, str], seconds: float
    ) -> Chromium:
        """Start one in a sandbox that is not yet open; the sandbox is closed with it.

        Args:
            sandbox: Where.
            folder: Of the sandbox; empty.
            flags: Further ones of its command line.
            env: Further variables.
            seconds: How long an answer may take.

        Raises:
            ConfigError: This machine has none.
            SandboxFault: The sandbox cannot be had.
            CapabilityFault: It does not start.
        """
        program = executable()
        if program is None:
            raise ConfigError(f"this machine has no browser below /usr; {INSTALL}")
        if "network" not in sandbox.supports:
            raise SandboxFault("a browser needs a sandbox of namespaces, with the network of its world")
        running: asyncio.Future[ExecResult] | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            await sandbox.open(folder)
            await sandbox.write(_FONTS, _FONTS_TEXT)
            await sandbox.write(f"{DOWNLOADS}/", b"")
            with contextlib.closing(await sandbox.listen(*_PIPE)) as listener:
                words = " ".join(shlex.quote(word) for word in (program, *_FLAGS, *flags, "about:blank"))
                pipe = "exec 3<>/dev/tcp/{}/{} 4>&3; exec {} >/dev/null".format(*_PIPE, words)
                variables = {"FONTCONFIG_FILE": _FONTS, "DBUS_SESSION_BUS_ADDRESS": "disabled:", **env}
                # It ends when it is told to, or with its sandbox; never by a time limit.
                work = sandbox.exec(["/bin/bash", "-c", pipe], timeout=1e8, env=variables)
                running = asyncio.ensure_future(work)
                accepting = asyncio.ensure_future(asyncio.get_running_loop().sock_accept(listener))
                try:
                    await asyncio.wait({running, accepting}, timeout=START_SECONDS, return_when="FIRST_COMPLETED")
                    if not accepting.done():
                        raise CapabilityFault(f"the browser does not start: {_last_words(running)}")
                finally:
                    accepting.cancel()
            connection = accepting.result()[0]
            connection.setblocking(False)
            chromium = cls(sandbox, await Devtools.over(connection, seconds), running)
            try:
                await chromium.devtools.call("Browser.getVersion", seconds=START_SECONDS)
            except CapabilityFault as error:
                await asyncio.wait({running}, timeout=1.0)
                raise CapabilityFault(f"the browser does not start: {error}; {_last_words(running)}") from error
            return chromium
        except BaseException:
            await _end(sandbox, running)
            raise

    async def close(self) -> None:
        """End it, with its sandbox; idempotent."""
        await self.devtools.close()
        await _end(self.sandbox, self._running)


async def _end(sandbox: Sandbox, running: asyncio.Future[ExecResult] | None) -> None:
    await sandbox.close()
    if running is not None:
        running.cancel()
        await asyncio.wait({running})
        if not running.cancelled():
            running.exception()  # nobody asks for it: the sandbox was closed under it


def _last_words(running: asyncio.Future[ExecResult]) -> str:
    if not running.done():
        return f"it said nothing for {START_SECONDS:g} s"
    error = running.exception()
    return str(error) if error is not None else running.result().stderr[-500:].strip()
