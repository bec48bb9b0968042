"""What the front page prints is what its task gives."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from manual_pages import ROOT

from terrarium.run.check import check


def test_the_table_of_the_front_page_is_true(tmp_path: Path):
    page = (ROOT / "README.md").read_text("utf-8")
    (source,) = (block for block in re.findall(r"```python\n(.*?)```", page, re.S) if "@lunch.solution" in block)
    (table,) = re.findall(r"```text\n(task .*?)```", page, re.S)
    (tmp_path / "lunch").mkdir()
    (tmp_path / "lunch" / "task.py").write_text(source)
    found = asyncio.run(check([str(tmp_path / "lunch")]))
    printed = [re.split(r"\s{2,}", line) for line in table.splitlines()[1:]]
    assert printed == [[each.task, each.what, "✓" if each.ok else "✗", each.detail] for each in found]
