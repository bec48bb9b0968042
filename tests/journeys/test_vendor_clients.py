"""A world of many services, and the clients that people use for them: in the agent's sandbox, configured by nobody.

Each program below is what the documentation of its client shows: services are asked at their real addresses over TLS,
and tokens are taken from where the client looks for them, or from the variables that everybody uses.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from terrarium.capability.postgres.binaries import find
from terrarium.core.errors import ConfigError
from terrarium.sandbox.tier import tier
from tests.journeys.test_web import wheel

pytestmark = pytest.mark.skipif(tier().number > 1, reason="this machine gives no namespaces: see `terrarium doctor`")

ROOT = Path(__file__).parents[2]
PACKAGES = ("notion-client", "gspread", "google-api-python-client", "slack-sdk", "boto3", "psycopg[binary]", "httpx")


def database() -> bool:
    try:
        find()
    except ConfigError:
        return False
    return True


TASK = """
SERVICES = [
    "email", "calendar", "contacts", "notion", "google_sheets", "slack", "object_store", "web", "mcp", *MORE,
    "workspace",
]
CONFIG = {
    "workspace": {"sandbox": "local", "packages": PACKAGES},
    "object_store": {"buckets": ["archive"]},
    "web": {"sites": {
        "shop.example": {"files": {"/": "hello"}},
        "code.example": {"folder": "code"},
        "pypi.example": {"folder": "wheels", "packages": True},
    }},
}
PEOPLE = {
    "ann": "ann@corp.example",
    "bob": {"address": "bob@corp.example", "password": "lavender", "agent": "agent"},
}

@entry(SERVICES, CONFIG, people=PEOPLE)
def fn(env, agent):
    env.slack.create_channel("general")
    env.calendar.create_calendar("Work", "work", owner="bob")
    env.google_sheets.create_spreadsheet("Stock")
    for name, text in PROGRAMS.items():
        env.workspace.fs.write_file(name, text)
    agent.act("Use everything.")
    return run_checkers({"x": lambda: True})
"""

PROGRAMS = {
    "notion.py": """
import os
from notion_client import Client
client = Client(auth=os.environ["NOTION_TOKEN"])
[page] = client.search()["results"]
text = [{"text": {"content": "moss"}}]
made = client.pages.create(parent={"page_id": page["id"]}, properties={"title": {"title": text}})
print(client.users.me()["type"], client.pages.retrieve(made["id"])["properties"]["title"]["title"][0]["plain_text"])
""",
    "sheets.py": """
import gspread
sheet = gspread.service_account(filename="/run/secrets/google_credentials").open("Stock").sheet1
sheet.update([["fern", "=20+2"]], "A1", raw=False)
print(sheet.get_all_values())
""",
    "drive.py": """
import google.auth
from googleapiclient.discovery import build
credentials, project = google.auth.default(scopes=["https://www.googleapis.com/auth/drive.readonly"])
[file] = build("drive", "v3", credentials=credentials).files().list(q="name = 'Stock'").execute()["files"]
values = build("sheets", "v4").spreadsheets().values()
print(project, values.get(spreadsheetId=file["id"], range="A1:B1").execute()["values"])
""",
    "slack.py": """
import os
from slack_sdk import WebClient
client = WebClient(token=os.environ["SLACK_BOT_TOKEN"])
[channel] = client.conversations_list()["channels"]
client.chat_postMessage(channel="#general", text="hello")
client.files_upload_v2(channel=channel["id"], filename="a.txt", content="abc")
history = client.conversations_history(channel=channel["id"])["messages"]
print(client.auth_test()["user"], sorted(message["text"] for message in history))
""",
    "s3.py": """
import boto3, urllib.request
client = boto3.client("s3")
client.create_bucket(Bucket="mine")
client.put_object(Bucket="mine", Key="a b", Body=b"moss")
boto3.resource("s3").Bucket("archive").upload_file("s3.py", "programs/s3.py")
address = client.generate_presigned_url("get_object", {"Bucket": "mine", "Key": "a b"})
print(urllib.request.urlopen(address).read(), [bucket["Name"] for bucket in client.list_buckets()["Buckets"]])
""",
    "mail.py": """
