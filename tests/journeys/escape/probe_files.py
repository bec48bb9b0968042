"""The base, set-user-id programs, overlays, the clock."""

import glob
import os
import shutil
import struct
import subprocess
import sys

from probe import in_child, libc, opens, way


@way
def the_base():
    """Neither /usr nor what programs are started from can be changed, by any of its names."""
    got = []
    for path in ("/usr/bin/env", "/usr/lib/os-release", "/bin/sh", sys.executable, "/usr", "/usr/bin", "/usr/lib"):
        real = os.path.realpath(path)
        try:
            if os.path.isdir(real):
                os.mkdir(f"{real}/probe")
                os.rmdir(f"{real}/probe")
            elif not opens(real, os.O_WRONLY):
                os.chmod(real, 0o777)
            got.append(real)
        except OSError:
            pass
        try:
            os.link(real, "hard-link")
            if opens("hard-link", os.O_WRONLY):
                got.append(f"hard link to {real}")
            os.unlink("hard-link")
        except OSError:
            pass
    return ", ".join(got) or None


@way
def set_ids():
    """A program with the set-user-id bit or file capabilities gives nothing."""

    shutil.copy(shutil.which("python3"), "copied")
    look = "import os; s = '/proc/self/status'; print(os.geteuid(), open(s).read() if os.path.exists(s) else '')"
    for mode in (0o4755, 0o6755):
        try:
            os.chown("copied", 0, 0)
        except OSError:
            pass
        try:
            os.chmod("copied", mode)
        except OSError:
            continue
        said = subprocess.run(["./copied", "-Sc", look], capture_output=True, text=True).stdout
        if said and int(said.split()[0]) != os.geteuid():
            return f"set-user-id: {said[:40]}"
        for line in said.splitlines():
            if line.startswith(("CapEff", "CapPrm")) and int(line.split()[1], 16):
                return f"set-user-id: {line}"
    try:
        os.setxattr("copied", "security.capability", struct.pack("<IIIII", 0x02000001, 1 << 21, 0, 0, 0))
        said = subprocess.run(["./copied", "-Sc", look], capture_output=True, text=True).stdout
        for line in said.splitlines():
            if line.startswith("CapEff") and int(line.split()[1], 16):
                return f"file capabilities: {line}"
    except OSError:
        pass
    os.unlink("copied")
    for uid in (0, 1, 1000, 65534):
        if uid != os.getuid() and in_child(lambda uid=uid: "got" if libc.setresuid(uid, uid, uid) == 0 else None):
            return f"setresuid({uid})"


@way
def overlay_tricks():
    os.makedirs("layer/inner", exist_ok=True)
    for name in ("trusted.overlay.opaque", "trusted.overlay.redirect"):
        try:
            os.setxattr("layer", name, b"/etc")
            return f"{name} can be set"
        except OSError:
            pass
    for name in ("user.overlay.redirect", "user.overlay.opaque", "user.overlay.metacopy", "user.overlay.origin"):
        try:
            os.setxattr("layer/inner", name, b"/../../../../../../etc")
        except OSError:
            pass
    found = os.listdir("layer/inner")
    return f"a redirected folder holds {found}" if found else None


@way
def world_time():
    """The file that tells the time cannot be changed, nor what loads it replaced."""
    file = os.environ.get("FAKETIME_TIMESTAMP_FILE")
    if file:
        for trial in (
            lambda: os.close(os.open(file, os.O_WRONLY)),
            lambda: os.unlink(file),
            lambda: os.rename(file, file + ".old"),
            lambda: os.chmod(file, 0o666),
            lambda: os.utime(file),
        ):
            try:
                trial()
                return f"{file} can be changed"
            except OSError:
                pass
    for library in filter(None, os.environ.get("LD_PRELOAD", "").split(":")):
        if opens(library, os.O_WRONLY) or os.access(os.path.dirname(library), os.W_OK):
            return f"{library} can be replaced"


@way
def memory_files():
    """A sealed or hidden file is still under the caps: nothing to open by name that others hold."""
    if opens("/dev/mem", os.O_RDONLY):
        return "/dev/mem"
    for path in glob.glob("/proc/[0-9]*/map_files/*")[:50]:
        if opens(path, os.O_RDWR):
            return path
