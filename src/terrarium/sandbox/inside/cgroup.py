"""Control groups: caps on all processes of a sandbox together, where the kernel and our rights give them."""

from __future__ import annotations

import os
import signal
import time

PREFIX = "terrarium-"
_WANTED = ("memory", "pids", "cpu", "cpuacct", "freezer")
_PERIOD = 100_000  # microseconds over which a share of the processors is counted


class Hierarchy:
    """Where groups can be made: a folder for each controller (version 1), or the same one for all (version 2)."""

    def __init__(self, version: int, places: dict[str, str]) -> None:
        self.version = version
        self.places = places

    def caps(self) -> dict[str, str]:
        """Which caps it enforces, and by what."""
        names = {"memory": "memory", "processes": "pids", "cpus": "cpu", "cpu_seconds": "cpuacct"}
        by = f"cgroup v{self.version}"
        found = {cap: by for cap, controller in names.items() if controller in self.places}
        if "cpu_seconds" in found:
            found["cpu_seconds"] = f"{by}, looked at every 200 ms"
        return found

    def sweep(self, patience: float = 0.0) -> None:
        """Remove the groups of processes that are gone, and end who is in them still.

        Groups of other pid namespaces are not ours to judge.

        Args:
            patience: Seconds for the last to end.
        """
        end = time.monotonic() + patience
        while not all([_end(folder) and _remove(folder) for folder in self._abandoned()]) and time.monotonic() < end:
            time.sleep(0.01)

    def _abandoned(self) -> list[str]:
        space, found = os.stat("/proc/self/ns/pid").st_ino, []
        for place in sorted(set(self.places.values())):
            for name in sorted(_names(place)):
                words = name.removeprefix(PREFIX).split("-")
                if name.startswith(PREFIX) and words[0] == str(space) and "-".join(words[:3]) != owner(words[1]):
                    found.append(f"{place}/{name}")
        return found


