"""The managed vLLM server, with a stand-in for vLLM: its processes, its state, and who stops it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from terrarium.cli.main import terrarium as command
from terrarium.core.errors import ConfigError, ModelFault
from terrarium.core.message import Message
from terrarium.model.vllm.families import FAMILIES, family_of
from terrarium.model.vllm.lease import lease
from terrarium.model.vllm.process import Identity, boot
from terrarium.model.vllm.server import health, start, stop
from terrarium.model.vllm.settings import VllmSettings
from terrarium.model.vllm.state import Running, all_running, folder, in_use, remember, running
from terrarium.run.models import close_models, make_model

STAND_IN = Path(__file__).with_name("vllm_stand_in.py")
TERRARIUM = [sys.executable, "-m", "terrarium.cli.main"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A state folder of the test's own; no server outlives it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    yield tmp_path
    for server in all_running():
        stop(server, force=True)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def settings(manner: str = "", **more: Any) -> VllmSettings:
    table = {
        "model_name": "small/model",
        "port": free_port(),
        "launch_command": [sys.executable, str(STAND_IN)],
        "env": {"STAND_IN": manner},
        "startup_timeout": 60,
        **more,
    }
    return VllmSettings.of(table)


def gone(pids: list[int]) -> bool:
    return not any(Path(f"/proc/{pid}").exists() and Identity.of(pid) for pid in pids)


# -- settings and families ------------------------------------------------------------------------------------------


def test_the_command_of_the_settings() -> None:
    given = VllmSettings.of(
        {
            "model_name": "Qwen/Qwen3-8B",
            "checkpoint": "/weights/qwen",
            "port": 8001,
            "tensor_parallel_size": 2,
            "max_model_len": 32768,
            "dtype": "bfloat16",
            "gpu_memory_utilization": 0.85,
            "additional_args": "--enforce-eager --seed 7",
        }
    )
    assert " ".join(given.command()) == (
        "vllm serve /weights/qwen --enable-auto-tool-choice --host 127.0.0.1 --port 8001 "
        "--served-model-name Qwen/Qwen3-8B --tensor-parallel-size 2 --max-model-len 32768 --dtype bfloat16 "
        "--gpu-memory-utilization 0.85 --tool-call-parser hermes --reasoning-parser qwen3 --enforce-eager --seed 7"
    )
    plain = VllmSettings.of({"model_name": "Qwen/Qwen3-8B", "tool_call_parser": "none", "reasoning_parser": "none"})
    assert not any("parser" in word or "tool" in word for word in plain.command())
    assert (
        "chat_template=tool_chat_template_llama3.1_json.jinja"
        in (VllmSettings.of({"model_name": "meta-llama/Llama-3.1-8B-Instruct"}).advice[0])
    )
    assert "calls=text" in VllmSettings.of({"model_name": "own/model"}).advice[0]


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"model_nam": "x"}, "did you mean 'model_name'"),
        ({}, "model_name: Field required"),
        ({"model_name": "m", "port": 0}, "port: "),
        ({"model_name": "m", "gpu_memory_utilization": 1.5}, "gpu_memory_utilization: "),
        ({"model_name": "m", "tensor_parallel_size": "two"}, "tensor_parallel_size: "),
    ],
)
def test_settings_that_make_no_sense(table: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        VllmSettings.of(table)


@pytest.mark.parametrize(
    ("model", "tools", "reasoning"),
    [
        ("Qwen/Qwen3-Coder-30B-A3B-Instruct", "qwen3_xml", None),
        ("Qwen/Qwen3-8B", "hermes", "qwen3"),
        ("Qwen/Qwen2.5-7B-Instruct", "hermes", None),
        ("Qwen/Qwen2.5-Coder-7B-Instruct", None, None),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", None, "deepseek_r1"),
        ("deepseek-ai/DeepSeek-V3.1", "deepseek_v31", "deepseek_v3"),
        ("openai/gpt-oss-20b", "openai", "openai_gptoss"),
        ("meta-llama/Llama-4-Scout-17B-16E-Instruct", "llama4_pythonic", None),
        ("mistralai/Mistral-7B-Instruct-v0.3", "mistral", None),
        ("Salesforce/Llama-xLAM-2-8B-fc-r", "xlam", None),
    ],
)
def test_the_family_of_a_model(model: str, tools: str | None, reasoning: str | None) -> None:
    family = family_of(model)
    assert family is not None
    assert (family.tools, family.reasoning) == (tools, reasoning)


def test_a_model_of_no_family_and_patterns_that_are_all_different() -> None:
    assert family_of("somebody/own-model") is None
    assert len({family.pattern for family in FAMILIES}) == len(FAMILIES)


# -- one server -----------------------------------------------------------------------------------------------------


def test_a_server_is_started_once_and_stopped_with_everything_it_started() -> None:
    given, told = settings(), list[str]()
    with ThreadPoolExecutor(2) as threads:  # two at once: one starts it, the other waits for it too
        first, second = (done.result() for done in [threads.submit(start, given, told.append) for _ in range(2)])
    assert first == second == running(given.port)
    assert health(given) == "healthy"
    assert len(first.process.members()) == 2
    assert sum("started small/model" in line for line in told) == 1
    with pytest.raises(ConfigError, match="is that of the server of small/model"):
        start(given.model_copy(update={"model_name": "other"}))
    members = first.process.members()
    stop(first)
    assert gone(members)
    assert running(given.port) is None
    assert "Application startup complete." in Path(first.log).read_text()


def test_a_server_gets_no_key_of_another_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "VLLM_API_KEY"):
        monkeypatch.setenv(name, "a-key-of-somebody")
    server = start(settings("alone", env={"STAND_IN": "alone", "MINE_API_KEY": "given"}))
    environment = Path(f"/proc/{server.process.pid}/environ").read_text().split("\0")
    kept = {word.partition("=")[0] for word in environment if "_API_KEY=" in word}
    assert kept == {"VLLM_API_KEY", "MINE_API_KEY"}


def test_a_server_that_dies_while_it_starts_is_told_with_its_last_lines() -> None:
    given, told = settings("die"), list[str]()
    with pytest.raises(ModelFault, match=r"ended before it was well.*CUDA error"):
        start(given, told.append)
    assert any("CUDA error" in line for line in told)
    assert running(given.port) is None


def test_a_server_that_is_not_well_in_time_is_ended() -> None:
    given = settings("hang", startup_timeout=1.0)
    with pytest.raises(ModelFault, match=r"was not well after 1 s.*loading small/model"):
        start(given)
    assert all_running() == []


@pytest.mark.parametrize("force", [True, False])
def test_a_server_that_does_not_end_is_killed(force: bool) -> None:
    server = start(settings("stubborn"))
    members = server.process.members()
    assert len(members) == 2
    stop(server, force=force, grace=0.3)
    assert gone(members)


def test_a_child_that_outlives_its_server_is_stopped_too() -> None:
    server = start(settings())
    children = [pid for pid in server.process.members() if pid != server.process.pid]
    os.kill(server.process.pid, signal.SIGKILL)
    until = time.monotonic() + 20
    while server.process.alive and time.monotonic() < until:
        time.sleep(0.02)
    assert running(server.port) is None
    stop(server)
    assert gone(children)


def test_a_port_that_is_taken_and_a_command_that_is_not_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        other.settimeout(0)
        with pytest.raises(ConfigError, match="something else listens"):
            start(settings(port=port))
    with pytest.raises(ConfigError, match="there is no command 'no-such-vllm'"):
        start(settings(launch_command="no-such-vllm serve"))


# -- state that is not true any more --------------------------------------------------------------------------------


def test_a_number_that_is_another_process_now_is_not_touched() -> None:
    mine = Identity.of(os.getpid())
    assert mine is not None
    for process in (replace(mine, began=mine.began - 5), replace(mine, boot="another start of the machine")):
        remember(Running(process, "http://127.0.0.1:9", 9, "m", "/nowhere"))
        assert process.members() == []
        process.end(force=True)
        assert running(9) is None
        assert not (folder() / "9.json").exists()
    assert mine.alive
    assert boot() == mine.boot


@pytest.mark.parametrize("text", ["", "[]", '{"process": 3}', '{"process": {"pid": 1}}', "\udcff"])
def test_a_state_file_that_is_damaged_is_removed(text: str) -> None:
    file = folder() / "9.json"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert all_running() == []
    assert not file.exists()


# -- automatic ------------------------------------------------------------------------------------------------------


def test_clients_share_a_server_that_the_last_of_them_stops() -> None:
    async def use() -> None:
        given = settings()
        one, two = await asyncio.gather(lease(given), lease(given))
        assert one.url == two.url == f"http://127.0.0.1:{given.port}/v1"
        [server] = all_running()
        assert server.automatic
        assert in_use(given.port)
        await one.release()
        await one.release()
        assert health(given) == "healthy"
        await two.release()
        assert gone([server.process.pid])
        assert all_running() == []

    asyncio.run(use())


def test_the_client_has_its_server_started_at_the_first_request_and_stopped_at_the_end() -> None:
    given = settings()
    table = given.model_dump(include={"port", "launch_command", "env", "startup_timeout"})

    async def use() -> None:
        with pytest.raises(ConfigError, match="no base_url beside it"):
            make_model("vllm/small/model", {"server": table, "base_url": given.url})
        with pytest.raises(ConfigError, match="did you mean 'port'"):
            make_model("vllm/small/model", {"server": {"prt": 1}})
        model = make_model("vllm/small/model", {"server": table})
        assert all_running() == []
        asked = [model.generate([Message("user", word)], []) for word in ("one", "two")]
        assert [answer.message.text for answer in await asyncio.gather(*asked)] == ["one", "two"]
        assert [server.automatic for server in all_running()] == [True]
        await close_models()
        assert all_running() == []

    asyncio.run(use())


def test_a_client_whose_server_dies_is_told_why() -> None:
    async def use() -> None:
        table = settings("die").model_dump(include={"port", "launch_command", "env"})
        with pytest.raises(ModelFault, match="CUDA error"):
            await make_model("vllm/small/model", {"server": table}).generate([Message("user", "one")], [])
        await close_models()

    asyncio.run(use())


def test_a_server_that_was_there_is_taken_and_left() -> None:
    given = settings()
    server = start(given)

    async def use() -> None:
        taken = await lease(given.model_copy(update={"auto_start_server": False}))
        await taken.release()
        assert server.process.alive
        with pytest.raises(ConfigError, match="prefer_existing_server is off"):
            await lease(given.model_copy(update={"prefer_existing_server": False}))

    asyncio.run(use())


def test_no_server_where_none_may_be_started() -> None:
    with pytest.raises(ModelFault, match="terrarium vllm start small/model"):
        asyncio.run(lease(settings(auto_start_server=False)))


def test_a_server_is_stopped_where_its_only_client_forgets_to(home: Path) -> None:
    given = settings()
    code = (
        "import asyncio, sys; from terrarium.model.vllm.lease import lease; "
        "from terrarium.model.vllm.settings import VllmSettings; import json; "
        "asyncio.run(lease(VllmSettings.of(json.loads(sys.argv[1])))); print('had it')"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, given.model_dump_json()], capture_output=True, text=True, timeout=60
    )
    assert told.stdout == "had it\n", told.stderr
    assert all_running() == []


# -- the commands ---------------------------------------------------------------------------------------------------


def terrarium(*words: str, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(command, ["vllm", *words], env=env)


def test_start_status_and_stop_on_the_command_line() -> None:
    given = settings()
    launch = f"{sys.executable} {STAND_IN}"
    known = ["small/model", "--port", str(given.port), "--launch-command", launch, "--env", "STAND_IN="]
    words = [*TERRARIUM, "vllm", "start", *known, "--", "--enforce-eager"]
    began = subprocess.run(words, capture_output=True, text=True, timeout=90)
    assert began.returncode == 0, began.stderr
    assert f"small/model is served at http://127.0.0.1:{given.port}/v1" in began.stdout
    [server] = all_running()
    assert "--enforce-eager" in Path(server.log).read_text()
    seen = terrarium("status", "--json")
    assert seen.exit_code == 0
    [one] = json.loads(seen.stdout)
    assert one["state"] == "healthy"
    assert one["pid"] == server.process.pid
    assert not one["automatic"]
    again = terrarium("start", *known)
    assert "is served already" in again.stderr
    ended = terrarium("stop", "--port", str(given.port))
    assert ended.stdout.startswith("stopped small/model at port")
    assert gone([server.process.pid])
    none = terrarium("status")
    assert (none.exit_code, none.stdout) == (1, "no server runs\n")


def test_a_failed_start_shows_what_the_server_said_and_steers_no_terminal() -> None:
    known = ["small/model", "--port", str(free_port()), "--launch-command", f"{sys.executable} {STAND_IN}"]
    failed = terrarium("start", *known, env={"STAND_IN": "die"})
    assert failed.exit_code == 1
    assert "CUDA error" in failed.stderr
    assert "\x1b" not in failed.stderr


def test_run_stays_in_the_foreground_until_it_is_stopped() -> None:
    given = settings()
    words = ["run", "--foreground", "small/model", "--port", str(given.port)]
    foreground = [*TERRARIUM, "vllm", *words, "--launch-command", f"{sys.executable} {STAND_IN}"]
    with subprocess.Popen(
        foreground, stdout=subprocess.PIPE, text=True, env={**os.environ, "STAND_IN": "alone"}
    ) as process:
        assert process.stdout is not None
        lines = []
        while "startup complete" not in (line := process.stdout.readline()) and line:
            lines.append(line)
        assert lines[0].startswith("loading small/model")
        assert health(given) == "healthy"
        assert all_running() == []
        process.terminate()
        assert process.wait(30) == 128 + signal.SIGTERM
