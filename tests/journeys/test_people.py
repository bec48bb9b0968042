"""One declaration of three people: mail, calendar and shell of two agents who act as two of them, and only as them."""

from __future__ import annotations

import shutil

import pytest

from terrarium.core.errors import TaskBroken
from terrarium.sandbox.tier import tier

PEOPLE = """
    PEOPLE = {
        "ann": {"name": "Ann Lee", "address": "ann.lee@corp.example", "password": "lavender", "agent": "first"},
        "bob": {"name": "Bob", "address": "bob@corp.example", "agent": "second"},
        "boss": "The Boss <boss@corp.example>",
    }
    BOSS, WHERE = "boss@corp.example", {"workspace": {"sandbox": "%s"}}
"""

BY_TOOLS = (
    PEOPLE % "memory"
    + """
    @entry(["email", "calendar", "workspace"], WHERE, agents=["first", "second"], people=PEOPLE, notices=["all"])
    def fn(env, agents):
        env.calendar.create_calendar("The Boss", "main", owner="boss")
        env.calendar.share("boss/main", "ann", "write")
        env.calendar.share("boss/main", "bob")
        agents["first"].act("Plan a meeting for the boss, with Bob.")
        env.clock.advance("1m")
        agents["second"].act("Answer.")
        event = env.calendar.list_events("boss/main", "2030-01-08", "2030-01-09")[0]
        return run_checkers({
            "ann invited in the name of the boss": lambda: [
                (mail["from"], mail["by"]) for mail in env.email.list_inbox("bob@corp.example")
            ] == [(BOSS, "first")],
            "bob comes": lambda: [(p["address"], p["status"]) for p in event["attendees"]]
            == [("bob@corp.example", "ACCEPTED")],
            "the boss knows": lambda: [
                (mail["from"], mail["by"]) for mail in env.email.list_inbox(BOSS) if mail["subject"] == "Plans"
            ] == [("Bob <bob@corp.example>", "second")],
        })

    @fn.solution(agent="first")
    def ann(seat):
        seen = {each["id"]: each["access"] for each in seat.call("calendar_calendars")["calendars"]}
        assert seen["boss/main"] == "write"
        seat.call("calendar_create", calendar="boss/main", summary="Plans", start="2030-01-08T10:00", attendees=["bob"])
        assert seat.call("workspace_exec", command="echo $USER $EMAIL; cat .netrc").stdout == (
            "ann ann.lee@corp.example\\nmachine mail.world login ann password lavender\\n"
            "machine calendar.world login ann password lavender\\n"
        )

    @fn.solution(agent="second")
    def bob(seat):
        shared = seat.call("calendar_events", start="2030-01-08", end="2030-01-09", calendar="boss/main")["events"]
        refused = seat.result("calendar_update", calendar="boss/main", uid=shared[0]["uid"], summary="Mine")
        assert "shared for reading only" in refused.content
        own = seat.call("calendar_events", start="2030-01-08", end="2030-01-09", calendar="default")["events"]
        seat.call("calendar_respond", calendar="default", uid=own[0]["uid"], answer="accept")
        seat.call("email_send", to=["boss@corp.example"], subject="Plans", body="I come.")
        assert seat.result("email_send", to=[BOSS], subject="s", body="b", from_addr=BOSS).content.count("from_addr")
        assert seat.call("workspace_exec", command="echo $USER; ls -a").stdout == "bob\\n.\\n..\\n"
"""
)

PROGRAM = """
import base64, email.message, getpass, imaplib, netrc, os, smtplib, sys, urllib.error, urllib.request
known = netrc.netrc().authenticators("mail.world") if sys.argv[1] == "ann" else (getpass.getuser(), "", "")
login, _, password = known
def send(sender, author, credentials=None):
    made = email.message.EmailMessage()
    made["From"], made["To"], made["Subject"] = author, "boss@corp.example", "from " + sys.argv[1]
    with smtplib.SMTP("mail.world", 587) as client:
        try:
            if credentials:
                client.login(*credentials)
            client.send_message(made, sender)
            return "sent"
        except smtplib.SMTPException as error:
            return type(error).__name__
def read(user, word):
    with imaplib.IMAP4("mail.world") as client:
        try:
            client.login(user, word or "-")
            return client.select("INBOX")[0]
        except imaplib.IMAP4.error:
            return "no"
def look(user, word):
    login = base64.b64encode((user + ":" + word).encode()).decode()
    headers = {"Depth": "0", "Authorization": "Basic " + login}
    wish = urllib.request.Request(f"http://calendar.world:5232/{user}/", method="PROPFIND", headers=headers)
    try:
        return urllib.request.urlopen(wish).status
    except urllib.error.HTTPError as error:
        return error.code
me, other, theirs = os.environ["EMAIL"], sys.argv[2], sys.argv[3]
own = (login, password) if password else None
print(getpass.getuser(), send(me, me, own), read(login, password), look(login, password))
print(send(theirs, theirs, own), send(me, theirs, own), send("x@outside.example", "x@outside.example"))
print(send(theirs, theirs, (other, password or "guess")), read(other, password), look(other, password))
print(read("boss", password), look("boss", password), look("admin", password))
"""

