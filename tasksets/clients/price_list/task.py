"""A web service that a task invents, by urllib and curl: it fails, comes in pages, and changes between two of them."""

from __future__ import annotations

from pathlib import Path

from terrarium import allowed, check, entry, run_checkers

from .content import BRIEF, HOST, MANUAL, RESULT, as_csv, corrected, pages, prices

CLIENT = Path(__file__).with_name("client.py")
JSON = {"content-type": "application/json"}


@entry(capabilities=["web", "workspace"], capabilities_config={"workspace": {"network": "sandbox"}})
def price_list(env, agent):
    edition, old = env.random.randint(5, 90), prices(env.random)
    new = corrected(env.random, old)

    def publish(number, known):
        for path, body in pages(number, known).items():
            env.web.respond(HOST, path, body, headers=JSON)

    def asked(status):
        return [v for v in env.web.log(HOST) if v["path"].startswith("/v1/prices") and v["status"] == status]

    def second_page():
        return any("after=" in visit["path"] for visit in asked(200))

    env.web.put(HOST, "/index.html", MANUAL, type="text/plain; charset=utf-8")
    env.web.respond(HOST, "/v1/prices", "busy\n", 503, {"retry-after": "1"})
    env.when(lambda: len(asked(503)) >= 2, lambda: publish(edition, old))
    env.when(second_page, lambda: publish(edition + 1, new))
    agent.act(BRIEF)

    return run_checkers(
        {
            "the list is the present one": lambda: env.workspace.fs.read_text(RESULT).strip() == as_csv(new).strip(),
            "changed nothing else": check(
                lambda: env.unchanged_except(
                    allowed(f"workspace:file:{RESULT}", kind="added", times=1), allowed("workspace", kind="added")
                ),
                required=True,
                weight=0,
            ),
        }
    )


@price_list.solution
def solve(seat):
    seat.call("workspace_shell", command="curl -sS https://api.norrland-optics.example/")
    seat.call("workspace_write", path="fetch.py", content=CLIENT.read_text("utf-8"))
    seat.call("workspace_shell", command="python3 fetch.py")
    return "The list is in /root/prices.csv."
