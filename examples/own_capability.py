"""A capability of your own: a to-do list for programs and agents. Run me: `python own_capability.py`."""

import tempfile

from terrarium import TaskConfig, Trial, entry, run_checkers
from terrarium.core.capability import Traits, instance_tool, reads, writes
from terrarium.core.tool import Tool
from terrarium.core.trajectory import load
from terrarium.run.trial import TrialConfig


class Todo:
    traits = Traits()

    async def open(self, site):
        self.site, self.store = site, site.rows()

    def tools(self, agent):
        return [Tool.of(self._finish, instance_tool(self.site.name, "finish"))]

    def rows(self):
        return self.store.all()

    async def save(self, to):
        self.store.save(to)

    async def close(self):
        self.store.close()

    @writes(silent=True)
    def add(self, text: str) -> str:
        key = f"{self.store.count('item') + 1:03d}"
        self.store.insert(self.site.actor(), "item", key, {"text": text, "done": False})
        return key

    @reads
    def left(self) -> list[str]:
        return [row.fields["text"] for row in self.store.table("item") if not row.fields["done"]]

    def _finish(self, key: str) -> str:
        """Tick an item off the to-do list."""
        return self.store.update(self.site.actor(), "item", key, done=True)["text"]


@entry(capabilities=["todo"], capabilities_config={"todo": {"import_path": "own_capability:Todo"}})
def own_capability(env, agent):
    keys = [env.todo.add(text) for text in ("water the fern", "feed the fish")]
    agent.act(f"Tick off item {keys[1]}, and nothing else.")
    return run_checkers({"one is left": lambda: env.todo.left() == ["water the fern"]})


own_capability.solution(lambda seat: seat.call("todo_finish", key=seat.instruction.split()[3].strip(",")))

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(TrialConfig(task=TaskConfig(path=__file__), trial_dir=folder))
        print("reward", trial.run_sync().verdict.reward)
        for event in load(next(trial.folder.path.glob("trials/*/try-*/journal.jsonl"))).of("change"):
            print(event.actor, event.data["table"], event.data["key"], event.data["before"], "->", event.data["after"])
