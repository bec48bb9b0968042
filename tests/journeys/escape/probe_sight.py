"""What a process sees of the host."""

import ctypes
import fcntl
import glob
import os
import stat
import struct

from probe import BAIT, libc, way


@way
def host_files():
    for path in (BAIT.get("file"), "/etc/shadow", "/root/.ssh", "/root/.bash_history", "/home/*", BAIT.get("folder")):
        for found in glob.glob(path or "/none"):
            try:
                content = os.listdir(found) if os.path.isdir(found) else open(found).read()
            except OSError:
                continue
            if BAIT["word"] in str(content):
                return found
    try:
        shadow = open("/etc/shadow").read()
    except OSError:
        return None
    return "password hashes of the host" if "$y$" in shadow or "$6$" in shadow else None


@way
def environment():
    for path in ["/proc/self/environ", *glob.glob("/proc/[0-9]*/environ")]:
        try:
            content = open(path, errors="replace").read()
        except OSError:
            continue
        if BAIT["word"] in content:
            return path
    return str(os.environ) if BAIT["word"] in str(os.environ) else None


@way
def processes():
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            content = open(path, errors="replace").read()
        except OSError:
            continue
        if BAIT["word"] in content:
            return content


def opened_by_the_clock(number):
    """What shows a process the time of its world opens files of the sandbox in the process itself."""
    try:
        return os.readlink(f"/proc/self/fd/{number}").startswith("/dev/shm/faketime")
    except OSError:
        return False


@way
def descriptors():
    """Nothing but 0 to 2 was inherited."""
    kept = []
    for number in range(3, 4096):
        try:
            fcntl.fcntl(number, fcntl.F_GETFD)
            if not opened_by_the_clock(number):
                kept.append(number)
        except OSError:
            pass
    return f"descriptors {kept}" if kept else None


@way
def streams_lead_nowhere():
    """What 0 to 2 are cannot be used to find more: no folder, no file of the host, no socket, no terminal."""

    for number in range(3):
        try:
            kind = os.fstat(number).st_mode
        except OSError:
            continue
        if stat.S_ISDIR(kind) or stat.S_ISBLK(kind) or stat.S_ISSOCK(kind) or os.isatty(number):
            return f"descriptor {number} is {stat.filemode(kind)}"


@way
def privileges():
    if libc.prctl(39, 0, 0, 0, 0) != 1:
        return "no_new_privs is not set"
    if os.geteuid() != 0:
        return None  # nobody but root gains by executing
    bounding = [number for number in range(41) if libc.prctl(23, number, 0, 0, 0) == 1]
    header, data = struct.pack("Ii", 0x20080522, 0), ctypes.create_string_buffer(24)
    libc.capget(header, data)
    if any(data.raw):
        return f"capabilities {data.raw.hex()}"
    if libc.capset(header, struct.pack("6I", 1 << 21, 1 << 21, 0, 0, 0, 0)) == 0:
        return "capset raises"
    return f"bounding set {bounding}" if bounding else None


@way
def seccomp():
    return None if libc.prctl(21, 0, 0, 0, 0) == 2 else "no seccomp filter"
