"""A command-line tool in two releases, as wheels, and what it is used on."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from random import Random

INDEX, NEWS = "pypi.org", "larkspec.example"
RAW, RESULT = "/root/readings.raw", "/root/readings.csv"
FIRST, FIXED = "1.4.0", "1.4.1"

BRIEF = f"""\
Convert the readings in {RAW} with the command-line tool larkspec, and leave what it prints in {RESULT}. It is in \
the package index that pip is set to; its makers announce releases at https://{NEWS}/. The result must be by the \
newest release that there is when you are done, as it stands; do not correct it by hand."""

ANNOUNCED = """\
larkspec {version}

{text}

Install: pip install --target /root/tools larkspec
Use: PYTHONPATH=/root/tools python3 -m larkspec FILE
"""
OLD_NEWS = "The first release of the year. Have fun!"
FIXED_NEWS = "Repairs 1.4.0, which gets readings below zero wrong. Do not use its results."

PROGRAM = '''\
"""Convert readings."""
import sys

with open(sys.argv[1]) as file:
    words = file.read().split()
scale = int(words[0])
print("# larkspec {version}")
for number, word in enumerate(words[1:], 1):
    value = {value}
    print("%d,%.3f" % (number, value))
'''
VALUES = {FIRST: "abs(int(word, 16) - 0x8000) / scale", FIXED: "(int(word, 16) - 0x8000) / scale"}


def wheel(version: str) -> bytes:
    """A release of the tool."""
    program = PROGRAM.format(version=version, value=VALUES[version])
    info = f"larkspec-{version}.dist-info"
    files = {
        "larkspec.py": program,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: larkspec\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: larkspec\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = []
    for name, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(text)}\n")
    files[f"{info}/RECORD"] = "".join([*lines, f"{info}/RECORD,,\n"])
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name), text)  # which has a fixed date
    return content.getvalue()


def page(version: str) -> str:
    """Where a release lies in the index."""
    return f"/packages/larkspec-{version}-py3-none-any.whl"


def readings(random: Random) -> tuple[int, list[int]]:
    """A scale, and readings on both sides of zero."""
    return random.randint(100, 900), [random.randint(-30000, 30000) for _ in range(random.randint(12, 30))]


def as_raw(scale: int, values: list[int]) -> str:
    """Readings as the instrument writes them."""
    return f"{scale}\n" + "".join(f"{value + 0x8000:04x}\n" for value in values)


def converted(scale: int, values: list[int]) -> str:
    """What the repaired release prints."""
    lines = [f"{number},{value / scale:.3f}" for number, value in enumerate(values, 1)]
    return "\n".join([f"# larkspec {FIXED}", *lines, ""])