BY_PROGRAMS = (
    PEOPLE % "local"
    + f"""
    PROGRAM = {PROGRAM!r}

    @entry(["email", "calendar", "workspace"], WHERE, agents=["first", "second"], people=PEOPLE)
    def fn(env, agents):
        for name, agent in agents.items():
            env.workspace(name).fs.write_file("try.py", PROGRAM)
            env.reward(agent.act("Try who you can be.").text, 0)
        return run_checkers({{
            "from whom": lambda: [(mail["from"], mail["by"]) for mail in env.email.list_inbox(BOSS)]
            == [("ann.lee@corp.example", "first"), ("bob@corp.example", "second")],
        }})

    @fn.solution(agent="first")
    def ann(seat):
        ran = seat.call("workspace_exec", command="whoami; python3 try.py ann bob bob@corp.example")
        return ran.stdout + ran.stderr

    @fn.solution(agent="second")
    def bob(seat):
        ran = seat.call("workspace_exec", command="whoami; python3 try.py bob ann ann.lee@corp.example")
        return ran.stdout + ran.stderr
"""
)


def test_agents_are_their_people_in_mail_calendar_and_files(play):
    played = play(BY_TOOLS, "oracle", snapshot="every-turn")
    assert played.reward == 1.0
    again = play(BY_TOOLS, "oracle", snapshot="every-turn")
    assert again.parts() == played.parts()
    again.crash_behind(again.snapshots()[0])  # Ann's turn is over, Bob's is to come
    assert again.run().reward == 1.0
    assert again.parts() == played.parts()


@pytest.mark.skipif(tier().number > 1, reason="this machine gives no namespaces: see `terrarium doctor`")
def test_programs_in_a_sandbox_are_its_person_and_nobody_else(play):
    assert shutil.which("python3")
    played = play(BY_PROGRAMS, "oracle")
    ann, bob = played.said
    assert ann.split("\n") == [
        "ann",
        "ann sent OK 207",
        "SMTPSenderRefused SMTPDataError SMTPSenderRefused",
        "SMTPAuthenticationError no 401",
        "no 401 401",
        "",
    ]
    assert bob.split("\n") == [
        "bob",
        "bob sent OK 207",
        "SMTPSenderRefused SMTPDataError SMTPSenderRefused",
        "SMTPAuthenticationError no 401",
        "no 401 401",
        "",
    ]
    assert played.reward == 1.0


@pytest.mark.parametrize(
    ("people", "told"),
    [
        ({"ann": {"agent": "frist"}}, "did you mean 'first'"),
        ({"ann": {"agent": "first"}, "bob": {"agent": "first"}}, "cannot be both 'ann' and 'bob'"),
        ({"ann": "a@corp.example", "bob": "A@corp.example"}, "have the same address"),
        ({"ann": {"mail": "ann@corp.example"}}, "people: 'ann': unknown key 'mail'"),
        ({"ann": "nowhere"}, "not a mail address"),
    ],
)
def test_a_task_with_impossible_people_is_broken(play, people, told):
    source = f"""
    @entry(["email"], agents=["first", "second"], people={people!r})
    def fn(env, agents):
        return run_checkers({{"fine": lambda: True}})
    """
    with pytest.raises(TaskBroken, match=told):
        play(source)


def test_an_address_that_an_undeclared_agent_has_already_is_refused(play):
    source = """
    @entry(["email"], people={"ann": "agent@world.example"})
    def fn(env, agent):
        return run_checkers({"fine": lambda: True})
    """
    assert "would share agent@world.example" in play(source).error
