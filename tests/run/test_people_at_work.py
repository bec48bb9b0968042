"""Simulated people in chat and calendar, beside several agents, in real time, and beside an agent with little time."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

from terrarium.core.agent import Reply
from terrarium.core.journal import Event, EventKind
from terrarium.core.message import Message
from terrarium.core.model import Completion
from terrarium.core.tool import ToolCall
from terrarium.run.config import AgentConfig, PeopleConfig, TaskConfig
from terrarium.run.replaying import replay
from terrarium.run.spec import TrialResult
from terrarium.run.trial import Trial, TrialConfig

PEOPLE = """
from terrarium import entry, run_checkers

PEOPLE = {
    "ann": {"address": "ann@corp.example", "agent": "agent"},
    "ben": {"name": "Ben", "address": "ben@corp.example", "simulated": True},
    "cleo": {"name": "Cleo", "address": "cleo@corp.example", "simulated": True},
}
"""

CHAT = (
    PEOPLE
    + '''
@entry(capabilities=["slack", "calendar"], people=PEOPLE, notices=["all"])
def program(env, agent):
    env.slack.create_channel("team", members=["ann", "ben", "cleo"])
    env.user("ben", delay="5m", script=[
        {"hears": "lunch with (?P<who>[a-z]+)", "says": "With {who}? Gladly. {nobody}"},
        {"hears": "who is in", "says": "Me."},
    ])

    def cleo(seat):
        """Accepts whatever she is invited to."""
        while True:
            for event in seat.call("calendar_events")["events"]:
                seat.call("calendar_respond", calendar=event["calendar"], uid=event["uid"], answer="ACCEPTED")
            yield "###STOP###"

    env.user("cleo", delay=("1m", "2m"), script=cleo)
    agent.act("go")
    env.clock.advance("1h")
    said = [one for one in env.slack.history("#team", replies=True) if one["user"] == "ben"]
    direct = env.slack.find("Gladly", person="ann")
    event = next(one for one in env.calendar.search_events("Lunch") if one["attendees"])
    return run_checkers({
        "chat": lambda: [one["text"] for one in said] == ["Me."],
        "direct": lambda: [one["text"] for one in direct] == ["With cleo? Gladly. {nobody}"],
        "came": lambda: [one["status"] for one in event["attendees"]] == ["ACCEPTED"],
    })
'''
)


def _trial(folder: Path, source: str, agent: AgentConfig, **more: Any) -> TrialResult:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "task.py").write_text(source)
    return Trial(
        TrialConfig(task=TaskConfig(path=str(folder / "task.py")), agent=agent, trial_dir=str(folder / "run"), **more)
    ).run_sync()


def _scripted(*script: Any) -> AgentConfig:
    return AgentConfig(name="scripted", kwargs={"script": list(script)})


def _events(result: TrialResult) -> tuple[Event, ...]:
    assert result.trajectory is not None
    return result.trajectory.events


def _use(tool: str, **args: Any) -> dict[str, Any]:
    return {"tool": tool, "args": args}


def test_they_answer_in_chat_and_invitations(tmp_path: Path) -> None:
    deeds = [
        _use("slack_dm", people=["ben"], text="lunch with cleo?"),
        _use("slack_post", channel="#team", text="@ben who is in?"),
        _use("slack_post", channel="#team", text="who is in?"),
        _use("calendar_create", summary="Lunch", start="2030-01-08T12:00", attendees=["cleo"]),
    ]
    result = _trial(tmp_path, CHAT, _scripted(*deeds, "done"))
    assert result.error is None, result.error
    assert result.verdict.passed, [check for check in result.verdict.checks if not check.passed]
    assert sorted(result.totals["people"]) == ["ben", "cleo"]


SEVERAL = """
import asyncio
from terrarium import entry, run_checkers

PEOPLE = {"ben": {"address": "ben@corp.example", "simulated": True}}

@entry(capabilities=["email"], agents=["buyer", "seller"], people=PEOPLE)
async def program(env, agents):
    env.user("ben", delay=("3s", "9s"), script=[{"hears": "(?P<what>one|two)", "says": "{what}"}])
    await asyncio.gather(*[agent.act("write to Ben") for agent in agents.values()])
    await env.clock.advance("1h")
    mails = env.email.list_inbox("buyer@world.example") + env.email.list_inbox("seller@world.example")
    return run_checkers({"both": lambda: sorted(mail["body"].strip()[:3] for mail in mails) == ["one", "two"]})
