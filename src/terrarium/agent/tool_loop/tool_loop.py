"""The tool loop: ask the model, carry out its calls, show it the results, until it answers without calls."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal

from terrarium.agent.excerpt import excerpt
from terrarium.agent.setting import part, whole
from terrarium.agent.tool_loop.calls import NOT_DONE, Answer, Calls, Result
from terrarium.agent.tool_loop.compaction import Compaction, too_long
from terrarium.agent.tool_loop.complaint import MALFORMED, of_result
from terrarium.agent.tool_loop.history import History
from terrarium.agent.tool_loop.warning import OF_TURN, warnings
from terrarium.agent.tool_loop.ways import way
from terrarium.core.agent import Reply, Seat, StopReason
from terrarium.core.errors import ModelRefused
from terrarium.core.message import Block, ImageBlock, Message, TextBlock, ToolUseBlock
from terrarium.core.model import Completion, Model
from terrarium.core.tool import ToolCall
from terrarium.core.values import Value, decode, dumps, encode

SYSTEM = """\
You act in a world through tools. Use them to do what the user asks; look before you change something, and check what \
you did. Several independent calls may be made at once. When the task is done, or cannot be done, answer in words \
without calling a tool: that ends your turn."""

_EMPTY = "Your answer was empty. Call a tool, or answer in words if you are done."
_CUT_OFF = "Your answer was cut off at its length limit. Continue exactly where it stopped."


@dataclass
class _Turn:
    """How the present turn goes."""

    said: list[str] = field(default_factory=list)
    empty: int = 0
    cut_off: int = 0
    malformed: int = 0
    """Answers in a row of which no call could be carried out."""


class ToolLoopAgent:
    """Asks a model, and does what it asks for.

    Args:
        model: What is asked.
        system: What the model is told before everything else, behind the task's own system prompt; empty: nothing.
        calls: `native`; `text` for models that know no tools: calls stand in their text; `json`: every answer is one
            JSON object, to which models that can be held to a schema are held.
        context: Tokens of a request from which on old exchanges give way; 0: never.
        compaction: How they do: `trim`, `summary`, `none`, or `package.module:function`.
        keep: Of the last exchanges, how many always stay.
        nudges: How often in a turn an empty answer, and one that was cut off, is asked again.
        malformed: After so many answers in a row without a call that can be carried out, the turn is given up.
        warn_at: The part of a budget at which the model is told how much it has used; 1: never.
        result_limit: Characters of one tool result that the model is shown; of longer ones head and tail.

    Raises:
        ConfigError: A setting is out of range, or unknown.
    """

    timing: ClassVar[Literal["fixed", "measured"]] = "fixed"
    wants_model: ClassVar[bool] = True

    def __init__(
        self,
        model: Model,
        system: str = SYSTEM,
        calls: str = "native",
        context: int = 100_000,
        compaction: str = "trim",
        keep: int = 4,
        nudges: int = 2,
        malformed: int = 5,
        warn_at: float = 0.8,
        result_limit: int = 50_000,
    ) -> None:
        self._model = model
        self._system = str(system)
        self._calls: Calls = way(calls)
        self._compaction = Compaction(compaction, whole("context", context, 0), whole("keep", keep, 1))
        self._nudges, self._malformed = whole("nudges", nudges, 0), whole("malformed", malformed, 1)
        self._warn_at, self._result_limit = part("warn_at", warn_at), whole("result_limit", result_limit, 100)
        self._history = History()
        self._turn = _Turn()
        self._steps = 0
        self._warned: list[str] = []

    async def open(self, seat: Seat) -> None:
        """Nothing to prepare."""

    async def act(self, instruction: Message, seat: Seat, resumed: bool = False) -> Reply:
        """Do one turn.

        Raises:
            ModelFault: The model cannot be had.
        """
        if not resumed:
            self._turn = _Turn()
            self._warned = [kind for kind in self._warned if kind not in OF_TURN]
            self._history.instruct(instruction)
        while True:
            for notice in seat.notices():
                source = f" from {notice.source}" if notice.source else ""
                self._note(f"[notice{source}] {notice.text}")
            for warning in warnings(seat.budget, self._warn_at, self._warned):
                self._note(f"[budget] {warning}")
            await self._compaction.make_room(self._history, seat, self._model, lambda: self._overhead(seat))
            completion = await seat.think(lambda: self._ask(seat))
            reply = await self._answered(completion, seat)
            if reply is not None:
                return reply

    async def _ask(self, seat: Seat) -> Completion:
        system = self._prompt(seat)
        opening = [Message("system", system)] if system else []
        while True:
            try:
                return await self._calls.ask(self._model, [*opening, *self._history.messages], list(seat.tools))
            except ModelRefused as error:
                if not too_long(error) or not await self._compaction.shrink(self._history):
                    raise

    async def _answered(self, completion: Completion, seat: Seat) -> Reply | None:
        """Go on from an answer; the reply where it ends the turn."""
        self._steps += 1
        turn, answer = self._turn, self._calls.read(completion, self._steps)
        self._history.answer(completion.message, completion.usage.input_tokens)
        if answer.calls or answer.wrong:
            turn.said.clear()
            malformed = await self._carry_out(answer, seat)
            turn.malformed = turn.malformed + 1 if malformed else 0
            if turn.malformed >= self._malformed:
                return Reply.say(answer.text, StopReason.GAVE_UP)
            return None
        if answer.text.strip():
            turn.said.append(answer.text)
        said = "".join(turn.said)
        if completion.stop == "refusal":
            return Reply.say(said, StopReason.GAVE_UP)
        if completion.stop == "length" and answer.text.strip():
            turn.cut_off += 1
            if turn.cut_off <= self._nudges:
                self._note(_CUT_OFF)
                return None
            return Reply.say(said, StopReason.GAVE_UP)
        if answer.text.strip():
            return Reply.say(said)
        turn.empty += 1
        if turn.empty <= self._nudges:
            self._note(_EMPTY)
            return None
        return Reply.say(said, StopReason.GAVE_UP)

    async def _carry_out(self, answer: Answer, seat: Seat) -> bool:
        """Carry out the calls of an answer in order; whether none of them could be."""
        results: list[Result] = []
        good = 0
        try:
            for call in answer.calls:
                result, malformed = await self._use(call, seat)
                results.append(result)
                good += not malformed
        finally:  # a limit may end the turn in between, and the next turn goes on from here
            left = answer.calls[len(results) :]
            results += [Result(call, NOT_DONE, is_error=True) for call in left]
            if results:
                self._history.add(self._calls.results(results))
            for wrong in answer.wrong:
                self._note(wrong)
        return good == 0

    async def _use(self, call: ToolUseBlock, seat: Seat) -> tuple[Result, bool]:
        result = await seat.call(ToolCall(call.name, call.input, call.id))
        if result.error in MALFORMED:
            return Result(call, of_result(call.name, result, seat.tools), is_error=True), True
        content = excerpt(result.content, self._result_limit)
        return Result(call, content, result.error is not None, images_in(result.value)), False

    def _note(self, text: str) -> None:
        """Tell the model something that is neither an instruction nor a result."""
        blocks: list[Block] = [TextBlock(excerpt(text, self._result_limit))]
        self._history.add(Message("user", blocks))

    def _prompt(self, seat: Seat) -> str:
        parts = (seat.system_prompt, self._system, self._calls.explain(seat.tools))
        return "\n\n".join(part for part in parts if part)

    def _overhead(self, seat: Seat) -> list[str]:
        """What is sent beside the history, as text."""
        tools = [tool.description + json.dumps(dict(tool.parameters), default=str) for tool in seat.tools]
        return [self._prompt(seat), *tools]

    # -- memory ---------------------------------------------------------------------------------------------------

    def save(self) -> bytes | None:
        """Its history and the state of its turn, as JSON."""
        turn = asdict(self._turn)
        tree = {"history": self._history.saved(), "turn": turn, "steps": self._steps, "warned": self._warned}
        return dumps(encode(tree)).encode("ascii")

    def load(self, memory: bytes) -> None:
        """Continue from what `save` gave."""
        saved = decode(json.loads(memory))
        self._history.load(saved["history"])
        self._turn, self._steps, self._warned = _Turn(**saved["turn"]), saved["steps"], saved["warned"]

    async def close(self) -> None:
        """Nothing to give up: the model is not its own."""


def images_in(value: Value) -> list[ImageBlock]:
    """The images that a tool gave: itself one, or a list with some."""
    found: Sequence[Any] = value if isinstance(value, list) else [value]
    return [item for item in found if isinstance(item, ImageBlock)]
