import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from terrarium.core.errors import ConfigError
from terrarium.sandbox.packages import closure, folder_of


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "terrarium" / "packages"


def imported(folder: Path, code: str) -> str:
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:] = [{str(folder)!r}, *sys.path]; {code}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_a_package_comes_with_all_that_it_needs_and_nothing_else() -> None:
    folder = folder_of(["httpx"])

    assert imported(folder, "import httpx; print(httpx.__version__)") == version("httpx")
    assert {"anyio", "httpcore", "idna", "h11"} <= {path.name for path in folder.iterdir()}
    assert not list(folder.glob("pytest*")) and not list(folder.glob("terrarium*"))
    assert all(path.stat().st_mode & 0o044 == 0o044 for path in folder.rglob("*.py"))


def test_the_same_packages_are_laid_out_once(own_cache: Path) -> None:
    assert folder_of(["idna", "h11"]) == folder_of(["h11", "idna"]) == next(own_cache.iterdir())
    assert len(list(own_cache.iterdir())) == 1


def test_clients_trust_what_the_sandbox_trusts() -> None:
    bundle = folder_of(["certifi"]) / "certifi" / "cacert.pem"

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
        folder_of(wanted)
    assert not own_cache.exists() or not list(own_cache.iterdir())


def test_compiled_for_another_python_is_told_before_an_agent_meets_it() -> None:
    with pytest.raises(ConfigError, match="the same version of Python"):
        folder_of(["charset-normalizer", "cffi"], python=(3, 9))
