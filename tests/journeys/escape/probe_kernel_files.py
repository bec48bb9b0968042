"""Devices, /proc and /sys."""

import fcntl
import os
import termios

from probe import family, opens, others, way


@way
def devices():
    dangerous = (
        "mem kmem port kvm fuse net/tun loop0 loop-control vda vda1 sda sda1 nvme0n1 vsock vhost-vsock "
        "vhost-net uinput kmsg userfaultfd mapper/control hpet rtc rtc0 console tty0 tty1 ttyS0 hwrng "
        "cpu/0/msr nvram btrfs-control autofs cuse ppp uhid vfio/vfio dri/card0 watchdog input/event0 "
        "mcelog tpm0 udmabuf dma_heap/system"
    )
    got = [name for name in dangerous.split() if opens(f"/dev/{name}", os.O_RDONLY) or opens(f"/dev/{name}", os.O_RDWR)]
    for kind, major, minor in (
        (0o020000, 1, 1),
        (0o020000, 1, 11),
        (0o060000, 254, 0),
        (0o060000, 8, 0),
        (0o020000, 10, 200),
    ):
        for folder in ("/tmp", "/root", "/dev", "/dev/shm", "."):
            path = f"{folder}/node-{major}-{minor}"
            try:
                os.mknod(path, kind | 0o666, os.makedev(major, minor))
            except OSError:
                continue
            if opens(path, os.O_RDONLY):
                got.append(path)
            os.unlink(path)
    return ", ".join(got) or None


@way
def terminal():
    if opens("/dev/tty", os.O_RDWR):
        return "/dev/tty"
    for number in range(3):
        try:
            fcntl.ioctl(number, termios.TIOCSTI, b"x")
            return f"TIOCSTI on {number}"
        except OSError:
            pass


@way
def proc_and_sys():
    got = []
    if opens("/proc/sysrq-trigger", os.O_WRONLY):
        return "/proc/sysrq-trigger can be written"
    for path in ("/proc/kcore", "/proc/kmsg", "/proc/kpageflags", "/proc/kallsyms", "/proc/keys", "/proc/timer_list"):
        try:
            with open(path, "rb") as file:
                found = file.read(4096)
        except OSError:
            continue
        if (found.strip(b"0 \n") and path != "/proc/kallsyms") or b"ffffffff8" in found:
            return f"{path} tells something"
    for top in ("/proc/sys", "/sys", "/proc/irq", "/proc/bus", "/proc/scsi", "/proc/fs"):
        for folder, _, files in os.walk(top):
            got += [path for path in (f"{folder}/{name}" for name in files) if opens(path, os.O_WRONLY)]
    return f"{len(got)} can be written, as {', '.join(got[:8])}" if got else None


@way
def other_processes_files():
    got = []
    for pid in others():
        if pid in family():
            continue
        for name in (
            "mem",
            "environ",
            "maps",
            "stack",
            "syscall",
            "oom_score_adj",
            "uid_map",
            "comm",
            "clear_refs",
            "exe",
        ):
            flags = os.O_RDONLY if name in ("environ", "maps", "stack", "syscall") else os.O_WRONLY
            if opens(f"/proc/{pid}/{name}", flags):
                got.append(f"/proc/{pid}/{name}")
        for name in ("root", "cwd", "fd"):
            try:
                found = os.listdir(f"/proc/{pid}/{name}")
            except OSError:
                continue
            if name == "fd" or (name == "root" and sorted(found) != sorted(os.listdir("/"))):
                got.append(f"/proc/{pid}/{name}")
    return ", ".join(got) or None


@way
def own_process_files():
    if opens("/proc/self/exe", os.O_WRONLY):
        return "/proc/self/exe can be written"
    for name in ("oom_score_adj",):
        try:
            with open(f"/proc/self/{name}", "w") as file:
                file.write("-500")
            return "oom_score_adj below 0"
        except OSError:
            pass
    try:
        os.nice(-5)
        return "nice below 0"
    except OSError:
        pass
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
        return "real-time scheduling"
    except OSError:
        pass


@way
def limits_stay():
    import resource

    for name in ("NOFILE", "NPROC", "AS", "FSIZE", "CPU", "CORE", "MEMLOCK"):
        kind = getattr(resource, f"RLIMIT_{name}")
        soft, hard = resource.getrlimit(kind)
        if hard == resource.RLIM_INFINITY:
            continue
        try:
            resource.setrlimit(kind, (soft, hard + 1))
            return f"RLIMIT_{name} can be raised"
        except (OSError, ValueError):
            pass


@way
def cgroups():
    for folder, names_, _ in os.walk("/sys/fs/cgroup"):
        if opens(f"{folder}/cgroup.procs", os.O_WRONLY) or opens(f"{folder}/release_agent", os.O_WRONLY):
            return folder
        for name in names_:
            if os.access(f"{folder}/{name}", os.W_OK):
                return f"{folder}/{name}"
