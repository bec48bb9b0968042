"""The conformance battery: what agents do with imaplib, imap-tools and imapclient, against the servers of a world."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "capability"))  # for `loopback`, which runs the servers

from loopback import LiveMail

CHECKOUT = Path(__file__).parents[2]
PLACES = [Path(os.environ.get("TERRARIUM_SHARED") or CHECKOUT.parent / "shared"), CHECKOUT.parent.parent / "shared"]
BATTERY = next((place for shared in PLACES if (place := shared / "oracle" / "imap_battery.py").exists()), None)


@pytest.mark.skipif(BATTERY is None, reason="the battery is not beside this checkout, nor at $TERRARIUM_SHARED")
def test_every_check_of_the_battery_passes(tmp_path: Path) -> None:
    with LiveMail(tmp_path) as mail:
        ports = [str(mail.port(25)), str(mail.port(143))]
        done = subprocess.run(
            [sys.executable, str(BATTERY), *ports, "agent@world.example", "any", "0"],
            capture_output=True,
            text=True,
            timeout=100,
        )
        assert "59/59" in done.stdout, done.stdout + done.stderr
        assert mail.failures == []
