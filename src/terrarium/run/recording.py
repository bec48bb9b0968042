"""What a journal says of a trial that has ended: who it was, and what each agent did in each of its turns."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from terrarium.core.errors import JournalFault, NotReplayable, TerrariumError, WorkerLost, revive
from terrarium.core.journal import BEGINS, SCHEMA
from terrarium.core.values import Blobs, Value, decode, from_micros
from terrarium.run.approval_rule import ApprovalRule
from terrarium.run.branch import Branch
from terrarium.run.config import AgentConfig, PeopleConfig, SandboxConfig
from terrarium.run.folder import RunFolder
from terrarium.run.judge_config import JudgeConfig
from terrarium.run.spec import TrialSpec

Line = Mapping[str, Any]
"""An event as it stands in the file: a tree of JSON in which records and large values are not opened."""


@dataclass
class RecordedTurn:
    """One turn of one agent.

    Attributes:
        number: Its number among all turns of the trial.
        deeds: The lines of its own steps, calls and results, in order.
        stop: Why it ended; empty where the journal does not say.
        text: The last words.
        error: What it failed with.
    """

    number: int
    deeds: list[Line] = field(default_factory=list)
    stop: str = ""
    text: str = ""
    error: TerrariumError | None = None

    @property
    def answers(self) -> list[Line]:
        """The lines that hold what its model answered."""
        return [line for line in self.deeds if line["kind"] == "model"]


class Recording:
    """The journal of one try, read whole; nothing is ever written.

    Args:
        journal: The file. What it says of large values is looked up in its run, or in `blobs` beside it.

    Raises:
        NotReplayable: It cannot be read, is damaged, has no header, is of another version, or does not come to an end.
    """

    def __init__(self, journal: Path) -> None:
        self.journal = journal
        self.lines = _lines(journal)
        self.header: Mapping[str, Any] = self.lines[0]["data"]
        above = journal.resolve().parents
        in_run = len(above) > 3 and above[2].name == "trials"
        self._run = RunFolder(above[3]) if in_run else None
        self.blobs = self._run.blobs if self._run else Blobs(journal.parent / "blobs")

    def opened(self, tree: Any) -> Value:
        """The value behind a tree of JSON.

        Raises:
            NotReplayable: A blob is missing, or there is a record that nobody knows.
        """
        try:
            return decode(tree, self.blobs)
        except JournalFault as error:
            code = "blob-missing" if "is missing" in str(error) else "damaged"
            raise _bad(self.journal, str(error), code) from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _bad(self.journal, f"a value is damaged: {error}", "damaged") from None

    @cached_property
    def spec(self) -> TrialSpec:
        """What was run: from the trial's record; where there is none, from the header of the journal.

        Raises:
            NotReplayable: The header does not say.
        """
        trial = str(self.header.get("trial", ""))
        result = self._run.result(trial) if self._run and trial else None
        return result.trial if result else self._told_by_header()

    @property
    def verdict_of_record(self) -> Any:
        """The verdict in the trial's record, as a tree of JSON; None where there is no record."""
        if self._run is None:
            return None
        try:
            text = (self._run.path / "verdicts" / f"{self.header.get('trial')}.json").read_text("utf-8")
            return json.loads(text)["verdict"]
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _told_by_header(self) -> TrialSpec:
        header = self.header
        try:
            saved = any(line["kind"] == "snapshot" and "kept" not in line["data"] for line in self.lines)
            return TrialSpec(
                task=header["task"]["name"],
                path=str(self.lines[0]["wall"]["path"]),
                task_digest=header["task"]["digest"],
                agent=AgentConfig.model_validate(header["agent"]),
                seed=header["seed"],
                attempt=header["attempt"],
                taskset=header["taskset"],
                limits={key: value for key, value in header["limits"].items() if value is not None},
                snapshot="auto" if saved else "never",
                sandbox=SandboxConfig.model_validate(header.get("sandbox", {})),
                baseline=header["baseline"],
                branch=Branch.of_json(header.get("branch")),
                chat=bool(header.get("chat", False)),
                people=PeopleConfig.model_validate(header.get("people", {})),
                approval=tuple(map(ApprovalRule.model_validate, header.get("approval", ()))),
                judge=JudgeConfig.model_validate(header["judge"]) if header.get("judge") else None,
            )
        except (KeyError, TypeError, ValueError, TerrariumError) as error:
            told = f"its header does not say what was run: {type(error).__name__}: {error}"
            raise NotReplayable(f"{self.journal} cannot be replayed: {told}", code="no-header") from None

    @cached_property
    def turns(self) -> Mapping[str, Sequence[RecordedTurn]]:
        """The turns of every agent, in order.

        Raises:
            NotReplayable: They cannot be told apart.
        """
        try:
            return self._turns()
        except (KeyError, TypeError, IndexError, AttributeError) as error:
            told = f"its turns cannot be read: {type(error).__name__}: {error}"
            raise _bad(self.journal, told, "damaged") from None

    def _turns(self) -> dict[str, list[RecordedTurn]]:
        found: dict[str, list[RecordedTurn]] = {}
        ended: list[RecordedTurn] = []  # with an error that the program has not got yet
        for line in self.lines:
            kind, data, actor = line["kind"], line["data"], line["actor"]
            if kind == "turn" and data["state"] in BEGINS:
                found.setdefault(actor, []).append(RecordedTurn(data["number"]))
            elif kind == "turn":
                turn = found[actor][-1]
                turn.stop, turn.text = data["stop"], str(self.opened(data["text"]))
                if turn.stop == "error":
                    ended.append(turn)
            elif kind == "raise" and ended:
                ended.pop(0).error = revive(data["type"], str(self.opened(data["message"])), data.get("code"))
            elif kind in ("model", "tool_call", "tool_result") and actor in found and "via" not in data:
                found[actor][-1].deeds.append(line)
        return found

    def look_through(self) -> None:
        """Look at all that agents will be given, before anything runs.

        Raises:
            NotReplayable: Something of it is damaged, or its blob is missing.
        """
        _ = self.costs
        for turns in self.turns.values():
            for line in (line for turn in turns for line in turn.deeds):
                self.opened(line["data"].get("completion"))
                self.opened(line["data"].get("arguments"))

    @cached_property
    def costs(self) -> dict[tuple[str, str], deque[int]]:
        """What actions cost in world time where that was measured, by (agent, kind of action), in order.

        Raises:
            NotReplayable: One is no time.
        """
        found: dict[tuple[str, str], deque[int]] = {}
        for line in self.lines:
            if line["kind"] in ("step", "tool_result") and "cost" in line["data"]:
                match line["data"]["cost"]:
                    case [str(kind), int(micros)] if 0 <= micros < _LONGEST:
                        found.setdefault((line["actor"], kind), deque()).append(micros)
                    case other:
                        told = f"event {line['seq']} costs {other!r:.80}, which is no time"
                        raise _bad(self.journal, told, "damaged")
        return found

    @property
    def error(self) -> Mapping[str, Any] | None:
        """What the trial ended with where it was not scored."""
        scored = self.lines[-1]["data"]["verdict"]["fields"].get("reward") is not None
        errors = [line["data"] for line in self.lines if line["kind"] == "error" and line["actor"] == "world"]
        return errors[-1] if errors and not scored else None


