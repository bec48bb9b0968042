"""A package index of the world's own: pip installs a tool, and the release that repairs it comes only then."""

from __future__ import annotations

from terrarium import allowed, check, entry, run_checkers

from .content import (
    ANNOUNCED,
    BRIEF,
    FIRST,
    FIXED,
    FIXED_NEWS,
    INDEX,
    NEWS,
    OLD_NEWS,
    RAW,
    RESULT,
    as_raw,
    converted,
    page,
    readings,
    wheel,
)


@entry(
    capabilities=["web", "workspace"],
    capabilities_config={
        "web": {"sites": {INDEX: {"packages": True}}},
        "workspace": {"network": "sandbox", "packages": ["pip"]},
    },
)
def fixed_tool(env, agent):
    scale, values = readings(env.random)

    def release(version, text):
        env.web.put(INDEX, page(version), wheel(version))
        env.web.put(NEWS, "/index.html", ANNOUNCED.format(version=version, text=text), type="text/plain")

    env.workspace.fs.write_file(RAW, as_raw(scale, values))
    release(FIRST, OLD_NEWS)
    env.when(
        lambda: any(visit["path"] == page(FIRST) for visit in env.web.log(INDEX)),
        lambda: env.after("5s", lambda: release(FIXED, FIXED_NEWS)),
    )
    agent.act(BRIEF)

    return run_checkers(
        {
            "the result is by the newest release": lambda: (
                env.workspace.fs.read_text(RESULT).strip() == converted(scale, values).strip()
            ),
            "the tool was fetched": lambda: any(visit["path"] == page(FIXED) for visit in env.web.log(INDEX)),
            "changed nothing else": check(
                lambda: env.unchanged_except(
                    allowed(f"workspace:file:{RESULT}", kind="added", times=1), allowed("workspace", kind="added")
                ),
                required=True,
                weight=0,
            ),
        }
    )


@fixed_tool.solution
def solve(seat):
    # Neither keeps what is compiled: that would hold the time of this machine.
    install = "python3 -m pip install -q --no-compile --no-cache-dir --upgrade --target /root/tools larkspec"
    use = "PYTHONPATH=/root/tools python3 -B -m larkspec /root/readings.raw > /root/readings.csv"
    used, news = None, ""
    while used != news:
        used = news
        seat.call("workspace_shell", command=f"{install} && {use}")
        news = seat.call("workspace_shell", command="curl -sS https://larkspec.example/").stdout
    return "The readings are converted."
