"""Approval: rules on tool calls, who decides, and what is written down of it."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import json
import os
import re
import threading
import tty
from collections.abc import Iterator
from typing import Any

import pytest

from terrarium.core.agent import Reply
from terrarium.core.errors import ConfigError
from terrarium.core.terminal import VARIABLE
from terrarium.core.tool import Tool, ToolCall
from terrarium.run.approval import Approval
from terrarium.run.approval_rule import ApprovalRule, changed, values_at
from terrarium.run.config import AgentConfig, JobConfig, parse
from terrarium.run.replaying import replay
from terrarium.run.spec import TrialSpec
from terrarium.run.trial import Trial

TASK = """
    @entry(["notes"], NOTES)
    def fn(env, agent):
        agent.act("go")
        texts = env.notes.texts()
        env.reward(str(texts), 0)
        return run_checkers({"kept": lambda: "keep" in texts})
"""
SCRIPT = [
    {"tool": "notes_add", "args": {"text": "keep"}},
    {"tool": "notes_add", "args": {"text": "secret plan"}},
    {"tool": "notes_list"},
]


@pytest.fixture
def approved(play):
    """`approved(*rules)`: one trial under these rules."""

    def go(*rules, script=SCRIPT, task=TASK, **more):
        agent = script if isinstance(script, AgentConfig) else AgentConfig(name="scripted", kwargs={"script": script})
        played = play(task, agent, run=False, **more)
        played.config = dataclasses.replace(played.config, approval=[ApprovalRule(**rule) for rule in rules])
        played.trial = Trial(dataclasses.replace(played.config, resume=False))
        return played.run()

    return go


def told(played):
    return [event.data.get("approval") for event in played.events("tool_call")]


def test_what_is_denied_has_no_effect_and_the_agent_reads_why(approved):
    rule = {"tool": "notes_a*", "when": {"text": "secret*"}, "do": "deny", "reason": "no secrets"}
    played = approved(rule)
    assert played.reward == 1.0
    assert played.said == ["['keep']"]
    results = [event.data["result"] for event in played.events("tool_result")]
    assert [result.error for result in results] == [None, "refused", None]
    assert results[1].content == "error: notes_add was not approved: no secrets"
    assert told(played) == [None, {"rule": 1, "do": "deny", "by": "policy", "reason": "no secrets"}, None]
    assert played.events("header")[0].data["approval"] == [{**rule, "when": {"text": {"glob": "secret*"}}}]


def test_the_first_rule_that_matches_decides(approved):
    played = approved(
        {"tool": "notes_add", "when": {"text": {"regex": "plan$"}}, "do": "allow"}, {"tool": "notes_add", "do": "deny"}
    )
    assert played.said == ["['secret plan']"]
    assert [one and one["rule"] for one in told(played)] == [2, 1, None]


def test_what_is_modified_is_done_otherwise_and_both_are_written_down(approved):
    rule = {"tool": "notes_add", "when": {"text": "s*"}, "do": "modify", "arguments": {"text": "[censored]"}}
    played = approved(rule)
    assert played.said == ["['keep', '[censored]']"]
    event = played.events("tool_call")[1]
    assert event.data["arguments"] == {"text": "[censored]"}
    assert event.data["approval"] == {"rule": 1, "do": "modify", "by": "policy", "asked": {"text": "secret plan"}}
    assert asyncio.run(replay(played.journal)).identical
    assert asyncio.run(replay(played.journal, played=True)).identical


def test_arguments_that_come_as_text_do_not_slip_through():
    def note(text: str) -> str:
        """Note."""
        return text

    policy = Approval([ApprovalRule(tool="note", when={"text": "secret*"}, do="deny")], "t", lambda name: None)
    for given in ({"text": "secret"}, '{"text": "secret"}'):
        found = asyncio.run(policy.decide(ToolCall("note", given), "agent", 1, [Tool.of(note)]))
        assert found.refused == "note was not approved"
    assert asyncio.run(policy.decide(ToolCall("note", "[]"), "agent", 1, [Tool.of(note)])).told is None


class Assisted:
    """An agent whose helper uses its tools in its name."""

    timing = "fixed"

    async def open(self, seat: Any) -> None: ...

    async def act(self, instruction: Any, seat: Any, resumed: bool = False) -> Any:
        proxy = seat._world.proxy(seat.name)
        results = [await proxy.call(ToolCall("notes_add", {"text": text})) for text in ("keep", "secret")]
        return Reply.say(" ".join(result.error or "ok" for result in results))

    def save(self) -> bytes | None:
        return None

    def load(self, memory: bytes) -> None: ...

    async def close(self) -> None: ...


def test_calls_by_proxy_are_governed_too(approved):
    agent = AgentConfig(name="assisted", import_path=f"{__name__}:Assisted")
    played = approved({"tool": "notes_add", "when": {"text": "secret"}, "do": "deny"}, script=agent)
    assert played.said == ["['keep']"]
    assert [event.data["via"] for event in played.events("tool_call")] == ["mcp", "mcp"]
    assert told(played)[1]["do"] == "deny"


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (
            {"tool": "notes_ad", "do": "deny"},
            r"'notes_ad', which matches no tool of this task \(did you mean 'notes",
        ),
        ({"agent": "agnt", "do": "deny"}, r"the agent 'agnt', which is not there \(did you mean 'agent'"),
    ],
)
def test_a_rule_that_is_about_nothing_is_an_error(approved, rule, message):
    played = approved(rule)
    assert played.result.verdict.reward is None
    assert re.search(message, played.error), played.error
    assert approved({**rule, "optional": True}).reward == 1.0


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"do": "deny", "tol": "x"}, "ApprovalRule: unknown key 'tol'; did you mean 'tool'?"),
        ({"do": "deny", "when": {"to": {"globb": "x"}}}, "Condition: unknown key 'globb'; did you mean 'glob'?"),
        ({"do": "deny", "when": {"to": {"regex": "("}}}, "is no regular expression"),
        ({"do": "deny", "when": {"to": {}}}, "a condition needs one of its keys"),
        ({"do": "modify"}, "a rule that modifies says what"),
        ({"do": "deny", "arguments": {"a": 1}}, "'arguments' belongs to rules with do = 'modify'"),
        ({"do": "ask", "by": "mum"}, "'human' or 'package.module:function'"),
        ({"do": "perhaps"}, "ApprovalRule.do"),
    ],
)
def test_what_is_wrong_with_a_rule_is_said(rule, message):
    with pytest.raises(ConfigError) as error:
        parse({"approval": [rule]})
    assert message in str(error.value)


def test_paths_and_conditions():
    tree = {"to": ["a@x.org", "b@y.org"], "rows": [{"n": 5}, {"n": 50}], "text": "one\ntwo"}
    assert values_at(tree, "to") == ["a@x.org", "b@y.org"]
    assert values_at(tree, "rows.*.n") == [5, 50]
    assert values_at(tree, "rows.1.n") == [50]
    assert values_at(tree, "rows.9.n") == values_at(tree, "text.x") == []
    cases = {
        "to": [("*@y.org", True), ("*@z.org", False), ({"not_glob": "*@x.org"}, True), ({"present": False}, False)],
        "cc": [("*", False), ({"not_glob": "x"}, False), ({"present": False}, True)],
        "rows.*.n": [({"above": 10}, True), ({"above": 50}, False), ({"below": 50, "above": 5}, False), (50, True)],
        "text": [("*two", True), ({"regex": "^one"}, True), ({"not_regex": "one"}, False), ({"above": 1}, False)],
    }
    for path, tests in cases.items():
        for condition, fits in tests:
            rule = ApprovalRule(do="deny", when={path: condition})
            assert rule.matches("any", "agent", tree) is fits, (path, condition)


def test_changes_leave_what_was_given_alone():
    given = {"a": {"b": 1}, "cc": ["x"], "rows": [{"n": 1}, {"n": 2}]}
    before = json.dumps(given)
    rule = ApprovalRule(do="modify", arguments={"a.c": 2, "rows.*.n": 0, "new.deep": True}, without=["cc", "no.such"])
    assert changed(given, rule) == {"a": {"b": 1, "c": 2}, "rows": [{"n": 0}, {"n": 0}], "new": {"deep": True}}
    assert json.dumps(given) == before


APPROVER = """
from terrarium.core.approval import Decision