"""


def test_beside_several_agents_all_goes_the_same_way_twice(tmp_path: Path) -> None:
    deeds = [_use("email_send", to=["ben@corp.example"], subject="Hi", body=word) for word in ("one", "two")]
    looks = [_use("email_list")] * 6
    told = []
    for name in ("one", "two"):
        shutil.rmtree(tmp_path / name, ignore_errors=True)
        result = _trial(tmp_path / name, SEVERAL, _scripted(deeds[0], deeds[1], *looks, "done"))
        assert result.error is None, result.error
        told.append([event.equal_part() for event in _events(result)][1:])
        people = [event.actor for event in _events(result) if event.data.get("state") == "wakes"]
        assert people
        assert set(people) == {"ben"}
    assert told[0] == told[1]
    journal = next((tmp_path / "two").glob("run/trials/*/try-1/journal.jsonl"))
    assert asyncio.run(replay(journal)).identical


class Slow:
    """Thinks for a while before each answer."""

    shared = False

    def __init__(self, name: str) -> None:
        self.name = name

    async def generate(self, messages: Any, tools: Any) -> Completion:
        await asyncio.sleep(0.4)
        return Completion(Message("assistant", "done"))

    async def close(self) -> None:
        pass


HASTY = (
    PEOPLE
    + """
@entry(capabilities=["email"], people=PEOPLE, notices=["email"], limits={"turn_seconds": 0.7})
def program(env, agent):
    env.user("ben", goal="quiet")
    reply = agent.act("write to Ben, twice")
    return run_checkers({"done": lambda: reply.stop == "completed"})
"""
)


def test_an_agents_time_does_not_pass_while_a_person_thinks(tmp_path: Path) -> None:
    write = _use("email_send", to=["ben@corp.example"], subject="Hi", body="Hi")
    people = PeopleConfig(model_name="test_people_at_work:Slow/m")
    result = _trial(tmp_path, HASTY, _scripted(write, write, write, _use("email_list"), "done"), people=people)
    assert result.error is None, result.error
    assert result.totals["people"]["ben"]["turns"] == 3  # 1.2 s, of which the agent's 0.7 s know nothing
    assert result.verdict.passed


def test_in_real_time_they_answer_in_real_time(tmp_path: Path) -> None:
    source = HASTY.replace("@entry(", "@entry(clock='wall', ").replace('goal="quiet"', 'script=["a"], delay="300ms"')
    source = source.replace("\n    return", '\n    env.clock.advance("1s")\n    return').replace("0.7", "5")
    write = _use("email_send", to=["ben@corp.example"], subject="Hi", body="Hi")
    result = _trial(tmp_path, source, _scripted(write, "done"))
    assert result.error is None, result.error
    kinds = [(event.actor, event.time) for event in _events(result) if event.kind is EventKind.TURN]
    begun, [woke, *_] = kinds[0][1], [time for actor, time in kinds if actor == "ben"]
    assert (woke - begun).total_seconds() >= 0.3


class Careless:
    """An agent that asks for what it is not given."""

    timing = "fixed"

    async def open(self, seat: Any) -> None:
        pass

    async def act(self, instruction: Any, seat: Any, resumed: bool = False) -> Reply:
        async def request() -> Completion:
            return Completion(Message("assistant", "hm"), "end")

        await seat.think(request)
        names = [tool.name for tool in seat.tools]
        result = await seat.call(ToolCall("switch_off", {}, "c1"))
        return Reply.say(f"{names} {result.error}")

    def save(self) -> bytes | None:
        return b""

    def load(self, memory: bytes) -> None:
        pass

    async def close(self) -> None:
        pass


def test_no_agent_has_the_tools_of_a_person(tmp_path: Path) -> None:
    source = (
        PEOPLE
        + """
@entry()
def program(env, agent):
    def switch_off() -> str:
        "Switch the phone off."
        return "off"

    def greet() -> str:
        "Greet."
        return "hello"

    agent.register_tools(greet)
    env.user("someone", script=["a"], tools=[switch_off])
    text = agent.act("go").text
    return run_checkers({"own": lambda: "greet" in text, "not theirs": lambda: text.endswith("] unknown_tool")})
"""
    )
    agent = AgentConfig(name="careless", import_path="test_people_at_work:Careless")
    result = _trial(tmp_path, source, agent)
    assert result.error is None, result.error
    assert result.verdict.passed, result.verdict.checks
