"""The faces of a workspace for its task program: `fs` and `shell`."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from terrarium.capability.workspace_place import Place, as_bytes
from terrarium.core.capability import reads, writes
from terrarium.core.errors import NotFound, Refused
from terrarium.core.sandbox import FILE_LIMIT, ExecResult, Sandbox


class Files:
    """The face `fs`: files of the workspace. Relative paths start at the working directory."""

    def __init__(self, place: Callable[[], Place]) -> None:
        self._place = place

    @reads
    def read_file(self, path: str) -> bytes:
        """The content of a file, at most 100 MiB.

        Raises:
            NotFound: No such file.
            Refused: It is a folder, or larger.
        """
        content: bytes = self._wait(self._sandbox.read(self._at(path)))
        return content

    @reads
    def read_text(self, path: str) -> str:
        """The content of a file as UTF-8.

        Raises:
            NotFound: No such file.
            Refused: It is a folder, or not UTF-8.
        """
        try:
            return self.read_file(path).decode()
        except UnicodeDecodeError:
            raise Refused(f"{path} is not UTF-8 text; use read_file") from None

    @writes(silent=True)
    def write_file(self, path: str, content: str | bytes) -> None:
        """Write a file, text as UTF-8; missing parents are made.

        Raises:
            Refused: The path is a folder, the content is over 100 MiB, or text that UTF-8 cannot hold.
        """
        self._place().write_from_program(path, as_bytes(content))

    @reads
    def exists(self, path: str) -> bool:
        """Whether there is a file or folder."""
        found: bool = self._wait(self._place().find(path))
        return found

    @writes(silent=True)
    def remove(self, path: str) -> None:
        """Remove a file or a whole folder; nothing happens where there is none, as with `rm -rf`.

        Raises:
            Refused: The sandbox cannot do without it.
        """
        try:
            self._wait(self._place().remove(path))
        except NotFound:
            pass
        except Refused as error:
            if error.code != "ENOTDIR":  # a file stands where a folder would have to be: there is nothing below it
                raise

    @reads
    def list_dir(self, path: str = ".") -> list[str]:
        """The names in a folder, sorted, without those that start with a dot, as with `ls -1`.

        Raises:
            NotFound: No such folder.
        """
        names: list[str] = self._wait(self._sandbox.list(self._at(path)))
        return [name.rstrip("/") for name in names if not name.startswith(".")]

    @writes(silent=True)
    def make_dir(self, path: str) -> None:
        """Make a folder and its parents; one that is there stays.

        Raises:
            Refused: A file is in the way.
        """
        self._wait(self._place().make_dir(self._at(path)))

    @writes(silent=True)
    def upload(self, local_path: str, sandbox_path: str) -> None:
        """Copy a file or folder of this machine into the workspace; of a folder, its content, to that very path.

        Links to files inside the folder are followed; files that may be executed stay so.

        Raises:
            NotFound: No such local path.
            Refused: A link leads outside the folder or to a folder, something is neither file nor folder, a file is
                over 100 MiB or cannot be read. Nothing was written then.
        """
        files, folders = _local_files(Path(local_path))
        target = self._at(sandbox_path)
        for name in folders:
            self._wait(self._place().make_dir(posixpath.join(target, name) if name else target))
        for name, source in files:
            path = posixpath.join(target, name) if name else target
            try:
                content, runs = source.read_bytes(), bool(source.stat().st_mode & 0o100)
            except OSError as error:
                raise Refused(f"{source} cannot be read: {error.strerror}") from error
            self._place().write_from_program(path, content, 0o755 if runs else None)

    @reads
    def download(self, sandbox_path: str, local_path: str) -> None:
        """Copy a file or folder of the workspace to this machine; of a folder, its content, to that very path.

        Raises:
            NotFound: No such path in the workspace.
            Refused: It cannot be written here.
        """
        self._fetch(self._at(sandbox_path), Path(local_path))

    def _fetch(self, path: str, target: Path) -> None:
        try:
            try:
                names: list[str] = self._wait(self._sandbox.list(path))
            except NotFound:
                content = self._wait(self._sandbox.read(path))
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
                return
            target.mkdir(parents=True, exist_ok=True)
        except (OSError, UnicodeEncodeError) as error:
            raise Refused(f"{target} cannot be written: {getattr(error, 'strerror', error)}") from error
        for name in names:
            bare = name.rstrip("/")
            if bare in ("", ".", "..") or "/" in bare or "\0" in bare:
                raise Refused(f"{path} holds a name that is none: {bare!r}")
            self._fetch(posixpath.join(path, bare), target / bare)

    @property
    def _sandbox(self) -> Sandbox:
        return self._place().sandbox

    def _at(self, path: str) -> str:
        return self._place().at(path)

    def _wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self._place().block(work)


class Shell:
    """The face `shell`: commands in the workspace."""

    def __init__(self, place: Callable[[], Place]) -> None:
        self._place = place

    @writes(silent=True)
    def exec(
        self, command: str | list[str], timeout: float | None = None, env: dict[str, str] | None = None
    ) -> ExecResult:
        """Run a command in the working directory: text through the shell, a list without one.

        Args:
            command: What to run.
            timeout: Seconds of wall time; None: the trial's limit for commands.
            env: Variables on top of those of the configuration.

        Returns:
            `exit_code`, `stdout` and `stderr` (at most 1 MiB each) and `truncated`. A command that fails is a result.

        Raises:
            CommandTimeout: It ran longer.
            Refused: It is no text, or an empty list.
        """
        result: ExecResult = self._place().wait(self._place().run(command, timeout, env))
        return result


def _local_files(root: Path) -> tuple[list[tuple[str, Path]], list[str]]:
    """(name below the root, path) of each local file and the names of folders, parents first; all of it checked."""
    try:
        root = root.resolve(strict=True)
    except FileNotFoundError:
        raise NotFound(f"there is no local path {str(root)!r}") from None
    except (OSError, RuntimeError, ValueError) as error:
        raise Refused(f"local path {str(root)!r} cannot be followed: {error}") from error
    if not root.is_dir():
        _check_local(root)
        return [("", root)], []
    files: list[tuple[str, Path]] = []
    folders: list[str] = []
    try:
        for folder, below, names in os.walk(root, onerror=_raise):
            below.sort()
            name = Path(folder).relative_to(root).as_posix()
            folders.append("" if name == "." else name)
            links = [link for link in below if Path(folder, link).is_symlink()]
            for path in (Path(folder, name) for name in sorted(names + links)):
                if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(root):
                    raise Refused(f"{path} is a link that leads outside {root}")
                _check_local(path)
                files.append((path.relative_to(root).as_posix(), path))
    except OSError as error:
        raise Refused(f"{error.filename} cannot be read: {error.strerror}") from error
    return files, folders


def _check_local(path: Path) -> None:
    try:
        path.name.encode()
    except UnicodeEncodeError:
        raise Refused(f"the name {path.name!r} is not UTF-8") from None
    if not path.is_file():
        raise Refused(f"{path} is no regular file, or a link to a folder or to nothing")
    if path.stat().st_size > FILE_LIMIT:
        raise Refused(f"{path} is over 100 MiB")


def _raise(error: OSError) -> None:
    raise error
