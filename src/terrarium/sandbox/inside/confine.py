"""Landlock, and a stricter seccomp filter: what keeps commands in a folder where no namespace can be had.

Landlock decides which files may be opened, made, renamed and removed, and who may be signalled. It does not see changes
of modes, times, owners and attributes, nor what one process does to another of the same user: the filter denies those,
or hands them to `terrarium.sandbox.inside.metadata`.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct

from terrarium.sandbox.inside import kernel
from terrarium.sandbox.inside.kernel import MACHINE

WANTED = 6  # the version of Landlock that keeps signals in (Linux 6.12)

_ADD_RULE, _RESTRICT_SELF, _SECCOMP = 445, 446, 317 if MACHINE == "x86_64" else 277
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _MAKE_CHAR, _MAKE_SOCK, _MAKE_BLOCK = (
    1 << bit for bit in (0, 1, 2, 3, 6, 9, 11)
)
_TRUNCATE, _IOCTL = 1 << 14, 1 << 15
_EVERYTHING = (1 << 16) - 1
_FILE = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_SCOPED_ABSTRACT, _SCOPED_SIGNAL = 1, 2

SYSTEM = (
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/etc/alternatives", "/etc/ssl/certs",
    "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/localtime", "/etc/nsswitch.conf",
)  # fmt: skip
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")

# (on x86-64, on arm64); None where it does not exist
_CHANGES = {
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452), "utimensat": (280, 88),
}  # fmt: skip
_DENIED = {
    "socket": (41, 198), "shmget": (29, 194), "shmat": (30, 196), "msgget": (68, 186), "semget": (64, 190),
    "mq_open": (240, 180), "inotify_init": (253, None), "inotify_init1": (294, 26), "ptrace": (101, 117),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "pidfd_getfd": (438, 438), "kcmp": (312, 272),
    "process_madvise": (440, 440), "process_mrelease": (448, 448), "chown": (92, None), "fchown": (93, 55),
    "lchown": (94, None), "fchownat": (260, 54), "utime": (132, None), "utimes": (235, None), "futimesat": (261, None),
    "cachestat": (451, 451), "file_setattr": (469, 469),
}  # fmt: skip
_NO_ATTRIBUTES = {
    "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7), "removexattr": (197, 14),
    "lremovexattr": (198, 15), "fremovexattr": (199, 16), "setxattrat": (463, 463), "removexattrat": (466, 466),
}  # fmt: skip
_NOT_THERE = {"memfd_create": (319, 279), "memfd_secret": (447, 447), "openat2": (437, 437)}
_OWN_ONLY = {  # calls whose argument of that place names a process: 0 is the caller
    "prlimit64": (302, 261, 0), "sched_setaffinity": (203, 122, 0), "sched_setscheduler": (144, 119, 0),
    "sched_setparam": (142, 118, 0), "sched_setattr": (314, 274, 0), "setpriority": (141, 140, 1),
    "ioprio_set": (251, 30, 1),
}  # fmt: skip
_MODES = {"open": (2, None, 2), "openat": (257, 56, 3), "creat": (85, None, 1), "mknodat": (259, 33, 2)}
_FLAG_CALLS = (0x40086602, 0x401C5820, 0x40086604)  # FS_IOC_SETFLAGS, FS_IOC_FSSETXATTR, FS_IOC_SETVERSION
_IOCTL_CALL, _FCNTL_CALL, _SETSOCKOPT = (16, 29), (72, 25), (54, 208)
_PIPE_SIZE, _SEND_BUFFER = 1031, (7, 32)

_ALLOW, _FAIL, _ASK = 0x7FFF0000, 0x00050000, 0x7FC00000
_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06


def _call(what: str, number: int, *arguments: object) -> int:
    result: int = kernel.libc.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        failed = ctypes.get_errno()
        raise OSError(failed, f"{what}: {os.strerror(failed)}")
    return result


def names() -> dict[int, str]:
    """The calls that are asked about, by number."""
    which = 0 if MACHINE == "x86_64" else 1
    return {numbers[which] or 0: name for name, numbers in _CHANGES.items() if numbers[which]}


def keep_signals_in() -> None:
    """From now on this process, and whatever it starts, signals nobody but those it starts from now on.

    Raises:
        OSError: The kernel cannot do it.
    """
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    _restrict(_ruleset(0, 0, _SCOPED_SIGNAL))


def keep_files_in(folder: str) -> None:
    """From now on this process, and whatever it starts, reads the system's directories and writes `folder`.

    Raises:
        OSError: The kernel cannot do it.
    """
    rules = _ruleset(_EVERYTHING, 3, _SCOPED_ABSTRACT | _SCOPED_SIGNAL)
    for path in SYSTEM:
        _allow(rules, path, _READ)
    for path in DEVICES:
        _allow(rules, path, _READ_FILE | _WRITE_FILE | _TRUNCATE)
    _allow(rules, folder, _EVERYTHING & ~(_MAKE_CHAR | _MAKE_SOCK | _MAKE_BLOCK))
    _restrict(rules)


def _ruleset(files: int, network: int, scoped: int) -> int:
    wanted = struct.pack("QQQ", files, network, scoped)
    return _call("landlock_create_ruleset", 444, wanted, ctypes.c_size_t(len(wanted)), ctypes.c_uint(0))


def _allow(rules: int, path: str, access: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # this system does not have it
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            access &= _FILE
        rule = struct.pack("=Qi", access, place)
        _call("landlock_add_rule", _ADD_RULE, ctypes.c_int(rules), ctypes.c_int(1), rule, ctypes.c_uint(0))
    finally:
        os.close(place)


def _restrict(rules: int) -> None:
    try:
        _call("landlock_restrict_self", _RESTRICT_SELF, ctypes.c_int(rules), ctypes.c_uint(0))
    finally:
        os.close(rules)


def filter_strictly() -> int:
    """Install the stricter filter; a descriptor that tells of the calls in `names`, to be answered by somebody else.

    Raises:
        OSError: The kernel cannot do it.
    """
    code = _program()
    room = ctypes.create_string_buffer(code, len(code))
    record = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(room))
    return _call("seccomp", _SECCOMP, ctypes.c_uint(1), ctypes.c_uint(8), record)


def _program() -> bytes:
    which = 0 if MACHINE == "x86_64" else 1
    no = _FAIL | errno.EPERM
    code: list[tuple[int, int, int, int]] = [(_LOAD, 0, 0, 0)]

    def answer(number: int | None, reply: int) -> None:
        if number is not None:
            code.extend([(_EQUAL, 0, 1, number), (_RETURN, 0, 0, reply)])

    def ask(number: int | None, argument: int, tests: list[tuple[int, int, int]], reply: int) -> None:
        """`reply` where one of `tests` (operation, value, whether it must hold) is met, else the call is allowed."""
        if number is None:
            return
        rules = [(_LOAD, 0, 0, 16 + 8 * argument)]
        for operation, value, met in tests:
            rules += [(operation, 0 if met else 1, 1 if met else 0, value), (_RETURN, 0, 0, reply)]
        rules.append((_RETURN, 0, 0, _ALLOW))
        code.extend([(_EQUAL, 0, len(rules), number), *rules])

    for numbers in _CHANGES.values():
        answer(numbers[which], _ASK)
    for table, reply in (
        (_DENIED, no),
        (_NO_ATTRIBUTES, _FAIL | errno.ENOTSUP),
        (_NOT_THERE, _FAIL | errno.ENOSYS),
    ):
        for numbers in table.values():
            answer(numbers[which], reply)
    for numbers_and_place in _OWN_ONLY.values():
        ask(numbers_and_place[which], numbers_and_place[2], [(_EQUAL, 0, False)], no)
    for numbers_and_mode in _MODES.values():  # no file with the set-user-id bit, not even for a moment
        ask(numbers_and_mode[which], numbers_and_mode[2], [(_ANY_BIT, stat.S_ISUID | stat.S_ISGID, True)], no)
    ask(_IOCTL_CALL[which], 1, [(_EQUAL, one, True) for one in _FLAG_CALLS], no)
    ask(_FCNTL_CALL[which], 1, [(_EQUAL, _PIPE_SIZE, True)], no)  # what lies in pipes is nobody's memory
    ask(_SETSOCKOPT[which], 2, [(_EQUAL, one, True) for one in _SEND_BUFFER], no)
    code.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("HBBI", *line) for line in code)
