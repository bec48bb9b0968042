"""A world: capabilities on one clock, one journal, one baton; and the one way in for its program."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path

from terrarium.core import fork
from terrarium.core.activity import Activity
from terrarium.core.aside import aside
from terrarium.core.baton import PROGRAM, Baton
from terrarium.core.callbacks import Callbacks
from terrarium.core.calls import Calls, Handler
from terrarium.core.capability import Capability, Site, Traits, check_name
from terrarium.core.clock import Clock
from terrarium.core.diff import Diff, diff_of
from terrarium.core.equipment import hand_out
from terrarium.core.errors import (
    CapabilityFault,
    CapabilityMissing,
    Refused,
    TerrariumError,
    WorldClosed,
    WriteInCondition,
    nearest,
)
from terrarium.core.fork import Made
from terrarium.core.journal import EventKind, Journal
from terrarium.core.network import Caller, Network, Service
from terrarium.core.notice import Notices
from terrarium.core.paths import Paths
from terrarium.core.person import Person
from terrarium.core.post import hand_over
from terrarium.core.program import Program
from terrarium.core.proxy import Proxy
from terrarium.core.removal import try_remove_tree
from terrarium.core.replay import Call, Cursor
from terrarium.core.rows import Change, Row
from terrarium.core.sandbox import Sandbox
from terrarium.core.saving import Saving
from terrarium.core.seeds import Rng
from terrarium.core.snapshot import SnapshotMode, Snapshots
from terrarium.core.state import States, change_text
from terrarium.core.turnstile import Turnstile
from terrarium.core.values import Value


class World:
    """The live state of one trial. `env` in a task program is a view of it.

    Args:
        folder: Where the capabilities keep their state, a folder each.
        clock: World time.
        rng: Random streams, one for each capability.
        journal: Where everything is written down.
        opener: Makes the capability of a type, not yet open.
        sandbox: Makes a sandbox of a world for a capability of that name and settings, not yet open.
        agents: Names of the agents.
        people: Who there is, by id.
        residents: Who of them acts by themselves.
        snapshots: Where the world is saved; None: nowhere.
        mode: When to save: `auto` at most 5 % of the time, `every-turn`, or `never`.
        cursor: The journal of an earlier run, while it still has answers.
        last_moment: World time at which the trial's world time is used up, in microseconds.
        command_timeout: Wall time of one command or statement, in seconds.
        keep: Whether the folder is used again once the world is closed.
        notices: Capabilities of which agents are told; see `Notices`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        clock: Clock,
        rng: Rng,
        journal: Journal,
        opener: Callable[[str, Mapping[str, Value]], Capability],
        sandbox: Callable[[World, str, Mapping[str, Value]], Sandbox],
        agents: Sequence[str] = ("agent",),
        snapshots: Snapshots | None = None,
        mode: SnapshotMode = "auto",
        cursor: Cursor | None = None,
        last_moment: int | None = None,
        command_timeout: float = 120.0,
        keep: bool = True,
        notices: Sequence[str] = (),
        people: Mapping[str, Person] | None = None,
        residents: Sequence[str] = (),
    ) -> None:
        self.folder, self.version = folder, 0
        self.clock, self.rng, self.journal = clock, rng, journal
        self.agents, self.people, self.residents = tuple(agents), dict(people or {}), tuple(residents)
        self.owner = ""
        """Whose world it is, such as a trial's id: owners share no snapshot, so that each can drop its own."""
        self.carry: Callable[[], dict[str, Value]] = dict
        """Gives the plain state of the engine's (turns taken, tokens used) that a snapshot must hold too."""
        self.secret: Callable[[Mapping[str, Value]], None] = lambda settings: None  # told what may be written nowhere
        self.capabilities: dict[str, Capability] = {}
        self.states = States(self.capabilities, journal)
        self.paths = Paths(self.capability)
        self.proxy: Callable[[str], Proxy | None] = lambda agent: None
        self.run_queued: Callable[[int], Awaitable[None]] = _nothing
        """Does the turns that were queued; there are some when `callbacks.interrupted()`."""
        self.network = Network(self._service_failed)
        self.baton, self.turnstile = Baton(), Turnstile()
        self.notices, self.activity = Notices(notices, self.residents), Activity()
        self.saving = Saving(
            snapshots,
            mode,
            journal,
            lambda: self.traits.snapshots,
            lambda: (self.version, self.clock.micros),
            lambda: fork.state_of(self, self.journal.blobs),
            self.states.digests,
            lambda to: fork.save_files(self, to),
            lambda: fork.not_carried(self),
        )
        self.callbacks = Callbacks(clock, journal, lambda: self.version, last_moment)
        self.calls = Calls(
            journal, self.callbacks, self.baton, self.turnstile, self.paths.find, self.saving.after, cursor
        )
        self._command_timeout, self._keep = command_timeout, keep
        self._opener, self._sandbox = opener, sandbox
        self.made = Made(opener, sandbox, last_moment, command_timeout, keep, notices, mode)
        self.configs: dict[str, Mapping[str, Value]] = {}
        """The settings of each capability."""
        self._past: dict[str, Capability] = {}

    # -- capabilities ---------------------------------------------------------------------------------------------

    @property
    def traits(self) -> Traits:
        """The weakest of its capabilities' traits."""
        joined = Traits()
        for capability in self.capabilities.values():
            joined = joined & capability.traits
        return joined

    async def acquire(self, spec: str, config: Mapping[str, Value] | None = None, *, equipping: bool = True) -> None:
        """Open the capability `type` or `type:instance`, or continue it where its folder holds state.

        Args:
            spec: Its name.
            config: Its settings.
            equipping: Tell the others what it brings along; False: somebody calls `equip` once all are there.

        Raises:
            Refused, NotRegistered: There is one of that name already; there is no such type.
            CapabilityFault, ConfigError: It cannot be opened.
        """
        check_name(spec)
        if spec in self.capabilities:
            raise Refused(f"the world already has {spec!r}")
        config = config or {}
        capability = self._opener(spec, config)
        residents = self.residents if getattr(capability, "peopled", False) else ()
        site = Site(
            name=spec,
            folder=self.folder / spec,
            config={key: value for key, value in config.items() if key != "import_path"},
            clock=self.clock,
            rng=self.rng,
            agents=(*self.agents, *residents),
            residents=residents,
            changed=lambda change: self.changed(spec, change),
            actor=self.actor,
            wait=self.calls.run_command,
            running=self.calls.patience.running,
            block=self.calls.block,
            request=self.request,
            proxy=lambda agent: self.proxy(agent),
            sandbox=lambda part="", **more: self._sandbox(self, f"{spec}:{part}" if part else spec, {**config, **more}),
            network=self.network,
            post=lambda kind, letter: hand_over(self.capabilities, kind, letter),
            notify=lambda agent, text: self.notices.put(agent, spec, text),
            command_timeout=self._command_timeout,
            keep=self._keep,
            people=self.people,
        )
        try:
            await capability.open(site)
        except BaseException as error:
            with contextlib.suppress(Exception):
                await capability.close()
            if isinstance(error, Exception) and not isinstance(error, (TerrariumError, OSError)):
                raise CapabilityFault(f"{spec} cannot be opened: {type(error).__name__}: {error}") from error
            raise
        self.capabilities[spec] = capability
        self.configs[spec] = config
        self.states.forget(spec)
        if equipping:
            await self.equip()

    async def equip(self) -> None:
        """Give everybody what the capabilities that there are bring along; called whenever one comes or goes."""
        self.callbacks.blind = not self.traits.sees_writes
        await hand_out(self.capabilities, self.agents, self.secret)

    async def release(self, spec: str) -> None:
        """Close a capability and forget its state.

        Raises:
            CapabilityMissing: There is none of that name.
        """
        await self.capability(spec).close()
        del self.capabilities[spec], self.configs[spec]
        self.states.forget(spec)
        self.paths.forget(spec)
        await self.equip()
        await aside(lambda: try_remove_tree(self.folder / spec))

    def capability(self, spec: str) -> Capability:
        """The capability of that name.

        Raises:
            CapabilityMissing: There is none; the message lists what there is.
            WorldClosed: There is no world any more.
        """
        found = self._present().get(spec)
        if found is not None:
            return found
        if self.calls.closed:
            raise WorldClosed(f"the world is closed: {spec} came after the end of its trial")
        there, hint = ", ".join(self.specs()) or "none", nearest(spec, self.specs())
        raise CapabilityMissing(f"this world has no {spec!r}{hint}; its capabilities are: {there}")

    def specs(self) -> list[str]:
        """Names of the capabilities; during a replay, of those that were there at this point of the program."""
        return sorted(self._present())

    def _present(self) -> dict[str, Capability]:
        return self.capabilities if self.calls.cursor is None else self._past

    async def close(self) -> None:
        """Close every capability and refuse further calls; idempotent.

        Raises:
            CapabilityFault: One could not be closed; the others were.
        """
        self.calls.closed = True
        await self.network.close()
        closing = dict(self.capabilities)
        self.capabilities.clear()
        first: Exception | None = None
        for spec in reversed(closing):
            try:
                await closing[spec].close()
            except Exception as error:
                first = first or error
        if first is not None:
            raise CapabilityFault(f"a capability could not be closed: {first}") from first

    # -- calls ----------------------------------------------------------------------------------------------------

    def call(self, call: Call) -> Value:
        """The one way in from program, callback and registered tool.

        Returns:
            A copy of the result; in an `async def` program, an awaitable for calls that wait.

        Raises:
            WrongThread: Not on the program's thread.
            ReentrantCall: A waiting call inside a callback.
            WriteInCondition: A writing call inside a condition.
            WorldClosed: The world is closed.
            ReplayDiverged: The program did something else before.
            TerrariumError: What the call itself raised.
        """
        return self.calls.call(call)

    def handle(self, path: str, handler: Handler) -> None:
        """Put `handler` behind `path`."""
        self.paths.put(path, handler)

    def attach(self, program: Program) -> None:
        """Make `program` the one whose thread may use this world; it begins with the baton."""
        self.calls.attach(program)

    def remember(self, spec: str, config: Mapping[str, Value]) -> None:
        """On a replay: a capability came; it may have gone again before the snapshot, but its signatures are known."""
        self._past[spec] = self.capabilities.get(spec) or self._opener(spec, config)
        self.paths.forget(spec)

    def forget(self, spec: str) -> None:
        """On a replay: a capability went."""
        self._past.pop(spec, None)
        self.paths.forget(spec)

    async def pass_time_and_turns(self, number: int, target: int, enough: Callable[[], bool] | None = None) -> None:
        """Let time pass up to `target` microseconds; turns queued on the way are done when they were queued.

        Args:
            number: Of the call that waits.
            target: World time.
            enough: Looked at whenever something has happened; time stops passing once it holds.
        """
        while True:
            await self._pass_until(number, target, enough)
            if self.callbacks.failure is not None or not self.callbacks.interrupted():
                return
            await self.run_queued(number)

    async def _pass_until(self, number: int, target: int, enough: Callable[[], bool] | None) -> None:
        """Let time pass up to `target` or until turns are queued; others who act meanwhile keep their moments."""
        while self.callbacks.failure is None and not self.callbacks.interrupted() and not (enough and enough()):
            due = self.callbacks.due()
            whole = due is None or not (self.turnstile.crowded or enough)
            stop = target if whole or due is None else min(due, target)
            async with self.turnstile.passing(number, stop), self.baton.hold("world"):
                await self.callbacks.pass_time(max(0, stop - self.clock.micros), pausing=True)
            if self.clock.micros >= target:
                return

    @contextlib.asynccontextmanager
    async def request(self, caller: Caller) -> AsyncIterator[None]:
        """One request of a service: the baton is held in the caller's name, and conditions are looked at afterwards."""
        async with self.baton.hold(caller.name):
            yield
            await self.callbacks.settle()

    def _service_failed(self, service: Service, error: Exception) -> None:
        data = {"service": f"{service.host}:{service.port}", "type": type(error).__name__, "message": str(error)}
        with contextlib.suppress(TerrariumError):
            self.journal.append(EventKind.ERROR, "world", data)

    # -- state ----------------------------------------------------------------------------------------------------

    def now(self) -> int:
        """World time in microseconds; during a replay, that of the event last used."""
        cursor = self.calls.cursor
        if cursor is None:
            return self.clock.micros
        return self.clock.start if cursor.micros is None else cursor.micros

    def actor(self) -> str:
        """Who is acting: the program where its thread is, which also runs its callbacks; else the baton's holder."""
        program = self.calls.program
        if self.baton.holder is None or (program is not None and program.owns_this_thread()):
            return PROGRAM
        return self.baton.holder

    def rows(self) -> dict[str, list[Row]]:
        """The canonical rows of every capability."""
        return self.states.rows()

    def diff(self, before: Mapping[str, Iterable[Row]], after: Mapping[str, Iterable[Row]] | None = None) -> Diff:
        """What differs between two states of a world, as `rows` gives them; `after` is by default the present one."""
        return diff_of(before, self.rows() if after is None else after)

    async def digests(self) -> dict[str, str]:
        """The digest of every capability's canonical rows; called while the world is quiet."""
        return await self.states.digests()

    def changed(self, spec: str, change: Change) -> None:
        """One write of a capability: into the journal, and the version grows.

        Raises:
            WriteInCondition: While a condition is evaluated.
        """
        if self.callbacks.testing:
            raise WriteInCondition(f"a condition wrote to {spec} ({change.table} {change.key!r}); conditions only look")
        text = change_text(spec, change, self.journal.blobs)
        self.journal.append_text(EventKind.CHANGE, change.actor, text, cause=self.callbacks.cause)
        self.activity.note(self.clock.micros, spec, change)
        self.states.forget(spec)
        self.version += 1

    # -- snapshots ------------------------------------------------------------------------------------------------

    async def snapshot(self, final: bool = False) -> str | None:
        """Save the world, write the `snapshot` event and return its name; see `Saving.save`."""
        return await self.saving.save(final=final)

    async def load(self, name: str) -> dict[str, Value]:
        """Continue from a snapshot: its files come here, its capabilities are opened; what it carried is returned.

        Raises:
            EngineFault: The snapshot is not there, is damaged or of another version, or cannot be copied.
            CapabilityFault, ConfigError: A capability cannot be opened on it.
        """
        state = await aside(lambda: self.saving.restore(name, self.folder))
        return await fork.take_up(self, state)

    async def fork(self, n: int, folder: Path | None = None) -> list[World]:
        """`n` open worlds that are as this one is, each on its own from now on; see `terrarium.core.fork`.

        Args:
            n: How many.
            folder: In which each has its own; default: a new one beside this world's.

        Raises:
            Unsupported: A capability cannot be saved.
            EngineFault: The disk is full, or fails.
        """
        return await fork.fork(self, n, folder)


async def _nothing(number: int) -> None:
    pass
