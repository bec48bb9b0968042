"""A safe that jams at the first wrong turn: search leaves the world before it, one path of as many turns cannot."""

import asyncio
import random
import tempfile
from collections.abc import Iterable, Sequence

from terrarium import check, entry, run_checkers
from terrarium.run.config import TaskConfig
from terrarium.run.tree import Move, Node, Tree, best_first
from terrarium.run.trial import TrialConfig

random.seed(0)
BUDGET, DIALS = 12, ("red", "green", "blue")


@entry(capabilities=["email"])
def safe(env, agent):
    """Open the safe."""
    code, state = [env.random.choice(DIALS) for _ in range(4)], {"clicks": 0, "jammed": False}

    def turn(dial: str) -> str:
        """Turn a dial of the safe."""
        if state["jammed"] or state["clicks"] == len(code):
            return "nothing moves"
        if dial != code[state["clicks"]]:
            state["jammed"] = True
            env.after("5s", lambda: env.email.send("guard@bank.example", "boss@bank.example", "Alarm", "Come!"))
            return "thud"
        state["clicks"] += 1
        return "click"

    agent.register_tools(turn)
    agent.act("Turn the dials until the safe is open, and say so.")
    alarms = env.email.count_inbox("boss@bank.example")
    return run_checkers({"open": check(lambda: state["clicks"] == 4), "quiet": check(lambda: alarms == 0)})


def moves(node: Node) -> Iterable[Sequence[Move]]:
    return [[{"say": "open"}]] if node.depth == 4 else [[{"tool": "turn", "args": {"dial": dial}}] for dial in DIALS]


def promise(node: Node) -> float:
    return -1.0 if node.results and node.results[-1].content != "click" else float(node.depth)


async def main(folder: str) -> None:
    tree = Tree(TrialConfig(TaskConfig(path=__file__), trial_dir=folder, seed=3))
    root = await tree.plant()
    path = await root.step(*({"tool": "turn", "args": {"dial": random.choice(DIALS)}} for _ in range(BUDGET)))
    print("one path:  ", [result.content for result in path.results[:3]], "reward", (await path.finish("open")).reward)
    found = await best_first(root, moves, promise, BUDGET + 1)
    print("best first:", [move["args"]["dial"] for move in found.path[:-1]], "reward", found.verdict.reward)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        asyncio.run(main(place))
