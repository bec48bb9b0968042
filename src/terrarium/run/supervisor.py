"""The supervisor: starts workers, hands out trials, and sees to it that every one of them ends with a record.

It never imports task code. A worker that dies takes only its own trials down. Where its stacks tell whose code held it,
that trial is to blame; else each is tried again alone, from its last snapshot, and one that loses its process alone as
well is to blame.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from terrarium.core.errors import ConfigError, EngineFault, TerrariumError
from terrarium.core.journal import EventKind, Journal, read
from terrarium.core.removal import try_remove_tree
from terrarium.core.secrets import Secrets
from terrarium.core.values import to_micros
from terrarium.core.verdict import Verdict
from terrarium.run.blame import Blame
from terrarium.run.config import AgentConfig, RetryConfig
from terrarium.run.folder import RunFolder
from terrarium.run.hand import Hand, Order
from terrarium.run.log import WorkersLog
from terrarium.run.models import WORKERS
from terrarium.run.recovery import drop_passed, recovered
from terrarium.run.spec import TrialResult, TrialSpec

SILENCE = 5.0  # seconds without a sign of life before a worker is killed
START = 60.0  # seconds for a worker to get ready
KILLS = 3  # `kill -9` of the worker that lists the tasks, before it is laid to them
_LINE_LIMIT = 64 * 1024 * 1024

Listener = Callable[[str, Mapping[str, Any]], None]


class Supervisor:
    """Runs trials in worker processes.

    Args:
        run: The folder of the run.
        workers: How many processes; by default one for each core.
        concurrent: How many trials at a time; by default four for each worker.
        retry: What to do about failures of the machinery.
        load_seconds: How long one task file may take to be loaded.
        listener: Told of `started`, `progress`, `finished`, `retry` and `lost`, each with its data.
        secrets: What may not stand in the log; by default the keys in the environment.
    """

    def __init__(
        self,
        run: RunFolder,
        *,
        workers: int | None = None,
        concurrent: int | None = None,
        retry: RetryConfig | None = None,
        load_seconds: float = 60.0,
        listener: Listener = lambda event, data: None,
        secrets: Secrets | None = None,
    ) -> None:
        self._run = run
        self._secrets = secrets or Secrets.of({})
        self._log = WorkersLog(run.path / "workers.log", self._secrets)
        self._workers = workers or len(os.sched_getaffinity(0))
        self._concurrent = concurrent or 4 * self._workers
        self._workers = min(self._workers, self._concurrent)
        self._retry = retry or RetryConfig()
        self._listener = _undisturbed(listener)
        self._hands: list[Hand] = []
        self._queue: deque[Order] = deque()
        self._results: dict[str, TrialResult] = {}
        self._changed = asyncio.Event()
        self._stopping = False
        self._tasks: list[dict[str, Any]] = []
        self._refused: list[str] = []
        self._loading = ("", 0.0)
        self._load_seconds = load_seconds

    # -- what can be asked of it ----------------------------------------------------------------------------------

    async def tasks(self, paths: Sequence[str], agents: Sequence[AgentConfig] = ()) -> list[dict[str, Any]]:
        """The tasksets at `paths`, as a worker sees them; it looks at the agents, too.

        Raises:
            ConfigError: An agent cannot be imported, or refuses its settings.
            EngineFault: No worker could list them.
        """
        wanted = [agent.model_dump(mode="json") for agent in agents]
        broken: dict[str, str] = {}
        spared = KILLS
        while True:
            self._tasks, self._loading = [], ("", time.monotonic())
            hand = await self._hire()
            if self._workers > len(self._hands) == 1:
                await self._hire()  # most jobs need more than one, and it takes as long to start as the tasks to load
            hand.give(do="list", paths=list(paths), skip=sorted(broken), agents=wanted)
            while not self._tasks and hand in self._hands:
                self._watch()
                if time.monotonic() - self._loading[1] > self._load_seconds and hand.ready:
                    hand.kill(f"it was still being executed after {self._load_seconds:g} s")
                await self._wait(0.2)
            if self._tasks:
                break
            if hand.killed and spared:
                spared -= 1  # whoever did it need not mean what was being loaded
                continue
            if self._loading[0].startswith("agent "):
                raise ConfigError(f"importing {self._loading[0]} ended the process: {hand.how}")
            if not self._loading[0] or self._loading[0] in broken:
                raise EngineFault(f"loading the tasks ended the process: {hand.how}; see {self._log.path}")
            broken[self._loading[0]] = f"{self._loading[0]}: loading it ended the process: {hand.how}"
        if self._refused:
            raise ConfigError("; ".join(self._refused))
        for file, message in broken.items():
            self._tasks[0]["broken"].append({"path": file, "message": message})
        return self._tasks

    async def run(self, specs: Sequence[TrialSpec]) -> list[TrialResult]:
        """Run trials; the results come in the order of `specs`, without those that `stop` left undone.

        Raises:
            EngineFault: Workers cannot be started.
        """
        self._queue.extend(Order(spec, tries=len(self._run.tries(spec.id))) for spec in specs)
        while (self._queue and not self._stopping) or any(hand.orders for hand in self._hands):
            self._watch()
            await self._hand_out()
            await self._wait(0.2)
        return [self._results[spec.id] for spec in specs if spec.id in self._results]

    def stop(self, at_once: bool = False) -> None:
        """Give out no more trials; `at_once`, end those that run too. They can be resumed."""
        self._stopping = True
        if at_once:
            self._queue.clear()
            for hand in self._hands:
                hand.orders.clear()
                hand.kill("the run was stopped")
        self._changed.set()

    async def close(self) -> None:
        """Let the workers go; idempotent."""
        for hand in list(self._hands):
            assert hand.process.stdin is not None
            hand.process.stdin.close()
        with contextlib.suppress(asyncio.TimeoutError):
            async with asyncio.timeout(5.0):
                await asyncio.gather(*[hand.process.wait() for hand in self._hands])
        for hand in list(self._hands):
            hand.kill("it did not leave")
            await hand.process.wait()
        while self._hands:
            await self._wait(0.1)
        await self._log.close()

    # -- workers --------------------------------------------------------------------------------------------------

    async def _hire(self) -> Hand:
        try:
            self._run.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EngineFault(f"cannot write {self._run.path}: {error.strerror}") from error
        stacks = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            async with self._log.inlet() as inlet:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "terrarium.run.worker",
                    str(self._run.path),
                    str(stacks.fileno()),
                    str(os.getpid()),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=inlet,
                    start_new_session=True,
                    pass_fds=[stacks.fileno()],
                    limit=_LINE_LIMIT,
                    env={**os.environ, WORKERS: str(self._workers)},
                )
        except OSError as error:
            stacks.close()
            raise EngineFault(f"cannot start a worker for {self._run.path}: {error.strerror}") from error
        share = -(-self._concurrent // self._workers)
        hand = Hand(process, share, time.monotonic(), stacks=stacks)
        self._hands.append(hand)
        hand_task = asyncio.create_task(self._listen(hand))
        hand_task.add_done_callback(lambda task: task.cancelled() or task.exception())
        return hand

    async def _listen(self, hand: Hand) -> None:
        assert hand.process.stdout is not None
        try:
            while line := await hand.process.stdout.readline():
                hand.heard = time.monotonic()
                try:
                    told = json.loads(line)
                except ValueError:
                    continue
                self._hear(hand, told)
        except Exception as error:  # nobody listens to it any more
            hand.kill(f"the supervisor could not follow it: {type(error).__name__}: {error}")
        await hand.process.wait()
        self._hands.remove(hand)
        await self._lost(hand)
        if hand.stacks is not None:
            hand.stacks.close()
        self._changed.set()

    def _hear(self, hand: Hand, told: Mapping[str, Any]) -> None:
        what = told["tell"]
        if what == "ready":
            hand.ready = True
        elif what == "loading":
            self._loading = (told["file"], time.monotonic())
        elif what == "tasks":
            self._tasks, self._refused = told["sets"], told["refused"]
        elif what == "progress":
            self._listener("progress", told)
        elif what in ("done", "failed"):
            order = hand.orders.pop(told["trial"], None)
            if order is not None:
                result = self._run.result(order.spec.id) if what == "done" else None
                error = self._secrets.scrub(told.get("error")) or _fault(
                    "EngineFault", "its record cannot be read", "engine"
                )
                self._finished(order, result or _failed(order, error))
        elif what == "stuck":
            # The trial to blame has written its own record; the others of this worker only go on elsewhere.
            hand.retiring = True
            self._queue.extend(hand.orders.values())
            hand.orders.clear()
            hand.kill("a program did not end at its limit")
        elif what == "retire":
            hand.retiring = True
        self._changed.set()

    def _watch(self) -> None:
        now = time.monotonic()
        for hand in self._hands:
            if now - hand.heard > (SILENCE if hand.ready else START):
                hand.silent = True
                hand.kill(f"it gave no sign of life for {SILENCE if hand.ready else START:g} s")
            elif hand.retiring and not hand.orders and hand.process.stdin is not None:
                hand.process.stdin.close()

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(asyncio.TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        self._changed.clear()

    # -- orders ---------------------------------------------------------------------------------------------------

    async def _hand_out(self) -> None:
        if self._stopping:
            return
        useful = [hand for hand in self._hands if not hand.retiring]
        wanted = min(self._workers, len(self._queue) + sum(len(hand.orders) for hand in useful))
        for _ in range(wanted - len(useful)):
            await self._hire()
        now = time.monotonic()
        for _ in range(len(self._queue)):
            order = self._queue.popleft()
            free = [hand for hand in self._hands if hand.takes(order)] if order.not_before <= now else []
            if not free:
                self._queue.append(order)
                if order.not_before <= now and not order.alone:
                    self._queue.rotate(1)  # nobody is free: keep the order of the rest
                    break
                continue
            hand = min(free, key=lambda hand: len(hand.orders))
            hand.orders[order.spec.id] = order
            hand.give(do="trial", trial=order.spec.to_json())
            self._listener("started", {"trial": order.spec.id, "spec": order.spec})

    def _finished(self, order: Order, result: TrialResult) -> None:
        order.tries += 1
        if result.retried and order.tries <= self._retry.max_retries and not self._stopping:
            wait = self._retry.wait(order.tries)
            order.not_before = time.monotonic() + wait
            self._queue.append(order)
            self._listener("retry", {"trial": order.spec.id, "error": result.error, "wait": wait})
            return
        self._results[order.spec.id] = result
        self._listener("finished", {"trial": order.spec.id, "result": result})

    async def _lost(self, hand: Hand) -> None:
        """A worker is gone: the trial that is to blame ends; where nobody knows which, each is tried again alone."""
        orders = list(hand.orders.values())
        hand.orders.clear()
        if not orders:
            return
        self._listener("lost", {"trials": [order.spec.id for order in orders], "how": hand.how})
        orders = [order for order in orders if not self._scored(order)]
        blame = hand.blamed()
        known = blame is not None and any(order.spec.id == blame.trial for order in orders)
        sure = len(orders) == 1 and (orders[0].alone or (self._concurrent == 1 and not hand.silent))
        for order in orders:
            if (order.spec.id == blame.trial) if known and blame else sure:
                result = _failed(order, _lost_fault(hand, blame))
                self._conclude(order.spec, result)
                self._finished(order, result)
            else:
                order.alone = order.alone or not known
                self._queue.append(order)

    def _scored(self, order: Order) -> bool:
        """Whether a trial whose worker is gone had been scored: then only its record may be missing."""
        found = self._run.result(order.spec.id)
        if found is None or not found.scored:
            found = recovered(self._run, order.spec)
            if found is None:
                return False
            drop_passed(self._run, order.spec)
            with contextlib.suppress(TerrariumError):  # a full disk: the next run makes it again
                self._run.record(found)
        self._finished(order, found)
        return True

    def _conclude(self, spec: TrialSpec, result: TrialResult) -> None:
        """End the journal of a trial whose worker is gone, and write its record."""
        assert result.error is not None
        tries = self._run.tries(spec.id)
        with contextlib.suppress(TerrariumError, OSError):
            if tries:
                path = tries[-1] / "journal.jsonl"
                last = 0
                for event in read(path):
                    last = to_micros(event.time)
                journal = Journal(path, lambda: last, self._run.blobs)
                told = {key: result.error[key] for key in ("type", "message", "boundary", "code")}
                journal.append(EventKind.ERROR, "world", told)
                journal.append(EventKind.STOP, "world", {"reason": "error"})
                journal.append(EventKind.VERDICT, "world", {"verdict": Verdict()})
                journal.close()
                try_remove_tree(tries[-1] / "world")
            self._run.record(result)


def _undisturbed(listener: Listener) -> Listener:
    """A listener whose failure (a closed terminal, a full disk behind it) does not end the run."""

    def tell(event: str, data: Mapping[str, Any]) -> None:
        with contextlib.suppress(Exception, SystemExit):  # rich exits where its pipe is closed
            listener(event, data)

    return tell


def _fault(kind: str, message: str, boundary: str) -> dict[str, Any]:
    return {"type": kind, "message": message, "boundary": boundary, "code": None, "traceback": None}


def _failed(order: Order, error: Mapping[str, Any]) -> TrialResult:
    return TrialResult(order.spec, Verdict(), "error", error, order.tries + 1, 0.0)


def _lost_fault(hand: Hand, blame: Blame | None) -> dict[str, Any]:
    """Why a trial ended with its process. Only what was seen in its stacks is laid to an agent or a program."""
    if blame is not None and blame.who == "agent":
        message = (
            f"agent {blame.name!r} held up the whole process, which was killed: {hand.how}. Does it block in `act`?"
        )
        return _fault("AgentFault", message, "agent")
    if blame is not None:
        message = f"the trial's process was killed: {hand.how}. Does the program block in C code?"
        return _fault("TaskFault", message, "task")
    return _fault("WorkerLost", f"the process that ran the trial is gone: {hand.how}", "engine")
