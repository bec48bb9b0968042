"""Packages of command-line agents: installed whole or not at all, recorded, found again, removed."""

from __future__ import annotations

import json
import os
import stat
import threading
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from terrarium.agent.command import installation
from terrarium.agent.command.installation import find, home, install, installations, python_version, remove
from terrarium.agent.command.package import PACKAGES, Package, package_of
from terrarium.cli.main import terrarium
from terrarium.core.errors import ConfigError, EngineFault, NotRegistered

LITTLE = Package(
    name="codex", registry="pypi", requirement="little-cli", version="1.0", programs={"codex": ("bin/little", "*.py")}
)

pytestmark = pytest.mark.skipif(not python_version(), reason="the machine has no Python at /usr/bin/python3")


@pytest.fixture(autouse=True)
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in place of PyPI, with one wheel."""
    folder = tmp_path / "registry"
    folder.mkdir()
    info = "little_cli-1.0.dist-info"
    files = {
        "little_cli.py": "print('hello')\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: little-cli\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: by-hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / "little_cli-1.0-py3-none-any.whl", "w") as wheel:
        for name, text in {**files, f"{info}/RECORD": record}.items():
            wheel.writestr(name, text)
    for prefix in ("UV", "PIP"):
        monkeypatch.setenv(f"{prefix}_NO_INDEX", "1")
        monkeypatch.setenv(f"{prefix}_FIND_LINKS", str(folder))
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    uv = Path(__file__).parents[2] / ".cache" / "setup" / "bin"
    monkeypatch.setenv("PATH", f"{uv}:{os.environ['PATH']}")
    return folder


def test_a_package_is_installed_recorded_found_and_removed() -> None:
    made = install(LITTLE)
    assert find(LITTLE) == made
    assert made.folder == home() / "codex" / "1.0"
    assert (made.folder / "codex").resolve().name == "little_cli.py"
    assert made.python == python_version()
    assert list(made.parts) == ["little-cli"]
    assert made.parts["little-cli"].startswith("1.0 sha256-of-record:")
    assert json.loads((made.folder / "installed.json").read_text())["digest"] == made.digest
    for path in made.folder.rglob("*"):
        assert path.is_symlink() or path.stat().st_mode & stat.S_IROTH, path
    before = (made.folder / "installed.json").stat().st_ino
    assert install(LITTLE) == made
    assert (made.folder / "installed.json").stat().st_ino == before  # not again
    assert install(LITTLE, again=True).digest == made.digest
    assert (made.folder / "installed.json").stat().st_ino != before
    assert [path.name for path in (home() / "codex").iterdir()] == ["1.0"]
    assert remove("codex") == [made.folder]
    assert list((home() / "codex").iterdir()) == []
    with pytest.raises(ConfigError, match=r"codex 1.0 is not installed; run: terrarium agents install codex"):
        find(LITTLE)


def test_what_is_broken_is_noticed_and_made_whole() -> None:
    made = install(LITTLE)
    (made.folder / "little_cli.py").write_text("cut")
    assert not made.whole()
    assert "broken: install it again" in CliRunner().invoke(terrarium, ["agents", "list"]).output
    assert install(LITTLE).whole()
    (made.folder / "little_cli.py").unlink()
    with pytest.raises(ConfigError, match="is broken; run: terrarium agents install codex"):
        find(LITTLE)
    (made.folder / "installed.json").write_text("{")
    assert installations() == []
    with pytest.raises(ConfigError, match="is broken"):
        find(LITTLE)
    assert install(LITTLE).whole()


def test_two_who_install_the_same_both_have_it() -> None:
    made: list[object] = []
    threads = [threading.Thread(target=lambda: made.append(install(LITTLE))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made[0] == made[1] == find(LITTLE)
    assert [path.name for path in (home() / "codex").iterdir()] == ["1.0"]


def test_a_registry_that_cannot_be_reached_leaves_nothing(registry: Path) -> None:
    for wheel in registry.iterdir():
        wheel.unlink()
    with pytest.raises(EngineFault, match=r"little-cli==1.0 cannot be installed; is PyPI within reach"):
        install(LITTLE)
    assert list((home() / "codex").iterdir()) == []


def test_a_package_without_its_program_is_not_installed() -> None:
    strange = Package("codex", "pypi", "little-cli", "1.0", {"codex": ("bin/other",)})
    with pytest.raises(EngineFault, match="has no program 'codex' for this machine"):
        install(strange)
    assert installations() == []


def test_another_python_is_said() -> None:
    made = install(LITTLE)
    told = json.loads((made.folder / "installed.json").read_text())
    (made.folder / "installed.json").write_text(json.dumps({**told, "python": "3.4"}))
    with pytest.raises(ConfigError, match=r"was installed for Python 3.4, and sandboxes have"):
        find(LITTLE)


def test_a_program_that_does_not_run_is_said() -> None:
    node = home() / "node" / PACKAGES["node"].version
    with pytest.raises(ConfigError, match="does not run"):
        installation._run([str(node / "node")], Path("/"), package_of("codex"))


@pytest.mark.parametrize("version", ["../../x", "", "-x", "1/2"])
def test_a_version_is_no_path(version: str) -> None:
    with pytest.raises(ConfigError, match="is not a version"):
        install(package_of("codex", version))


def test_names_that_nobody_knows_are_told_the_nearest() -> None:
    with pytest.raises(NotRegistered, match=r"no agent 'codx' to install.*did you mean 'codex'"):
        package_of("codx")
    assert CliRunner().invoke(terrarium, ["agents", "remove", "codex"]).output == "codex is not installed\n"
    done = CliRunner().invoke(terrarium, ["agents", "install", "codex", "hermes", "--version", "1"])
    assert done.exit_code == 2
