"""Changes of modes and times, made on behalf of commands that are kept in a folder by Landlock.

Landlock does not see chmod(2) and utimensat(2), so a seccomp filter hands them over. Each is done by us, on what its
path or descriptor leads to below the folder, with arguments that we have copied: what the caller changes meanwhile has
no effect. Everything outside is refused, and so are the set-user-id and set-group-id bits.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import stat
import struct

from terrarium.sandbox.inside import confine, kernel

_RECEIVE, _SEND, _VALID = 0xC0502100, 0xC0182101, 0x40082102
_AT_FDCWD, _AT_NOFOLLOW, _AT_EMPTY_PATH = -100, 0x100, 0x1000
_PATH_LIMIT = 4096
_NAMES = confine.names()


class Changes:
    """Answers the calls that one filter hands over.

    Args:
        listener: The filter's descriptor.
        folder: Inside which changes are made.
    """

    def __init__(self, listener: int, folder: str) -> None:
        self.listener = listener
        self._folder = os.path.realpath(folder)
        self._root = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def answer(self) -> None:
        """Take one call and answer it; nothing where its caller has ended."""
        room = bytearray(80)
        try:
            fcntl.ioctl(self.listener, _RECEIVE, room)
        except OSError:
            return
        number, pid, _, call, _, _, *arguments = struct.unpack("QIIiIQ6Q", room)
        try:
            self._change(number, pid, _NAMES.get(call, ""), arguments)
            error = 0
        except OSError as failed:
            error = failed.errno or errno.EPERM
        try:
            fcntl.ioctl(self.listener, _SEND, bytearray(struct.pack("QqiI", number, 0, -error, 0)))
        except OSError:
            pass  # the caller has ended

    def _change(self, number: int, pid: int, name: str, arguments: list[int]) -> None:
        if name == "fchmod":
            target, mode = self._held(pid, _signed(arguments[0])), arguments[1]
        elif name == "chmod":
            target, mode = self._found(number, pid, _AT_FDCWD, arguments[0], 0), arguments[1]
        elif name in ("fchmodat", "fchmodat2"):
            flags = arguments[3] if name == "fchmodat2" else 0
            target, mode = self._found(number, pid, _signed(arguments[0]), arguments[1], flags), arguments[2]
        elif name == "utimensat":
            folder, path, times, flags = arguments[:4]
            moments = _copied(pid, times, 32) if times else None
            if path:
                target = self._found(number, pid, _signed(folder), path, flags)
            else:
                target = self._held(pid, _signed(folder))
            self._valid(number)
            with _closing(target):
                if kernel.libc.utimensat(_AT_FDCWD, _by_descriptor(target), moments, 0) < 0:
                    raise OSError(ctypes.get_errno(), name)
            return
        else:
            raise OSError(errno.ENOSYS, name)
        with _closing(target):
            if stat.S_ISLNK(os.fstat(target).st_mode):
                raise OSError(errno.EOPNOTSUPP, name)
            os.chmod(_by_descriptor(target), mode & 0o1777)

    def _held(self, pid: int, descriptor: int) -> int:
        """What a descriptor of the caller leads to."""
        if descriptor < 0:
            raise OSError(errno.EBADF, "no descriptor")
        try:
            target = os.open(f"/proc/{pid}/fd/{descriptor}", os.O_PATH | os.O_CLOEXEC)
        except FileNotFoundError:
            raise OSError(errno.EBADF, "no descriptor") from None
        if not _below(os.readlink(f"/proc/self/fd/{target}"), self._folder):
            os.close(target)
            raise OSError(errno.EPERM, "outside")
        return target

    def _found(self, number: int, pid: int, folder: int, address: int, flags: int) -> int:
        """What a path of the caller leads to."""
        path = _copied(pid, address, _PATH_LIMIT).partition(b"\0")[0]
        start = os.readlink(f"/proc/{pid}/cwd" if folder == _AT_FDCWD else f"/proc/{pid}/fd/{folder}").encode()
        self._valid(number)
        if not path:
            if flags & _AT_EMPTY_PATH and folder != _AT_FDCWD:
                return self._held(pid, folder)
            raise OSError(errno.ENOENT, "an empty path")
        whole = path if path.startswith(b"/") else start + b"/" + path
        top = os.fsencode(self._folder)
        if whole != top and not whole.startswith(top + b"/"):
            raise OSError(errno.EPERM, "outside")
        flag = os.O_NOFOLLOW if flags & _AT_NOFOLLOW else 0
        return kernel.open_inside(self._root, whole[len(top) :] or b"/", os.O_PATH | flag)

    def _valid(self, number: int) -> None:
        """Whether the caller still waits: else its number may belong to another process."""
        fcntl.ioctl(self.listener, _VALID, struct.pack("Q", number))


def _signed(value: int) -> int:
    return ctypes.c_int(value & 0xFFFFFFFF).value


def _copied(pid: int, address: int, size: int) -> bytes:
    memory = os.open(f"/proc/{pid}/mem", os.O_RDONLY | os.O_CLOEXEC)
    try:
        content = b""
        while len(content) < size:  # page by page: what comes after the last one may not be there
            part = min(size - len(content), 4096 - (address + len(content)) % 4096)
            try:
                more = os.pread(memory, part, address + len(content))
            except OSError:
                more = b""
            content += more
            if not more or (b"\0" in more and size == _PATH_LIMIT):
                break
        if not content:
            raise OSError(errno.EFAULT, "no memory there")
        return content
    finally:
        os.close(memory)


def _below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + "/")


def _by_descriptor(descriptor: int) -> bytes:
    return b"/proc/self/fd/%d" % descriptor


class _closing:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)
