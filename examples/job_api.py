"""A job from Python: run, stop in the middle, go on where it stopped. Run me: `python job_api.py`."""

import asyncio
import tempfile
from pathlib import Path

from terrarium import AgentConfig, Job, JobConfig, TaskConfig

HERE = Path(__file__).parent


async def main(folder):
    config = JobConfig(
        agents=(AgentConfig(name="oracle"), AgentConfig(name="random")),
        tasks=(TaskConfig(path=str(HERE / "hello_mail.py")), TaskConfig(path=str(HERE / "heartbeat.py"))),
        seeds=(0, 1, 2),
        n_workers=2,
        n_concurrent_trials=2,
        baseline=False,
        job_dir=folder,
    )
    first = Job(config)
    first.on("finished", lambda data: first.stop())  # let running trials end, begin no more
    stopped = await first.run()
    print(f"stopped: {len(stopped.results)} scored, {stopped.undone} not run, exit code {stopped.exit_code}")

    result = await Job(config).run()  # the same job in the same folder
    print(f"resumed: {result.skipped} were there already, {len(result.results)} scored, exit code {result.exit_code}")
    for one in result.results:
        trial = one.trial
        print(f"{trial.task:11} {trial.agent.label:7} seed {trial.seed}  reward {one.verdict.reward:.2f}  {one.stop}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(folder))
