"""An `async def` program: two agents act at the same time, and a third task of its own listens to a clock."""

import asyncio
import time

from terrarium import entry, run_checkers


@entry(["email", "workspace"], {"workspace": {"sandbox": "memory"}}, agents=["north", "south"])
async def crossing(env, agents):
    ticked, heard = asyncio.Queue(), []

    async def listen():
        while True:
            heard.append(await ticked.get())
            env.email.send("clock@x.example", "north@x.example", f"tick {len(heard)}", heard[-1])

    async def drive(name):
        for number in range(3):
            reply = await agents[name].act(f"{number} {env.random.randrange(100)}")
            env.email.send(f"{name}@x.example", "log@x.example", f"{name} {number}", reply.text)

    env.every("30s", lambda: ticked.put_nowait(f"{env.clock.now:%H:%M:%S} {env.random.random():.3f}"), until="09:20")
    env.when(lambda: env.email.count_inbox("log@x.example") >= 3, lambda: agents["south"].post("Half way."))
    listener = asyncio.ensure_future(listen())
    await asyncio.gather(drive("north"), drive("south"))
    await env.clock.advance("10m")
    first = len(heard)
    await asyncio.gather(agents["south"].act("again"), agents["north"].act("again"))
    await env.clock.advance("30m")
    listener.cancel()
    return run_checkers(
        {
            "logged": lambda: env.email.count_inbox("log@x.example") == 6,
            "heard": lambda: len(heard) == env.email.count_inbox("north@x.example") == 40,
            "in between": lambda: 20 <= first < 40,
            "luck": lambda: env.random.random() < 0.5,
        }
    )


def _solve(seat):
    number = 0
    while True:
        number += 1
        time.sleep(0.02)
        seat.call("workspace_write", path=f"note{number}", content=seat.instruction)
        seat.call("email_list")
        time.sleep(0.01)
        yield f"{seat.name} has done {number}"


for _name in ("north", "south"):
    crossing.solution(_solve, agent=_name)
