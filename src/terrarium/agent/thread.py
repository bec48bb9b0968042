"""A thread for synchronous foreign code: reference solutions and scripts never run on the engine's loop."""

from __future__ import annotations

import asyncio
import ctypes
import queue
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from terrarium.core.program import ProgramStopped

T = TypeVar("T")


class AgentThread:
    """One thread that does one job at a time, made at the first job."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._asked: asyncio.Task[Any] | None = None
        self._busy = False

    async def run(self, job: Callable[[], T]) -> T:
        """Do `job` on the thread and give its result; where this is cancelled, the job is stopped too."""
        loop = self._loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()

        def settle(result: Any, error: BaseException | None) -> None:
            self._busy = False
            if done.done():
                return
            if error is None:
                done.set_result(result)
            else:
                done.set_exception(RuntimeError(repr(error)) if isinstance(error, StopIteration) else error)

        def work() -> None:
            result, failed = None, None
            try:
                result = job()
            except BaseException as error:
                failed = error
            try:
                loop.call_soon_threadsafe(settle, result, failed)
            except RuntimeError:  # the loop has ended: nobody is left to be told
                pass

        if self._thread is None:
            self._thread = threading.Thread(
                target=self._serve, args=(self._jobs,), name=f"terrarium {self.name}", daemon=True
            )
            self._thread.start()
        self._busy = True
        self._jobs.put(work)
        try:
            return await done
        except asyncio.CancelledError:
            self.stop()
            raise

    def ask(self, work: Coroutine[Any, Any, T]) -> T:
        """On the thread: have `work` done on the engine's loop and wait for its result."""
        answer: queue.SimpleQueue[asyncio.Task[T]] = queue.SimpleQueue()
        assert self._loop is not None
        loop = self._loop

        def begin() -> None:
            self._asked = loop.create_task(work)
            self._asked.add_done_callback(answer.put)

        try:
            loop.call_soon_threadsafe(begin)
        except RuntimeError:
            work.close()
            raise ProgramStopped from None
        task = answer.get()
        if task.cancelled():
            raise ProgramStopped
        return task.result()

    def stop(self) -> None:
        """End the thread: now if it waits or runs Python code, else when it next does."""
        if self._asked is not None and not self._asked.done():
            self._asked.cancel()
        self._jobs.put(None)
        self._jobs = queue.SimpleQueue()  # a thread that cannot be ended now must not get what comes later
        if self._busy and self._thread is not None and self._thread.ident is not None and self._thread.is_alive():
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(self._thread.ident), ctypes.py_object(ProgramStopped)
            )
        self._thread = None

    def _serve(self, jobs: queue.SimpleQueue[Callable[[], None] | None]) -> None:
        try:
            while (job := jobs.get()) is not None:
                job()
        except ProgramStopped:  # raised from outside, between two jobs
            pass