def cautious(call, context):
    text = call.arguments.get("text", "")
    if text == "boom":
        raise ValueError("no idea")
    if text == "odd":
        return "maybe"
    assert (context.agent, context.task, context.rule) == ("agent", "errand", 1)
    assert context.turn in (1, 2)
    return Decision("modify", "louder", {"text": text.upper()}) if text == "secret plan" else True

async def never(call, context):
    return False
"""


@pytest.fixture
def beside(tmp_path):
    (tmp_path / "task1" / "errand").mkdir(parents=True)
    (tmp_path / "task1" / "errand" / "own_approver.py").write_text(APPROVER)


def test_a_function_decides_and_its_decisions_are_replayed_without_it(approved, beside):
    played = approved({"tool": "notes_add", "do": "ask", "by": "own_approver:cautious"})
    assert played.said == ["['keep', 'SECRET PLAN']"]
    by = {"rule": 1, "by": "own_approver:cautious"}
    assert told(played)[0] == {**by, "do": "allow"}
    assert told(played)[1] == {**by, "do": "modify", "reason": "louder", "asked": {"text": "secret plan"}}
    (played.task.parent / "own_approver.py").write_text("def cautious(call, context): raise SystemExit\n")
    done = asyncio.run(replay(played.journal))
    assert done.identical, done.difference.text()


def test_an_async_function_decides(approved, beside):
    assert approved({"tool": "notes_add", "do": "ask", "by": "own_approver:never"}).said == ["[]"]


@pytest.mark.parametrize(("text", "message"), [("boom", "ValueError: no idea"), ("odd", "which is no Decision")])
def test_an_approver_that_fails_leaves_the_trial_unscored(approved, beside, text, message):
    script = [{"tool": "notes_add", "args": {"text": text}}]
    played = approved({"tool": "notes_add", "do": "ask", "by": "own_approver:cautious"}, script=script)
    assert played.result.verdict.reward is None
    assert played.error.startswith("EngineFault: the approver own_approver:cautious")
    assert message in played.error


def test_an_approver_that_is_not_there_is_an_error(approved):
    played = approved({"tool": "notes_add", "do": "ask", "by": "nowhere_at_all:f"})
    assert "nowhere_at_all" in played.error


class Screen:
    """A pseudo-terminal: what the human types, and what the human sees."""

    def __init__(self) -> None:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        self.seen = b""
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while True:
            try:
                self.seen += os.read(self._master, 4096)
            except OSError:
                return

    def type(self, *lines: str) -> None:
        os.write(self._master, "".join(f"{line}\n" for line in lines).encode())

    def close(self) -> None:
        os.close(self._slave)
        os.close(self._master)


@pytest.fixture
def screen(monkeypatch) -> Iterator[Screen]:
    made = Screen()
    monkeypatch.setenv(VARIABLE, made.path)
    yield made
    made.close()


def test_a_human_decides_at_the_terminal(approved, screen):
    script = [{"tool": "notes_add", "args": {"text": text}} for text in ("keep", "\x1b[31mtwo", "three")]
    screen.type("what?", "y", "n not this one", '{"text": "3"}')
    played = approved({"tool": "notes_add", "do": "ask", "reason": "look\x1b here"}, script=script)
    assert played.said == ["['keep', '3']"]
    assert [(one["do"], one["by"], one.get("reason")) for one in told(played)] == [
        ("allow", "human", None),
        ("deny", "human", "not this one"),
        ("modify", "human", None),
    ]
    assert b'[agent] wants notes_add {"text": "keep"}' in screen.seen
    assert b"\x1b" not in screen.seen
    seen = screen.seen
    assert asyncio.run(replay(played.journal)).identical
    assert asyncio.run(replay(played.journal, played=True)).identical
    assert screen.seen == seen
    times = [event.time for event in played.events("tool_result")]
    assert len({after - before for before, after in itertools.pairwise(times)}) == 1  # thinking costs nothing


@pytest.mark.parametrize(("otherwise", "said"), [("deny", "[]"), ("allow", "['keep', 'secret plan']")])
def test_without_a_terminal_the_rule_says_what_is_done(approved, monkeypatch, otherwise, said):
    monkeypatch.delenv(VARIABLE, raising=False)
    played = approved({"tool": "notes_add", "do": "ask", "otherwise": otherwise})
    assert played.said == [said]
    assert told(played)[0]["by"] == "otherwise"


def test_the_policy_is_part_of_a_trials_identity(approved):
    rules = [{"tool": "notes_add", "do": "allow"}, {"tool": "notes_add", "do": "deny"}]
    specs = [approved(rule).trial.spec for rule in rules]
    bare = dataclasses.replace(specs[0], approval=())
    same_task = [dataclasses.replace(spec, path="", task_digest="") for spec in (*specs, bare)]
    assert len({spec.id for spec in same_task}) == 3
    assert TrialSpec.of_json(json.loads(json.dumps(specs[0].to_json()))).id == specs[0].id
    jobs = [parse({"approval": rules[:number]}) for number in (0, 1, 2)]
    assert len({job.identity() for job in jobs}) == 3
    assert jobs[0].identity() == JobConfig().identity()


def test_a_turn_that_was_interrupted_goes_on_with_what_was_decided(approved, beside):
    script = [*SCRIPT, {"tool": "notes_add", "args": {"text": "last"}}]
    rule = {"tool": "notes_add", "do": "ask", "by": "own_approver:cautious"}
    task = TASK.replace('agent.act("go")', 'agent.act("go")\n        agent.act("on")')
    played = approved(rule, script=[*SCRIPT, "one", *script, "two"], task=task, snapshot="every-turn")
    whole = played.parts()
    second = next(event for event in played.events("turn") if event.data["number"] == 2)
    played.crash_behind(second, more=4)
    played.run()
    assert played.result.verdict.reward == 1.0
    assert [part for part in played.parts() if '"approval"' in part] == [part for part in whole if '"approval"' in part]
