"""Invoices are checked against a list on a web site, which is corrected while they are being filed.

As soon as the agent has looked at the list and filed something, the supplier puts another list at another address: one
invoice that was right is wrong then, and one that was wrong is right. In the second turn further invoices have come.
"""

from __future__ import annotations

import re

from terrarium import allowed, check, entry, run_checkers

from .content import HOME, PARTS, RULES, SITE, invoice, page, prices

BUCKETS = {
    "incoming": {"agent": "write"},
    "approved": {"agent": "write"},
    "disputed": {"agent": "write"},
    "rules": {"agent": "read"},
}
BRIEF = """\
You are in accounts payable at Larkfield Instruments. Invoices of Corvus Supply have come in. Check and file them as \
`checking.md` in the bucket `rules` wants it."""
EVENING = "The day is nearly over, and more invoices have come in. See that everything is filed as the rules want it."


@entry(
    capabilities=["object_store", "web"],
    capabilities_config={"object_store": {"buckets": BUCKETS}, "web": {"sites": {SITE: {"files": {}}}}},
    clock="2030-01-07T09:00",
)
def price_check(env, agent):
    random, store, web = env.random, env.object_store, env.web
    old = prices(random)
    corrected = random.choice(PARTS)
    new = old | {corrected: old[corrected] + random.randint(2, 9)}
    retail = {part: price + random.randint(2, 9) for part, price in old.items()}
    settled = set(PARTS) - {corrected}
    numbers = [f"CS-{number}" for number in sorted(random.sample(range(2000, 9999), 9))]

    def with_corrected(number, listed):
        """An invoice that has the corrected part in it."""
        while corrected not in (made := invoice(random, number, listed, set(PARTS))).lines:
            pass
        return made

    kinds = [
        lambda number: invoice(random, number, old, settled),
        lambda number: with_corrected(number, old),
        lambda number: with_corrected(number, new),
        lambda number: invoice(random, number, old, settled, "price"),
        lambda number: invoice(random, number, old, settled, "total"),
        lambda number: invoice(random, number, retail, settled),
    ]
    random.shuffle(kinds)
    first = [make(number) for make, number in zip(kinds, numbers, strict=False)]
    late = [with_corrected(numbers[6], new), with_corrected(numbers[7], old), invoice(random, numbers[8], old, settled)]

    def publish(address, listed, banner):
        web.put(SITE, "/index.html", HOME.format(page=address, banner=banner))
        web.put(SITE, address, page("Prices for resellers", listed))

    publish("/prices/resellers.html", old, "Parts for instruments since 1988.")
    web.put(SITE, "/prices/retail.html", page("Prices for retail customers", retail))
    store.put_object("rules", "checking.md", RULES.format(site=SITE))
    for sent in first:
        store.put_object("incoming", f"2030-01/{sent.number}.txt", sent.text())
    audited = random.choice(("approved", "disputed"))
    store.put_object(audited, "CS-1999.txt", "Filed in December, by hand.\n")

    def filed(bucket):
        """The text of what is in a bucket, by key; nothing where it is gone."""
        if bucket not in store.list_buckets():
            return {}
        return {each["key"]: store.get_object(bucket, each["key"]).decode() for each in store.list_objects(bucket)}

    def correct():
        publish(
            "/prices/resellers-2.html",
            new,
            "Note: the prices for resellers were corrected today. The new list is binding.",
        )
        changed.append(env.clock.now)

    changed = []
    env.when(lambda: len(filed("approved")) + len(filed("disputed")) > 2, lambda: env.after("2s", correct))
    agent.act(BRIEF)
    if not changed:
        correct()
    env.clock.advance("6h")
    if "incoming" in store.list_buckets():
        for sent in late:
            store.put_object("incoming", f"2030-01/{sent.number}.txt", sent.text())
    agent.act(EVENING)

    def holds(bucket, invoices):
        wanted = {f"{sent.number}.txt": sent.text() for sent in invoices}
        return {key: text for key, text in filed(bucket).items() if key != "CS-1999.txt"} == wanted

    def placed(invoices):
        """Each of these is where it belongs, and only there."""
        for sent in invoices:
            right, wrong = ("approved", "disputed") if sent.right(new) else ("disputed", "approved")
            key = f"{sent.number}.txt"
            if filed(right).get(key) != sent.text() or key in filed(wrong):
                return False
        return True

    touched = [sent for sent in first if corrected in sent.lines]
    every = [*first, *late]
    return run_checkers(
        {
            "what the correction did not touch": lambda: placed([sent for sent in first if sent not in touched]),
            "what the correction did touch": check(lambda: placed(touched), weight=2),
            "the late ones": lambda: placed(late),
            "approved are the right ones": check(
                lambda: holds("approved", [sent for sent in every if sent.right(new)]), weight=2
            ),
            "disputed are the others": lambda: holds("disputed", [sent for sent in every if not sent.right(new)]),
            "nothing else was touched": check(
                lambda: env.unchanged_except(
                    *(allowed(f"object_store:object:{bucket}/{sent.number}.txt") for bucket in FILED for sent in every)
                ),
                required=True,
                weight=0,
            ),
        }
    )


FILED = ("approved", "disputed")


@price_check.solution
def solve(seat):
    seat.call("object_store_read", bucket="rules", key="checking.md")
    placed = {}
    file_all(seat, placed)
    yield "Everything is filed."
    file_all(seat, placed)
    return "And so is the rest."


def file_all(seat, placed):
    """File each invoice by the list as it is now; what was filed otherwise is moved."""
    home = seat.call("web_fetch", url=f"https://{SITE}/", raw=True)["text"]
    address = re.search(r'href="([^"]+)">Prices for resellers', home)[1]
    table = seat.call("web_fetch", url=f"https://{SITE}{address}", raw=True)["text"]
    listed = {part: int(price) for part, price in re.findall(r"<td>(.+?)</td><td>(\d+)</td>", table)}
    for found in seat.call("object_store_list", bucket="incoming"):
        text = seat.call("object_store_read", bucket="incoming", key=found["key"])
        lines = re.findall(r"(\d+) x (.+) at EUR (\d+)", text)
        total = int(re.search(r"Total EUR (\d+)", text)[1])
        right = sum(int(n) * int(price) for n, _, price in lines) == total
        right = right and all(listed[part] == int(price) for _, part, price in lines)
        bucket, name = FILED[not right], found["key"].rpartition("/")[2]
        if placed.get(name) != bucket:
            seat.call("object_store_copy", bucket="incoming", key=found["key"], to_bucket=bucket, to_key=name)
            if name in placed:
                seat.call("object_store_delete", bucket=placed[name], key=name)
            placed[name] = bucket
