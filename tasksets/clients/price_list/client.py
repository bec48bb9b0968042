"""Fetches the price list; what the reference solution runs in its sandbox."""

import json
import time
import urllib.error
import urllib.request
from pathlib import Path

HOST = "https://api.norrland-optics.example"


def fetch(path):
    while True:
        try:
            with urllib.request.urlopen(HOST + path, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code != 503:
                raise
            time.sleep(0.1)


def whole():
    """All prices of one edition."""
    page = fetch("/v1/prices")
    edition, found = page["edition"], page["prices"]
    while page["next"]:
        page = fetch(page["next"])
        if page["edition"] != edition:
            return None
        found += page["prices"]
    return found


prices = None
while prices is None:
    prices = whole()
lines = [f"{row['part']},{row['cents'] / 100:.2f}" for row in prices if row["sold"]]
Path("/root/prices.csv").write_text("\n".join(["part,price", *lines, ""]))
