"""Python packages of the engine's environment, laid out in a folder that a sandbox can be given.

A task whose agent works with a vendor's own client asks for it by name; what is installed beside Terrarium is used, so
nothing is downloaded, and the folder holds those packages with all they need and nothing else.
"""

from __future__ import annotations

import compileall
import functools
import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path, PurePosixPath
from py_compile import PycInvalidationMode

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from terrarium.core.errors import ConfigError

_TRUSTED = "/etc/ssl/certs/ca-certificates.crt"
_BUNDLES = ("certifi/cacert.pem", "httplib2/cacerts.txt")
_BOUND = re.compile(r"\.cpython-(\d)(\d+)[-.]")


@functools.cache
def folder_of(wanted: tuple[str, ...], python: tuple[int, int] | None = None) -> Path:
    """A folder with the installed packages of these names and all that they need; made once and kept.

    Args:
        wanted: Requirements such as `notion-client` or `httpx[http2]>=0.27`.
        python: The version of Python that shall import them; None: it is not known.

    Raises:
        ConfigError: One is not installed, or only another version of Python can load it.
    """
    found = closure(wanted)
    names = sorted(f"{name}=={dist.version}" for name, dist in found.items())
    key = hashlib.sha256("\n".join([*names, f"{sys.version_info[:2]}"]).encode()).hexdigest()[:24]
    place = _cache() / key
    if not place.is_dir():
        _lay(place, found)
    if python is not None and python != sys.version_info[:2]:
        _check_python(place, python)
    return place


def version_at(root: str) -> tuple[int, int] | None:
    """The version of the Python that programs of a root filesystem use; None where that is not known."""
    try:
        named = re.fullmatch(r"python(\d+)\.(\d+)", str(Path(root, "usr/bin/python3").readlink()))
    except OSError:
        return None
    return (int(named[1]), int(named[2])) if named else None


def closure(wanted: Sequence[str]) -> dict[str, Distribution]:
    """The installed distributions of these names and all that they need, by canonical name.

    Raises:
        ConfigError: One is not installed, or not in the version that is asked for.
    """
    found: dict[str, Distribution] = {}
    done: set[tuple[str, str]] = set()
    todo = [(_requirement(text), "") for text in wanted]
    while todo:
        requirement, by = todo.pop()
        name = canonicalize_name(requirement.name)
        try:
            dist = found.get(name) or distribution(requirement.name)
        except PackageNotFoundError:
            needed = f", which {by} needs," if by else ""
            raise ConfigError(
                f"the package {requirement.name}{needed} is not installed beside Terrarium; "
                f"install it into the same environment: pip install '{requirement.name}'"
            ) from None
        if not requirement.specifier.contains(dist.version, prereleases=True):
            raise ConfigError(f"{requirement} is asked for, and {dist.version} is installed beside Terrarium")
        found[name] = dist
        for extra in ("", *sorted(requirement.extras)):
            if (name, extra) not in done:
                done.add((name, extra))
                todo += [(needed, name) for needed in _needs(dist, extra)]
    return found


def _needs(dist: Distribution, extra: str) -> Iterator[Requirement]:
    for text in dist.requires or ():
        needed = Requirement(text)
        if needed.marker is None:
            if not extra:
                yield needed
        elif needed.marker.evaluate({"extra": extra}) and (not extra or not needed.marker.evaluate({"extra": ""})):
            yield needed


def _requirement(text: object) -> Requirement:
    try:
        return Requirement(str(text))
    except InvalidRequirement as error:
        raise ConfigError(f"{text!r:.100} is not the name of a package: {error}") from None


def _lay(place: Path, found: dict[str, Distribution]) -> None:
    """Copy the packages' files; whoever else does so at the same time gets the same folder."""
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=place.parent, prefix=".draft-"))
    try:
        for name, dist in found.items():
            files = [file for file in dist.files or () if _inside(file)]
            if not files or _editable(dist):
                raise ConfigError(
                    f"the package {name} is not installed as files of its own, so it cannot be given away"
                )
            for file in files:
                source, target = Path(str(file.locate())), draft / file
                if source.is_file():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(source, target)
                    target.chmod(0o755 if os.access(source, os.X_OK) else 0o644)
        for bundle in _BUNDLES:
            if (draft / bundle).is_file():  # a world has authorities of its own
                (draft / bundle).unlink()
                (draft / bundle).symlink_to(_TRUSTED)
        compileall.compile_dir(draft, quiet=2, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH, stripdir=draft)
        for folder in (draft, *(path for path in draft.rglob("*") if path.is_dir())):
            folder.chmod(0o755)
        try:
            draft.rename(place)
        except OSError:
            if not place.is_dir():
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _inside(file: PurePosixPath) -> bool:
    """Whether a file lies among the packages: not a script beside them, nor something compiled on the way."""
    return not file.is_absolute() and ".." not in file.parts and "__pycache__" not in file.parts


def _editable(dist: Distribution) -> bool:
    told = json.loads(dist.read_text("direct_url.json") or "{}")
    return bool(told.get("dir_info", {}).get("editable"))


def _check_python(place: Path, python: tuple[int, int]) -> None:
    for path in place.rglob("*.so"):
        bound = _BOUND.search(path.name)
        if bound and (int(bound[1]), int(bound[2])) != python:
            raise ConfigError(
                f"{path.relative_to(place)} can be loaded by Python {bound[1]}.{bound[2]} only, and the sandbox's is "
                f"{python[0]}.{python[1]}: run Terrarium with the same version of Python as the system's"
            )


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "terrarium" / "packages"