def owner(pid: int | str) -> str:
    """What the names of a process's groups begin with: no later process of that number has the same."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            words = file.read().rpartition(b")")[2].split()
        began = 0 if words[0] in (b"Z", b"X") else int(words[19])  # a zombie is nobody
    except (OSError, ValueError, IndexError):
        began = 0
    return f"{os.stat('/proc/self/ns/pid').st_ino}-{pid}-{began}"


class Group:
    """The control group of one sandbox.

    Args:
        hierarchy: Where it is made.
        name: Unique on this machine.
        limits: `memory` and `processes` as numbers, `cpus` as cores; None or missing: no limit.

    Raises:
        OSError: It cannot be made.
    """

    def __init__(self, hierarchy: Hierarchy, name: str, limits: dict[str, float | None]) -> None:
        self.version = hierarchy.version
        self.folders = {key: f"{place}/{PREFIX}{name}" for key, place in hierarchy.places.items()}
        for folder in sorted(set(self.folders.values())):
            os.mkdir(folder)
        memory, processes, cpus = limits.get("memory"), limits.get("processes"), limits.get("cpus")
        old = self.version == 1
        if memory:
            self._write("memory", "memory.limit_in_bytes" if old else "memory.max", str(int(memory)))
            self._try("memory", "memory.memsw.limit_in_bytes" if old else "memory.swap.max", str(int(memory) * old))
        if processes:
            self._write("pids", "pids.max", str(int(processes)))
        if cpus:
            quota = int(cpus * _PERIOD)
            if old:
                self._write("cpu", "cpu.cfs_period_us", str(_PERIOD))
                self._write("cpu", "cpu.cfs_quota_us", str(quota))
            else:
                self._write("cpu", "cpu.max", f"{quota} {_PERIOD}")

    def doors(self) -> list[int]:
        """Descriptors to which a process writes `0` to come in."""
        return [os.open(f"{folder}/cgroup.procs", os.O_WRONLY) for folder in sorted(set(self.folders.values()))]

    def meter(self) -> int | None:
        """A descriptor that tells the processor time used; None where there is none."""
        if "cpuacct" not in self.folders:
            return None
        return os.open(f"{self.folders['cpuacct']}/{'cpuacct.usage' if self.version == 1 else 'cpu.stat'}", os.O_RDONLY)

    def freeze(self) -> bool:
        """Stop everything in it without its notice; False where it does not stand still within a second."""
        if "freezer" not in self.folders:
            return False
        old = self.version == 1
        self._write("freezer", "freezer.state" if old else "cgroup.freeze", "FROZEN" if old else "1")
        end = time.monotonic() + 1.0
        while time.monotonic() < end:
            with open(f"{self.folders['freezer']}/{'freezer.state' if old else 'cgroup.events'}", "rb") as file:
                text = file.read()
            if (text.strip() == b"FROZEN") if old else b"frozen 1" in text:
                return True
            time.sleep(0.0005)
        self.thaw()
        return False

    def thaw(self) -> None:
        """Let it go on."""
        if "freezer" in self.folders:
            _thaw(self.folders["freezer"])

    def remove(self) -> bool:
        """Remove it once everything in it has ended; False where something has not yet."""
        return all([_remove(folder) for folder in sorted(set(self.folders.values()))])

    def _write(self, controller: str, name: str, value: str) -> None:
        if controller in self.folders:
            with open(f"{self.folders[controller]}/{name}", "w") as file:
                file.write(value)

    def _try(self, controller: str, name: str, value: str) -> None:
        try:
            self._write(controller, name, value)
        except OSError:
            pass  # swap is not accounted here


def find() -> Hierarchy | None:
    """Where this process may make groups with limits; None where it may not."""
    try:
        with open("/proc/self/cgroup") as file:
            own = [line.rstrip("\n").split(":", 2) for line in file]
        with open("/proc/self/mountinfo") as file:
            mounts = [line.split() for line in file if " - cgroup" in line]
    except OSError:
        return None
    return _first_version(own, mounts) or _second_version(own, mounts)


def _first_version(own: list[list[str]], mounts: list[list[str]]) -> Hierarchy | None:
    places = {}
    for _, controllers, path in own:
        for mount in mounts:
            kind, options = mount[mount.index("-") + 1], mount[-1].split(",")
            for controller in controllers.split(","):
                if kind == "cgroup" and controller in _WANTED and controller in options:
                    place = mount[4] + (path.removeprefix(mount[3].rstrip("/")) if path != "/" else "")
                    if _may_write(place):
                        places[controller] = place
    return Hierarchy(1, places) if "memory" in places else None


def _second_version(own: list[list[str]], mounts: list[list[str]]) -> Hierarchy | None:
    path = next((path for number, _, path in own if number == "0"), None)
    top = next((mount[4] for mount in mounts if mount[mount.index("-") + 1] == "cgroup2"), None)
    if path is None or top is None:
        return None
    own_place = os.path.normpath(f"{top}/{path}")
    for place in dict.fromkeys((top, own_place, os.path.dirname(own_place))):
        if place.startswith(top) and _may_write(place) and os.access(f"{place}/cgroup.procs", os.W_OK):
            given = _read(f"{place}/cgroup.subtree_control")
            if place == top and not {"memory", "pids"} <= given:
                try:  # the topmost group may hold processes and hand controllers down at the same time
                    with open(f"{place}/cgroup.subtree_control", "w") as file:
                        file.write("+memory +pids +cpu")
                except OSError:
                    continue
                given = _read(f"{place}/cgroup.subtree_control")
            if {"memory", "pids"} <= given:
                names = ["memory", "pids", "freezer", *(["cpu", "cpuacct"] if "cpu" in given else [])]
                return Hierarchy(2, dict.fromkeys(names, place))
    return None


def _may_write(place: str) -> bool:
    return os.path.isdir(place) and os.access(place, os.W_OK)


def _read(path: str) -> set[str]:
    try:
        with open(path) as file:
            return set(file.read().split())
    except OSError:
        return set()


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _end(folder: str) -> bool:
    """End every process in a group; True, for whoever goes on to remove it."""
    for pid in sorted(_read(f"{folder}/cgroup.procs")):
        try:
            os.kill(int(pid), signal.SIGKILL)
        except OSError:
            pass
    _thaw(folder)
    return True


def _thaw(folder: str) -> None:
    """Let a group go on: nothing ends in one that stands still because its engine was killed during a snapshot."""
    for name, value in (("freezer.state", "THAWED"), ("cgroup.freeze", "0")):
        if os.path.exists(f"{folder}/{name}"):
            try:
                with open(f"{folder}/{name}", "w") as file:
                    file.write(value)
            except OSError:
                pass  # it has gone meanwhile


def _remove(folder: str) -> bool:
    try:
        os.rmdir(folder)
    except FileNotFoundError:
        pass
    except OSError:
        return False
    return True
