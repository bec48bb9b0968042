"""The system calls that a process needs which only calculates: a seccomp filter that allows these and no others."""

from __future__ import annotations

import errno
import os
import struct

# The kernel's number of each machine (AUDIT_ARCH), and of each call; what arm64 lacks is None.
_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_ALLOWED: dict[str, tuple[int, int | None]] = {
    "read": (0, 63), "write": (1, 64),  # descriptors are what it was started with: two pipes and /dev/null
    "mmap": (9, 222), "munmap": (11, 215), "mremap": (25, 216), "mprotect": (10, 226), "madvise": (28, 233),
    "brk": (12, 214), "futex": (202, 98), "sched_yield": (24, 124), "getrandom": (318, 278),
    "clock_gettime": (228, 113), "gettimeofday": (96, 169), "time": (201, None), "setitimer": (38, 103),
    "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "sigaltstack": (131, 132),
    "restart_syscall": (219, 128), "close": (3, 57), "exit": (60, 93), "exit_group": (231, 94),
}  # fmt: skip
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _FAIL = 0x7FFF0000, 0x00050000 | errno.EPERM
_NUMBER, _MACHINE = 0, 4


def program(machine: str = os.uname().machine) -> bytes:
    """The filter, `struct sock_filter` records in a row; empty for a machine whose calls are not known."""
    if machine not in _MACHINES:
        return b""
    which, known = _MACHINES[machine]
    code = [(_LOAD, 0, 0, _MACHINE), (_EQUAL, 1, 0, known), (_RETURN, 0, 0, _FAIL), (_LOAD, 0, 0, _NUMBER)]
    for numbers in _ALLOWED.values():
        number = numbers[which]
        if number is not None:
            code += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ALLOW)]
    code.append((_RETURN, 0, 0, _FAIL))
    return b"".join(struct.pack("HBBI", *line) for line in code)
