"""Two CalDAV servers behind one face: ours, and Radicale in a process and environment of its own."""

from __future__ import annotations

import asyncio
import base64
import http.client
import inspect
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from terrarium.capability.calendar.calendar import Calendar
from terrarium.core.capability import Site
from terrarium.core.clock import Clock
from terrarium.core.network import Caller
from terrarium.core.person import declared
from terrarium.core.rows import Change
from terrarium.core.seeds import Rng

RADICALE = "radicale==3.9.0"
CLIENT = "caldav==3.6.0"
ICS = {"Content_Type": "text/calendar; charset=utf-8"}
WORK = "/ann/work/"
JAN, FEB = date(2030, 1, 1), date(2030, 2, 1)


@dataclass
class Reply:
    """An answer, with a way to look into its XML."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def responses(self) -> dict[str, dict[str, ElementTree.Element]]:
        """Of a multistatus: href -> name -> element, of what was found; a 404 of a whole resource has `status`."""
        found: dict[str, dict[str, ElementTree.Element]] = {}
        for response in ElementTree.fromstring(self.body).findall("{DAV:}response"):
            props: dict[str, ElementTree.Element] = {}
            for stat in response.findall("{DAV:}propstat"):
                if " 200 " in (stat.findtext("{DAV:}status") or ""):
                    props |= {element.tag: element for element in stat.find("{DAV:}prop")}  # type: ignore[union-attr]
            if response.find("{DAV:}status") is not None:
                props["status"] = response.find("{DAV:}status")  # type: ignore[assignment]
            found[response.findtext("{DAV:}href") or ""] = props
        return found

    def condition(self) -> str:
        """The first condition in a `DAV:error`."""
        return next(iter(ElementTree.fromstring(self.body))).tag


class Client:
    """Speaks HTTP to a CalDAV server, nothing more."""

    def __init__(self, port: int, user: str | None = "ann", password: str = "secret") -> None:
        self.port = port
        self.user = user
        self._login = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def ask(self, method: str, path: str, body: str | bytes = b"", **headers: str) -> Reply:
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.user is not None:
            told["Authorization"] = f"Basic {self._login}"
        data = body.encode() if isinstance(body, str) else body
        self._connection.request(method, path, data or None, told)
        answer = self._connection.getresponse()
        return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())

    def close(self) -> None:
        self._connection.close()


class Ours:
    """A `Calendar` on a loopback port, its loop in a thread; world time stands."""

    def __init__(
        self,
        config: Mapping[str, Any] | None = None,
        agent: str = "agent",
        folder: Path | None = None,
        people: Mapping[str, Any] | None = None,
    ) -> None:
        self.folder = folder or Path(tempfile.mkdtemp(prefix="terrarium-caldav-"))
        self.changes: list[Change] = []
        self.letters: list[dict[str, Any]] = []
        self.clock = Clock()
        self.calendar = Calendar()
        self._caller = Caller(agent, "workspace")
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.site = Site(
            name="calendar",
            folder=self.folder / "calendar",
            config=config or {},
            clock=self.clock,
            rng=Rng(7),
            agents=("agent", "other"),
            changed=self.changes.append,
            actor=lambda: "task",
            wait=asyncio.run,
            sandbox=lambda: None,  # type: ignore[arg-type, return-value]
            post=lambda kind, letter: self.letters.append({"kind": kind, **letter}) or True,
            people=declared(people or {}, ("agent", "other")),
        )
        self.run(self.calendar.open(self.site))
        self.port = self.run(self._listen())

    def run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def use(self, tool: str, agent: str = "agent", **arguments: Any) -> Any:
        """What a seat does: find the tool, check the arguments, call it as that agent."""
        found = {each.name: each for each in self.calendar.tools(agent)}[f"calendar_{tool}"]
        made = found.function(**found.bind(arguments))
        return self.run(made) if inspect.isawaitable(made) else made

    async def _listen(self) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(False)
        self._accepting = asyncio.ensure_future(self._accept(listener))
        return int(listener.getsockname()[1])

    async def _accept(self, listener: socket.socket) -> None:
        serving = set()
        try:
            while True:
                connection, _ = await self.loop.sock_accept(listener)
                connection.setblocking(False)
                info = self.calendar.connection_info
                [service] = [s for s in self.site.network.services() if s.port == info["caldav_port"]]
                task = asyncio.ensure_future(service.handler(connection, self._caller))
                serving.add(task)
                task.add_done_callback(serving.discard)
        finally:
            listener.close()
            for task in list(serving):
                task.cancel()
            await asyncio.gather(*serving, return_exceptions=True)

    def close(self) -> None:
        async def end() -> None:
            self._accepting.cancel()
            await asyncio.gather(self._accepting, return_exceptions=True)
            await self.calendar.close()

        self.run(end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Radicale:
    """Radicale on a loopback port, without authentication.

    Raises:
        Missing: It cannot be installed or started here.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="terrarium-radicale-"))
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        config = self.folder / "config"
        config.write_text(
            f"[server]\nhosts = 127.0.0.1:{self.port}\n[auth]\ntype = none\ndelay = 0\n"
            f"[storage]\nfilesystem_folder = {self.folder / 'data'}\n[logging]\nlevel = error\n"
        )
        self._process = subprocess.Popen(
            [environment(RADICALE), "-m", "radicale", "--config", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        self.close()
        raise Missing("Radicale did not start")

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)


class Missing(Exception):
    """Something that is only used to compare with cannot be had here."""


def environment(package: str) -> str:
    """The Python of an environment that has a package and nothing of ours; made once, kept in the user's cache.

    Raises:
        Missing: It cannot be made.
    """
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "terrarium-tests"
    folder = base / re.sub(r"[^a-z0-9.]+", "-", package)
    python = folder / "bin" / "python"
    if (folder / "complete").exists():
        return str(python)
    fresh = folder.with_name(f"{folder.name}.{os.getpid()}")
    commands = [
        [sys.executable, "-m", "venv", str(fresh)],
        [str(fresh / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", package],
    ]
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    try:
        for command in commands:
            subprocess.run(command, env=env, check=True, capture_output=True, timeout=100)
        (fresh / "complete").touch()
        if not folder.exists():
            fresh.rename(folder)
    except (OSError, subprocess.SubprocessError) as error:
        raise Missing(f"{package} cannot be installed here: {type(error).__name__}") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return str(python)


def put(client: Client, name: str, text: str | bytes, **headers: str) -> Reply:
    return client.ask("PUT", WORK + name, text, **ICS, **headers)


def refused(reply: Reply, condition: str) -> None:
    assert (reply.status, reply.condition()) == (403, condition), reply


def starts(calendar: Calendar, start: Any = JAN, end: Any = date(2031, 1, 1), id: str = "work") -> list[str]:
    return [found["dtstart"].isoformat() for found in calendar.list_events(id, start, end)]
