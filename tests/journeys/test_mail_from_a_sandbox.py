"""A whole world: from its sandbox an agent uses mail with the clients it knows, and reaches nothing else."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import pytest

from terrarium.sandbox.tier import tier

pytestmark = pytest.mark.skipif(tier().number > 1, reason="this machine gives no namespaces: see `terrarium doctor`")

BATTERY = next(
    (
        path
        for folder in (os.environ.get("TERRARIUM_SHARED"), *(str(up / "shared") for up in Path(__file__).parents[2:5]))
        if folder and (path := Path(folder, "oracle", "imap_battery.py")).is_file()
    ),
    None,
)
TASK = """
    @entry(["email", "workspace"], capabilities_config={{"workspace": {{"sandbox": "local"}}}}, notices=["email"])
    def fn(env, agent):
        env.when(
            lambda: env.email.count_inbox("boss@corp.example") == 1,
            lambda: env.email.send("boss@corp.example", env.email.address(), "Got it", "Thank you."),
        )
        {upload}
        reply = agent.act("Report by mail.")
        env.reward(reply.text, 0)
        return run_checkers({{
            "by the agent": lambda: env.email.list_inbox("boss@corp.example")[0]["by"] == "agent",
            "world time": lambda: env.email.list_inbox("boss@corp.example")[0]["received"].year == 2030,
        }})

    @fn.solution
    def solve(seat):
        {solution}
"""

SEND = (
    "import smtplib, imaplib, socket, email.message as e\n"
    "m = e.EmailMessage(); m['From'] = 'agent@world.example'; m['To'] = 'boss@corp.example'\n"
    "m['Subject'] = 'Report'; m.set_content('All well.')\n"
    "s = smtplib.SMTP('mail.world', 587); s.send_message(m); s.quit()\n"
    "i = imaplib.IMAP4('mail.world'); i.login('agent@world.example', 'x'); i.select('INBOX')\n"
    "print(i.search(None, 'SUBJECT', 'Got')[1], i.fetch('1', '(INTERNALDATE)')[1])\n"
    "for where in ('1.1.1.1', '127.0.0.1'):\n"
    "    try: socket.create_connection((where, 25), 1); print('reached', where)\n"
    "    except OSError as error: print('no way to', where)\n"
)


UPLOAD = f"env.workspace.fs.write_file('/root/send.py', {SEND!r})"


def test_a_shell_agent_writes_mail_and_reads_the_answer_in_one_turn(play):
    solution = """out = seat.call("workspace_exec", command="python3 send.py")
        return out.stdout + out.stderr + str(seat.notices())"""
    played = play(TASK.format(upload=UPLOAD, solution=solution), "oracle")
    assert played.reward == 1.0, played.said
    said = played.said[0]
    assert "[b'1']" in said
    assert " 7-Jan-2030 09:00:02 +0000" in said
    assert "no way to 1.1.1.1\nno way to 127.0.0.1" in said
    assert "New mail (INBOX/1) from boss@corp.example: Got it" in said


def test_what_a_shell_agent_did_survives_a_crash(play):
    solution = """seat.call("workspace_exec", command="python3 send.py; echo kept > note")
        yield "sent"
        return seat.call("workspace_read", path="note")"""
    source = TASK.format(upload=UPLOAD, solution=solution)
    played = play(
        source.replace("env.reward(", 'reply = agent.act("And?"); env.reward('), "oracle", snapshot="every-turn"
    )
    assert (played.reward, played.said) == (1.0, ["kept\n"])
    first = next(event for event in played.events("turn") if event.data["state"] == "end")
    played.crash_behind(first, more=4)
    assert (played.run().reward, played.said) == (1.0, ["kept\n"])


@pytest.mark.skipif(BATTERY is None, reason="the battery is not beside this checkout, nor at $TERRARIUM_SHARED")
def test_the_imap_battery_passes_inside_a_sandbox(play):
    fs = "env.workspace.fs.upload"
    clients = [str(Path(find_spec(name).origin).parent) for name in ("imap_tools", "imapclient")]
    clients += [str(path) for path in Path(clients[1]).parent.glob("[iI][mM][aA][pP][cC]lient-*.dist-info")]
    uploads = [f"{fs}({path!r}, '/root/{Path(path).name}')" for path in clients]
    upload = "; ".join([f"{fs}({str(BATTERY)!r}, '/root/battery.py')", *uploads])
    command = "IMAP_HOST=mail.world python3 battery.py 25 143 ann@corp.example secret 2>&1 | tail -n 40"
    solution = f'return seat.call("workspace_exec", command={command!r}).stdout'
    source = TASK.format(upload=upload, solution=solution).replace('agent.act("Report by mail.")', 'agent.act("Go.")')
    played = play(source, "oracle")
    assert "59/59" in played.said[0], played.said[0]