import imaplib, netrc, os, smtplib, ssl
me, trust = os.environ["EMAIL"], ssl.create_default_context()
login, _, password = netrc.netrc().authenticators("mail.world")
with smtplib.SMTP("mail.world", 587) as client:
    client.starttls(context=trust)
    client.login(login, password)
    client.sendmail(me, [me], "Subject: one\\r\\n\\r\\n")
with smtplib.SMTP_SSL("mail.world", context=trust) as client:
    client.login(login, password)
    client.sendmail(me, [me], "Subject: two\\r\\n\\r\\n")
with imaplib.IMAP4_SSL("mail.world", ssl_context=trust) as client:
    client.login(login, password)
    print(client.select()[1])
""",
    "dav.py": """
import base64, requests, urllib.request
basic = "Basic " + base64.b64encode(b"bob:lavender").decode()
for host in ("calendar.world", "contacts.world"):
    url, one = f"https://{host}/bob/", {"Depth": "0"}
    ask = urllib.request.Request(url, method="PROPFIND", headers={**one, "Authorization": basic})
    # `requests` finds the login in ~/.netrc.
    print(urllib.request.urlopen(ask).status, requests.request("PROPFIND", url, headers=one).status_code)
""",
    "web.py": """
import http.client, httpx, requests, urllib.request, urllib3
url = "https://shop.example/"
print(requests.get(url).text, httpx.get(url).text, urllib3.request("GET", url).data.decode(), end=" ")
print(urllib.request.urlopen(url).read().decode())
connection = http.client.HTTPSConnection("shop.example")
connection.request("GET", "/")
print(connection.getresponse().read().decode())
""",
    "web.sh": """
curl -sS https://shop.example/ && echo
git ls-remote https://code.example/moss.git | cut -c42-
git clone -q https://code.example/moss.git && cat moss/README
""",
    "pip.sh": """
test -x /usr/bin/pip3 || { echo hello from a package; exit; }
pip3 install -q --disable-pip-version-check --root-user-action ignore -t lib greeting && cd lib && python3 -m greeting
""",
    "fetch.mjs": """
const headers = {Authorization: `Bearer ${process.env.NOTION_TOKEN}`, "Notion-Version": "2025-09-03"};
console.log((await (await fetch("https://api.notion.com/v1/users/me", {headers})).json()).type);
console.log(await (await fetch("https://shop.example/")).text());
console.log(await fetch("https://example.com/").catch(error => error.cause.code));
""",
    "outside.py": """
import socket
def told(work):
    try:
        return work()
    except OSError as error:
        return type(error).__name__
print(told(lambda: socket.getaddrinfo("example.com", 443)))
for address in ("1.1.1.1", "2606:4700:4700::1111", "127.77.0.250", "192.168.0.1"):
    print(told(lambda: socket.create_connection((address, 443), 60)))
""",
}
SAID = {
    "notion.py": "bot moss",
    "sheets.py": "[['fern', '22']]",
    "drive.py": "terrarium-world [['fern', '22']]",
    "slack.py": "bob ['', 'hello']",
    "s3.py": "b'moss' ['archive', 'mine']",
    "mail.py": "[b'2']",
    "dav.py": "207 207\n207 207",
    "web.py": "hello hello hello hello\nhello",
    "web.sh": "hello\nHEAD\nrefs/heads/main\nmoss",
    "pip.sh": "hello from a package",
    "fetch.mjs": "bot\nhello\nENOTFOUND",
    "outside.py": "gaierror\nOSError\nOSError\nConnectionRefusedError\nOSError",
}
DATABASE = {
    "database.py": """
import psycopg
with psycopg.connect() as connection:
    connection.execute("CREATE TABLE t (x int)")
    connection.execute("INSERT INTO t VALUES (7)")
    print(connection.execute("SELECT x, current_database() FROM t").fetchone())
