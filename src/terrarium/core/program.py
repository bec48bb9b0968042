"""The thread of a task program, and the queue it serves while it waits.

A `def` program runs in a thread of its own. An `async def` program runs in its own thread on its own event loop; what
it awaits is completed one at a time, each only when that loop has nothing else to do. Callbacks run on the same thread
in both cases.
"""

from __future__ import annotations

import asyncio
import contextvars
import ctypes
import queue
import selectors
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, cast

from terrarium.core.errors import TaskFault, WorldClosed

T = TypeVar("T")
Job = Callable[[], None]


class ProgramStopped(BaseException):
    """Raised inside a program that is told to stop."""


class Program:
    """A `def` program's thread.

    Args:
        loop: The engine's event loop, on which waiting is done.
        name: For the thread.
    """

    is_async = False

    def __init__(self, loop: asyncio.AbstractEventLoop, name: str = "program") -> None:
        self.loop = loop
        self.name = name
        self._jobs: queue.SimpleQueue[Job | asyncio.Task[Any]] = queue.SimpleQueue()
        self._open: set[asyncio.Task[Any]] = set()
        self._served: deque[Job] = deque()
        self._thread: threading.Thread | None = None
        self._stopped = False

    def owns_this_thread(self) -> bool:
        """Whether the caller runs on the program's thread."""
        return self._thread is threading.current_thread()

    def start(self, function: Callable[[], T]) -> asyncio.Future[T]:
        """Run `function` on a new thread; the future gets its result. Called on the engine's loop."""
        done: asyncio.Future[T] = self.loop.create_future()
        done.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # nobody may be left to ask

        def body() -> None:
            result, failed = None, None
            try:
                result = self._execute(function)
            except BaseException as error:  # whatever it is belongs to the caller
                failed = error
            _tell(self.loop, done, result, failed, before=self._abandon)

        run = contextvars.copy_context().run
        self._thread = threading.Thread(target=run, args=(body,), name=f"terrarium {self.name}", daemon=True)
        self._thread.start()
        return done

    def _execute(self, function: Callable[[], T]) -> T:
        return function()

    def _work(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """On the engine's loop: begin what the program waits for; its end is a job for the program."""
        task = self.loop.create_task(work)
        self._open.add(task)
        task.add_done_callback(self._open.discard)
        task.add_done_callback(self._jobs.put)
        return task

    def _abandon(self) -> None:
        """On the engine's loop: the program has ended, so nobody waits any more for what is still being done."""
        for task in self._open:
            task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
            task.cancel()

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """On the program's thread: have `work` done on the engine's loop, serving callbacks meanwhile.

        Raises:
            WorldClosed: The engine's loop is gone.
        """
        own: list[asyncio.Task[T]] = []

        def begin() -> None:
            own.append(self._work(work))

        try:
            self.loop.call_soon_threadsafe(begin)
        except RuntimeError:
            work.close()
            raise WorldClosed("the world is closed: the engine's loop has ended") from None
        while True:
            job = self._jobs.get()
            if isinstance(job, asyncio.Task):
                if own and job is own[0]:
                    return cast(T, _result(job))
                self._ended_meanwhile(job)
            else:
                job()
                self._tell_served()

    def _ended_meanwhile(self, task: asyncio.Task[Any]) -> None:
        raise TaskFault("a wait ended that nobody waits for")

    async def serve(self, job: Callable[[], T]) -> T:
        """On the engine's loop: run `job` on the program's thread, which is waiting, and give its result.

        What `job` wakes in an `async def` program has come to rest, too, before this ends.
        """
        done: asyncio.Future[T] = self.loop.create_future()

        def run() -> None:
            result, failed = None, None
            try:
                result = job()
            except Exception as error:
                failed = error
            self._served.append(lambda: _tell(self.loop, done, result, failed))

        self._jobs.put(run)
        return await done

    def _tell_served(self) -> None:
        while self._served:
            self._served.popleft()()

    def stop(self) -> None:
        """Raise `ProgramStopped` in the program, now if it runs Python code, else when it next does."""
        self._stopped = True

        def leave() -> None:
            raise ProgramStopped

        self._jobs.put(leave)
        if self._thread is not None and self._thread.ident is not None and self._thread.is_alive():
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(self._thread.ident), ctypes.py_object(ProgramStopped)
            )


