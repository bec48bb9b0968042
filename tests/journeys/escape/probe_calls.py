"""System calls that lead out."""

import ctypes
import errno
import os
import socket
import struct

from probe import call, family, in_child, libc, opens, others, shut, way


@way
def mounting():
    tries = [
        shut("mount", b"none", b"/tmp", b"tmpfs", 0, None),
        shut("mount", b"/", b"/tmp", None, 4096, None),
        shut("umount2", b"/proc", 2),
        shut("umount2", b"/root", 2),
        shut("pivot_root", b"/tmp", b"/tmp"),
        shut("chroot", b"/tmp"),
        shut("open_tree", -100, b"/", 1),
        shut("fsopen", b"tmpfs", 0),
        shut("fspick", -100, b"/", 0),
        shut("mount_setattr", -100, b"/", 0, ctypes.create_string_buffer(32), 32),
        shut("move_mount", -100, b"/tmp", -100, b"/root", 0),
    ]
    return next(filter(None, tries), None)


@way
def namespaces():
    for name, flag in {"user": 1 << 28, "mount": 1 << 17, "net": 1 << 30, "pid": 1 << 29, "time": 1 << 7}.items():
        said = in_child(lambda flag=flag, name=name: f"unshare {name}" if call("unshare", flag)[0] == 0 else None)
        if said:
            return said

    def cloned():
        result, _ = call("clone", (1 << 28) | 17, 0, 0, 0, 0)
        if result == 0:
            os._exit(0)
        return "clone with a user namespace" if result > 0 else None

    def cloned3():
        result, _ = call("clone3", struct.pack("11Q", 1 << 28, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0), 88)
        if result == 0:
            os._exit(0)
        return "clone3 with a user namespace" if result > 0 else None

    return in_child(cloned) or in_child(cloned3)


@way
def entering():
    for pid in others():
        for kind in ("mnt", "user", "net", "pid", "ipc", "uts", "cgroup"):
            try:
                handle = os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY)
            except OSError:
                continue
            if in_child(lambda handle=handle: "in" if call("setns", handle, 0)[0] == 0 else None):
                return f"setns {kind} of {pid}"
            os.close(handle)
        handle = call("pidfd_open", pid, 0)[0]
        if handle >= 0:
            if in_child(lambda handle=handle: "in" if call("setns", handle, 1 << 17)[0] == 0 else None):
                return f"setns by pidfd of {pid}"
            for number in range(20):
                if pid not in family() and call("pidfd_getfd", handle, number, 0)[0] >= 0:
                    return f"descriptor {number} of {pid}"
            os.close(handle)


def let_go(pid):
    """Whoever was held goes on: it may be the one that waits for us."""
    try:
        os.waitpid(pid, 0x40000000)  # __WALL
        call("ptrace", 17, pid, 0, 0)
        os.kill(pid, 18)
    except OSError:
        pass


@way
def tracing():
    for pid in others():
        if pid in family():
            continue
        for request in (16, 0x4206):  # ATTACH, SEIZE
            if call("ptrace", request, pid, 0, 0)[0] == 0:
                let_go(pid)
                return f"ptrace of {pid}"
        room = ctypes.create_string_buffer(8)
        local = struct.pack("QQ", ctypes.addressof(room), 8)
        for name in ("process_vm_readv", "process_vm_writev"):
            result, error = call(name, pid, local, 1, struct.pack("QQ", 0x400000, 8), 1, 0)
            if result >= 0 or error == errno.EFAULT:
                return f"{name} of {pid}"
        if opens(f"/proc/{pid}/mem", os.O_RDWR):
            return f"/proc/{pid}/mem"


@way
def kernel_doors():
    page, here = ctypes.create_string_buffer(256), socket.gethostname().encode()
    attr = ctypes.create_string_buffer(struct.pack("IIQQQ", 1, 120, 0, 0, 0) + bytes(88))
    tries = [
        shut("keyctl", 0, -3, 1, 0, 0), shut("add_key", b"user", b"probe", b"x", 1, -2),
        shut("request_key", b"user", b"probe", None, -2), shut("bpf", 0, page, 72), shut("bpf", 5, page, 72),
        shut("perf_event_open", attr, 0, -1, -1, 0), shut("io_uring_setup", 4, page), shut("userfaultfd", 1),
        shut("userfaultfd", 0), shut("kexec_load", 0, 0, 0, 0), shut("kexec_file_load", -1, -1, 0, None, 0),
        shut("init_module", page, 10, b""), shut("finit_module", -1, b"", 0), shut("delete_module", b"none", 0),
        shut("open_by_handle_at", -100, page, 0), shut("swapon", b"/tmp", 0), shut("swapoff", b"/tmp"),
        shut("quotactl", 0x80000100, b"/dev/vda", 0, page), shut("acct", b"/tmp/acct"),
        shut("settimeofday", None, None), shut("sethostname", here, len(here)),
        shut("iopl", 3), shut("ioperm", 0, 10, 1), shut("vhangup"),
        shut("reboot", 1, 2, 3, None), shut("syslog", 3, page, 200), shut("fanotify_init", 0, 0),
    ]  # fmt: skip
    return ", ".join(filter(None, tries)) or None


@way
def old_abis():
    """32-bit and x32 system calls would pass by a filter that reads numbers only."""
    ctypes.set_errno(0)

    def x32():
        result = libc.syscall(ctypes.c_long(0x40000000 + 39))
        return "x32 system calls" if result > 0 else None

    return in_child(x32)
