"""Records what the demo prints as docs/images/demo.svg, for the README."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH = 92


def main() -> None:
    root = Path(__file__).parents[1]
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "FORCE_COLOR": "1", "COLUMNS": str(WIDTH), "TERM": "xterm-256color"}
        command = [sys.executable, "-m", "terrarium.cli.main", "run", "tasksets/office"]
        command += ["--plain", "-o", "outputs/demo"]
        (Path(folder) / "tasksets").symlink_to(root / "tasksets")
        shown = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=True)
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text("$ scripts/demo --plain -o outputs/demo", style="bold"))
    console.print(Text.from_ansi(shown.stdout))
    console.save_svg(str(root / "docs" / "images" / "demo.svg"), title="terrarium", code_format=_format())


def _format() -> str:
    """Rich's template without the fonts that it would fetch from elsewhere."""
    from rich._export_format import CONSOLE_SVG_FORMAT

    start, end = CONSOLE_SVG_FORMAT.index("    @font-face"), CONSOLE_SVG_FORMAT.index("    .{unique_id}-matrix")
    return CONSOLE_SVG_FORMAT[:start] + CONSOLE_SVG_FORMAT[end:]


if __name__ == "__main__":
    main()
