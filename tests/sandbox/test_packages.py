import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from terrarium.core.errors import ConfigError
from terrarium.core.sandbox import ExecResult, Ground
from terrarium.sandbox.local.sandbox import LocalSandbox
from terrarium.sandbox.packages import closure, folder_of
from terrarium.sandbox.tier import tier


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder_of.cache_clear()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "terrarium" / "packages"


@pytest.fixture
def given(tmp_path: Path) -> Iterator[Callable[..., ExecResult]]:
    """Runs a command in a local sandbox that has packages or folders of the machine."""
    if tier().number != 1:
        pytest.skip("needs namespaces")

    def run(command: str, **ground: Any) -> ExecResult:
        async def work() -> ExecResult:
            sandbox = LocalSandbox(Ground(**ground))
            await sandbox.open(tmp_path / "box")
            try:
                result = await sandbox.exec(command)
                assert [row for row in sandbox.rows() if row.key.startswith(("/opt", "/srv/deep"))] == []
                return result
            finally:
                await sandbox.close()

        return asyncio.run(work())

    return run


def imported(folder: Path, code: str) -> str:
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:] = [{str(folder)!r}, *sys.path]; {code}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_a_package_comes_with_all_that_it_needs_and_nothing_else() -> None:
    folder = folder_of(("httpx",))

    assert imported(folder, "import httpx; print(httpx.__version__)") == version("httpx")
    assert {"anyio", "httpcore", "idna", "h11"} <= {path.name for path in folder.iterdir()}
    assert not [*folder.glob("pytest*"), *folder.glob("terrarium*")]
    assert all(path.stat().st_mode & 0o044 == 0o044 for path in folder.rglob("*.py"))


def test_the_same_packages_are_laid_out_once(own_cache: Path) -> None:
    assert folder_of(("idna", "h11")) == folder_of(("h11", "idna")) == next(own_cache.iterdir())
    assert len(list(own_cache.iterdir())) == 1


def test_clients_trust_what_the_sandbox_trusts() -> None:
    bundle = folder_of(("certifi",)) / "certifi" / "cacert.pem"

    assert bundle.readlink() == Path("/etc/ssl/certs/ca-certificates.crt")


def test_extras_bring_what_they_need() -> None:
    assert "cryptography" not in closure(["pyjwt"])
    assert "cryptography" in closure(["pyjwt[crypto]"])


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (["no-such-package"], "pip install 'no-such-package'"),
        (["httpx<0.1"], "is installed beside Terrarium"),
        (["terrarium"], "cannot be given away"),
        (["../etc"], "is not the name of a package"),
        ([7], "is not installed"),
    ],
)
def test_what_cannot_be_given_is_told(wanted: list[str], told: str, own_cache: Path) -> None:
    with pytest.raises(ConfigError, match=told):
        folder_of(tuple(wanted))
    assert not own_cache.exists() or not list(own_cache.iterdir())


def test_compiled_for_another_python_is_told_before_an_agent_meets_it() -> None:
    with pytest.raises(ConfigError, match="the same version of Python"):
        folder_of(("charset-normalizer", "cffi"), python=(3, 9))


def test_programs_in_a_sandbox_import_them(given: Callable[..., ExecResult]) -> None:
    found = given("/usr/bin/python3 -c 'import httpx, idna; print(httpx.__file__)'", packages=["httpx", "idna"])

    assert found.stdout.strip() == "/opt/packages/httpx/__init__.py", found.stderr


def test_a_folder_of_the_machine_is_read_and_not_written(given: Callable[..., ExecResult], tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir(mode=0o755)
    (own / "note.txt").write_text("hello")
    (own / "note.txt").chmod(0o644)

    found = given(
        "cat /srv/deep/er/note.txt; echo x > /srv/deep/er/note.txt; rm /srv/deep/er/note.txt; rmdir /srv/deep/er; "
        "touch /srv/beside && echo made",
        mounts={"/srv/deep/er": str(own)},
    )

    assert found.stdout == "hellomade\n"
    assert (own / "note.txt").read_text() == "hello"
    assert [path.name for path in own.iterdir()] == ["note.txt"]