class AsyncProgram(Program):
    """An `async def` program: its thread runs an event loop of its own."""

    is_async = True

    def __init__(self, loop: asyncio.AbstractEventLoop, name: str = "program") -> None:
        super().__init__(loop, name)
        self._late: deque[asyncio.Task[Any]] = deque()
        self._waiting: dict[asyncio.Task[Any], Callable[[asyncio.Task[Any]], None]] = {}
        self._started = 0
        self.on_idle: Callable[[], bool] = lambda: False
        """Called when the program's loop has nothing to do; True: it found something."""

    def _execute(self, function: Callable[[], Any]) -> Any:
        own = _ProgramLoop(self)
        try:
            asyncio.set_event_loop(own)
            return own.run_until_complete(function())
        finally:
            for task in asyncio.all_tasks(own):
                task.cancel()
            asyncio.set_event_loop(None)
            own.close()

    def begin(self, first: Job, work: Coroutine[Any, Any, Any], ended: Callable[[asyncio.Task[Any]], None]) -> None:
        """On the program's thread: have `first`, then `work` done on the engine's loop; `ended` is called here then."""
        self._started += 1

        def start() -> None:
            first()
            self._waiting[self._work(work)] = ended

        self.loop.call_soon_threadsafe(start)

    def _ended_meanwhile(self, task: asyncio.Task[Any]) -> None:
        self._late.append(task)

    def idle(self) -> None:
        """Nothing is ready in the program's loop: complete one thing it waits for."""
        self._tell_served()
        if self.on_idle():
            return
        if self._late:
            job: Job | asyncio.Task[Any] = self._late.popleft()
        elif self._started == 0 and not self._stopped:
            raise TaskFault("the program awaits something that will never happen")
        else:
            job = self._jobs.get()
        if isinstance(job, asyncio.Task):
            self._started -= 1
            self._waiting.pop(job)(job)
        else:
            job()


class _IdleSelector(selectors.DefaultSelector):
    """A selector that knows when its loop has nothing to do: only then does asyncio ask it to wait."""

    def __init__(self, idle: Callable[[], None]) -> None:
        super().__init__()
        self._idle = idle

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout > 0:
            self._idle()
        return super().select(0)


class _ProgramLoop(asyncio.SelectorEventLoop):
    def __init__(self, program: AsyncProgram) -> None:
        super().__init__(_IdleSelector(program.idle))

    def call_at(self, *_args: Any, **_context: Any) -> Any:  # type: ignore[override]
        raise TaskFault("a task program has no wall clock: use `await env.clock.advance(...)` instead of sleeping")

    def call_later(self, *_args: Any, **_context: Any) -> Any:  # type: ignore[override]
        self.call_at()


def _result(task: asyncio.Task[T]) -> T:
    if task.cancelled():
        raise ProgramStopped
    return task.result()


def _tell(
    loop: asyncio.AbstractEventLoop,
    done: asyncio.Future[Any],
    result: Any,
    error: BaseException | None,
    before: Callable[[], None] = lambda: None,
) -> None:
    def set_it() -> None:
        before()
        if done.done():
            return
        if error is None:
            done.set_result(result)
        elif isinstance(error, StopIteration) or not isinstance(error, (Exception, ProgramStopped)):
            # asyncio would tear down the loop, or refuse, for these; a program that exits has ended wrongly, no more.
            done.set_exception(TaskFault(f"the program raised {type(error).__name__}: {error}"))
        else:
            done.set_exception(error)

    try:
        loop.call_soon_threadsafe(set_it)
    except RuntimeError:  # the engine's loop has ended: nobody is left to be told
        pass
