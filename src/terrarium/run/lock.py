"""The lock of a folder that is being written: one writer at a time, known by its process number.

It is a lock of the kernel on an open file, so it is gone with its process, however that ended.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from pathlib import Path
from types import TracebackType

from terrarium.core.errors import ConfigError, EngineFault
from terrarium.core.files import make_folder

LOCK = "run.lock"  # its name in the folder of a run and in the folder of a trial
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)  # a file system that has none


def holder(folder: Path) -> int | None:
    """The number of the process that works in a folder of this machine; None where none does. Nothing is locked."""
    try:
        pid = int((folder / LOCK).read_text("ascii"))
    except (OSError, ValueError):
        return None
    try:
        os.kill(pid, 0)
    except PermissionError:  # it is there, and somebody else's
        return pid
    except OSError:
        return None
    return pid


class Lock:
    """`with Lock(folder):` nobody else holds the folder meanwhile.

    Args:
        folder: What is locked; made if it is not there.
        shared: Others may hold it too, but shared; who runs a single trial locks the run so, and the trial alone.

    Raises:
        ConfigError: Another process, or another run in this one, works there.
        EngineFault: The lock cannot be written.
    """

    def __init__(self, folder: Path, shared: bool = False) -> None:
        self._folder = folder
        self._path = folder / LOCK
        self._how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        self._shared = shared
        self._file: int | None = None

    def __enter__(self) -> Lock:
        try:
            make_folder(self._folder)
            while self._file is None:
                self._file = self._open()
        except OSError as error:
            raise EngineFault(f"cannot write {self._path}: {error.strerror}") from error
        return self

    def _open(self) -> int | None:
        """The file, locked; None where it was removed by who held it before us."""
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            self._take(file)
            with contextlib.suppress(FileNotFoundError):
                if os.fstat(file).st_ino == self._path.stat().st_ino:
                    os.truncate(file, 0)
                    os.pwrite(file, f"{os.getpid()}\n".encode("ascii"), 0)
                    return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)
        return None

    def _take(self, file: int) -> None:
        try:
            fcntl.flock(file, self._how | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(file, 20, 0).decode("ascii", "replace").strip() or "unknown"
            whose = "this process already" if holder == str(os.getpid()) else f"process {holder}"
            raise ConfigError(
                f"{self._folder} is in use by {whose}: wait until it has ended, or choose another folder"
            ) from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        file, self._file = self._file, None
        if file is not None:
            if self._alone(file):
                with contextlib.suppress(OSError):
                    self._path.unlink()
            os.close(file)

    def _alone(self, file: int) -> bool:
        if self._shared:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return False
        return True
