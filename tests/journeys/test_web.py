"""A whole world: sites that a task invents, asked by the programs that people use, and by tools alone."""

from __future__ import annotations

import base64
import hashlib
import shutil
import zipfile
from pathlib import Path

import pytest

from terrarium.sandbox.tier import tier

needs_namespaces = pytest.mark.skipif(tier().number > 1, reason="this machine gives no namespaces")

TASK = """
    @entry(["email", "calendar", "web", "workspace"], capabilities_config={{
        "workspace": {{"sandbox": "{sandbox}"}},
        "web": {{"sites": {{"pypi.example": {{"folder": {wheels!r}, "packages": True}}}}}},
    }})
    def fn(env, agent):
        env.web.put("shop.example", "/index.html", "<h1>Shop</h1><a href='/tea'>Tea</a>")
        env.web.put("shop.example", "/tea", "3 EUR", type="text/plain")
        env.when(
            lambda: any(visit["path"] == "/tea" for visit in env.web.log("shop.example")),
            lambda: env.web.put("shop.example", "/tea", "4 EUR", type="text/plain"),
        )
        for _ in range({turns}):
            env.reward(agent.act("Look around.").text, 0)
        return run_checkers({{"seen": lambda: env.web.log("shop.example")[0]["agent"] == "agent"}})

    @fn.solution
    def solve(seat):
        {solution}
"""


def wheel(folder: Path) -> None:
    folder.mkdir()
    info = "greeting-1.0.dist-info"
    files = {
        "greeting.py": "print('hello from a package')\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = []
    for name, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(text)}")
    files[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,", ""])
    with zipfile.ZipFile(folder / "greeting-1.0-py3-none-any.whl", "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)


def test_with_tools_alone_what_is_read_may_change_what_comes_next(play, tmp_path):
    (tmp_path / "wheels").mkdir()
    solution = """first = seat.call("web_fetch", url="http://shop.example")
        before, after = (seat.call("web_fetch", url="https://shop.example/tea")["text"] for _ in range(2))
        yield first["text"] + "; " + before + "; " + after"""
    source = TASK.format(sandbox="memory", wheels=str(tmp_path / "wheels"), turns=1, solution=solution)
    played = play(source, "oracle")
    assert played.reward == 1.0
    assert played.said == ["# Shop\n\n[Tea](http://shop.example/tea); 3 EUR; 4 EUR"]


TLS = """
import imaplib, poplib, smtplib, ssl, urllib.request
trust = ssl.create_default_context()
with smtplib.SMTP('mail.world', 587) as client:
    client.starttls(context=trust)
    client.sendmail('agent@world.example', ['agent@world.example'], 'Subject: one\\r\\n\\r\\n')
with smtplib.SMTP_SSL('mail.world') as client:
    client.sendmail('agent@world.example', ['agent@world.example'], 'Subject: two\\r\\n\\r\\n')
with imaplib.IMAP4_SSL('mail.world') as client:
    client.login('agent@world.example', 'x'); print(client.select()[1])
client = poplib.POP3('mail.world'); client.stls(trust); client.user('agent@world.example'); client.pass_('x')
print(client.stat()[0])
ask = urllib.request.Request('https://calendar.world/', method='OPTIONS')
print('calendar-access' in urllib.request.urlopen(ask).headers['dav'])
"""


@needs_namespaces
def test_programs_in_a_sandbox_use_every_service_over_tls(play, tmp_path):
    wheel(tmp_path / "wheels")
    solution = f"""seat.call("workspace_write", path="tls.py", content={TLS!r})
        out = seat.call("workspace_exec", command="curl -sS https://shop.example/tea; echo; python3 tls.py")
        yield out.stdout + out.stderr
        seat.call("workspace_exec", command="echo kept > note")
        out = seat.call("workspace_shell", command="cat note; curl -sS https://shop.example/tea; env | grep ^PIP_INDEX")
        yield out.stdout + out.stderr"""
    source = TASK.format(sandbox="local", wheels=str(tmp_path / "wheels"), turns=2, solution=solution)
    played = play(source, "oracle", snapshot="every-turn")
    wanted = [
        "3 EUR\n[b'2']\n2\nTrue\n",
        "kept\n4 EURPIP_INDEX_URL=https://pypi.example/simple/\n",
    ]
    assert (played.reward, played.said) == (1.0, wanted)
    first = next(event for event in played.events("turn") if event.data["state"] == "end")
    played.crash_behind(first, more=4)
    assert (played.run().reward, played.said) == (1.0, wanted)


@needs_namespaces
def test_pip_installs_from_the_index_of_the_world(play, tmp_path):
    if not shutil.which("pip3", path="/usr/bin"):
        pytest.skip("there is no pip in /usr/bin")
    wheel(tmp_path / "wheels")
    solution = """command = "pip3 install -q --disable-pip-version-check -t lib greeting; cd lib; python3 -m greeting"
        out = seat.call("workspace_exec", command=command + "; curl -sS https://shop.example/")
        yield out.stdout + out.stderr"""
    source = TASK.format(sandbox="local", wheels=str(tmp_path / "wheels"), turns=1, solution=solution)
    played = play(source, "oracle")
    assert played.reward == 1.0
    assert "hello from a package" in played.said[0], played.said