""",
    "psql.sh": "psql -Atc 'SELECT x + 1 FROM t'",
}
DATABASE_SAID = {"database.py": "(7, 'main')", "psql.sh": "8"}
RUNS = {".py": "python3 -W ignore", ".sh": "sh", ".mjs": "node"}


def _lacks(name: str) -> bool:
    needed = {"fetch.mjs": "node", "psql.sh": "psql", "web.sh": "git"}.get(name)
    return needed is not None and not Path("/usr/bin", needed).exists()


def _moss(folder: Path) -> None:
    """A repository as a web server without git's own programs has it."""
    work = folder.parent / "moss"
    author = {f"GIT_{who}_{what}": "ann@corp.example" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    env = {"PATH": os.environ["PATH"], "HOME": str(folder.parent), **author}

    def git(*words: str) -> None:
        subprocess.run(["git", *words], env=env, check=True, capture_output=True)

    git("init", "-q", "-b", "main", str(work))
    (work / "README").write_text("moss\n")
    git("-C", str(work), "add", "README")
    git("-C", str(work), "commit", "-q", "-m", "first")
    git("clone", "-q", "--bare", str(work), str(folder / "moss.git"))
    git("-C", str(folder / "moss.git"), "update-server-info")


@pytest.mark.parametrize("kind", ["services", "database"])
def test_every_client_finds_its_service(play: Any, kind: str) -> None:
    if kind == "database" and not database():
        pytest.skip("there is no PostgreSQL")
    more, said = (["postgres"], DATABASE_SAID) if kind == "database" else ([], SAID)
    programs = {name: text for name, text in {**PROGRAMS, **DATABASE}.items() if name in said and not _lacks(name)}
    runs = [f"{RUNS[Path(name).suffix]} {name} 2>&1" for name in programs]
    script = [{"tool": "workspace_exec", "args": {"command": run}} for run in runs]
    source = f"MORE, PACKAGES, PROGRAMS = {more}, {PACKAGES}, {programs}\n{TASK}"
    played = play(source, [*script, "done"], run=False)
    folder = played.task.parent
    (folder / "code").mkdir()
    if "web.sh" in programs:
        _moss(folder / "code")
    wheel(folder / "wheels")
    assert played.run().reward == 1.0
    found = {name: json.loads(text)["stdout"].strip() for name, text in zip(programs, played.shown(), strict=True)}
    assert found == {name: text for name, text in said.items() if name in programs}
    assert not played.events("error")


@pytest.mark.soak
@pytest.mark.skipif(os.getuid() != 0 or not shutil.which("runuser"), reason="needs root and runuser")
def test_every_client_finds_its_service_for_an_ordinary_user() -> None:
    path = f"{ROOT / 'src'}:{sysconfig.get_path('purelib')}"
    place = Path("/tmp", f"terrarium-test-{os.getpid()}-clients")
    command = [
        "runuser",
        "-u",
        "nobody",
        "--",
        "env",
        f"PYTHONPATH={path}",
        f"HOME={place}",
        "PYTHONDONTWRITEBYTECODE=1",
    ]
    for python in dict.fromkeys((sys.executable, "/usr/bin/python3")):
        tried = [*command, python, "-c", "import pytest, terrarium.core.sandbox, pydantic_core"]
        if Path(python).exists() and subprocess.run(tried, capture_output=True, cwd="/", check=False).returncode == 0:
            break
    else:
        pytest.skip("nobody has no Python that can read the tests")
    place.mkdir()
    shutil.chown(place, "nobody")
    try:
        test = f"{__file__}::test_every_client_finds_its_service[services]"
        done = subprocess.run(
            [*command, python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--basetemp", str(place / "t"), test],
            cwd=ROOT, capture_output=True, text=True, timeout=110, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-5000:]
    finally:
        shutil.rmtree(place, ignore_errors=True)