_LONGEST = 10 * 366 * 86_400_000_000  # microseconds that one action may cost


def _lines(journal: Path) -> list[Line]:
    """The lines of a journal that tells of a trial from its beginning to its end."""
    lines: list[Line] = []
    for number, line in enumerate(_read(journal), 1):
        seq = line["seq"]
        if seq != number:
            told = f"events {number} to {seq - 1} are missing" if seq > number else "its lines are not in order"
            raise _bad(journal, f"line {number} is event {seq}: {told}", "damaged")
        lines.append(line)
    if not lines or lines[0]["kind"] != "header":
        raise _bad(journal, "it does not begin with a header", "no-header")
    schema = lines[0]["data"].get("schema")
    if schema != SCHEMA:
        raise _bad(journal, f"it is of schema {schema!r}, and this version reads {SCHEMA}", "schema")
    last = lines[-1]
    lost = any(line["kind"] == "error" and line["data"].get("type") == WorkerLost.__name__ for line in lines[-3:])
    if last["kind"] != "verdict" or lost:
        told = f"it ends with event {last['seq']} ({last['kind']}): the trial was not finished, or the end is lost"
        raise _bad(journal, f"{told}; run it again in its folder, and it goes on from there", "unfinished")
    header, verdict = lines[0]["data"], last["data"].get("verdict")
    if not isinstance(verdict, dict) or not isinstance(verdict.get("fields"), dict):
        raise _bad(journal, "its verdict is none", "damaged")
    if not all(isinstance(header.get(key, {}), dict) for key in ("task", "traits")):
        raise _bad(journal, "its header does not say what was run", "no-header")
    return lines


def _read(journal: Path) -> Iterator[Line]:
    try:
        with journal.open("rb") as file:
            for number, text in enumerate(file, 1):
                if not text.endswith(b"\n"):
                    return  # torn
                try:
                    line = json.loads(text)
                    ok = all(isinstance(line[key], kind) for key, kind in _FORM.items())
                    ok = ok and from_micros(line["time"]) is not None
                except (OverflowError, ValueError, KeyError, TypeError, RecursionError) as error:
                    raise _bad(journal, f"line {number} is damaged: {error}", "damaged") from None
                if not ok:
                    raise _bad(journal, f"line {number} is damaged: it is no event", "damaged")
                yield line
    except OSError as error:
        raise _bad(journal, str(error.strerror), "unreadable") from None


_FORM = {"seq": int, "kind": str, "actor": str, "time": int, "data": dict}


def _bad(journal: Path, told: str, code: str) -> NotReplayable:
    return NotReplayable(f"{journal} cannot be replayed: {told}", code=code)
